"""Iterations: numbering, listing, renaming, deletion."""

from tests.support.harness import NOWHERE, Service
from tests.support.images import picture


def test_numbering_and_times(service: Service) -> None:
    created = service.get(project := service.trainable()[0])["created"]
    service.clock.advance(minutes=1)
    first = service.post(f"{project}/train")
    service.clock.advance(minutes=1)
    service.finish_trainings()
    service.clock.advance(minutes=1)
    second = service.post(f"{project}/train", params={"forceTrain": "true"})
    assert first["created"] == created
    assert second["created"] == first["lastModified"] > created
    done = service.get(f"{project}/iterations/{first['id']}")
    assert done["trainedAt"] == done["lastModified"] > first["lastModified"]
    service.finish_trainings()
    service.delete(f"{project}/iterations/{second['id']}")
    service.delete(f"{project}/iterations/{first['id']}")
    third = service.get(service.train(project))
    assert (first["name"], second["name"], third["name"]) == ("Iteration 1", "Iteration 2", "Iteration 3")


def test_iterations_are_listed_oldest_first(service: Service) -> None:
    project, _, _ = service.trainable()
    made = [service.train(project, params={"forceTrain": "true"}).rpartition("/")[2] for _ in range(3)]
    assert [item["id"] for item in service.get(f"{project}/iterations")] == made


def test_renaming(service: Service) -> None:
    project, _, _ = service.trainable()
    first, second = (service.train(project, params={"forceTrain": "true"}) for _ in range(2))
    before = service.get(first)
    service.clock.advance(minutes=1)
    renamed = service.send("PATCH", first, json={"name": "Iteration 3", "status": "Failed"}).json()
    assert (renamed["name"], renamed["status"]) == ("Iteration 3", "Completed")
    assert renamed["lastModified"] > before["lastModified"]
    assert renamed["trainedAt"] == before["trainedAt"]
    for body, code in (
        ({"name": "iteration 3"}, "BadRequestIterationNameNotUnique"),
        ({"name": ""}, "BadRequestIterationName"),
        ({}, "BadRequestIterationName"),
        ({"name": "x" * 10_000}, "BadRequestIterationName"),
        ({"name": "\0"}, "BadRequestIterationName"),
    ):
        assert service.refused("PATCH", second, json=body)[:2] == (400, code)
    third = service.train(project, params={"forceTrain": "true"})
    assert service.get(third)["name"] == "Iteration 3 (2)"
    assert (
        service.refused("PATCH", f"{project}/iterations/{NOWHERE}", json={"name": "x"})[1]
        == "NotFoundIteration"
    )


def test_iterations_of_another_project_are_not_there(service: Service) -> None:
    iteration_id = service.train(service.trainable()[0]).rpartition("/")[2]
    other = service.project()
    for method in ("GET", "DELETE"):
        assert service.refused(method, f"{other}/iterations/{iteration_id}")[:2] == (404, "NotFoundIteration")


def test_deleting_an_iteration_deletes_its_model(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    assert len(service.blobs()) == 12
    service.delete(iteration)
    assert service.refused("GET", iteration)[1] == "NotFoundIteration"
    assert len(service.blobs()) == 10


def test_iterations_with_the_same_model_share_its_bytes(service: Service) -> None:
    project, red, _ = service.trainable()
    first, second = (service.train(project, params={"forceTrain": "true"}) for _ in range(2))
    assert len(service.blobs()) == 12
    service.delete(first)
    address = service.publish(second)
    assert service.predict(address, picture(90)).json()["predictions"][0]["tagId"] == red
