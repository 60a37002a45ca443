"""The dataset of a training."""

from tests.support.harness import Service
from tests.support.images import pictures


def test_the_dataset_is_that_at_the_time_of_the_request(service: Service) -> None:
    project, red, _ = service.trainable()
    service.images(project, pictures(3, "grey"))
    service.post(f"{project}/train")
    service.images(project, pictures(5, "red", start=50), red)
    service.delete(f"{project}/tags/{red}")
    service.finish_trainings()
    job = service.worker.jobs[0]
    tags = [tag["name"] for tag in service.get(f"{project}/tags")]
    assert (sorted(job["dataset"].tags), tags) == (["blue", "red"], ["blue"])
    assert len(job["dataset"].images) == 10
    assert not job["dataset"].multilabel
    assert job["seed"] == 0


def test_the_dataset_does_not_depend_on_random_ids(service: Service) -> None:
    for _ in range(4):
        service.train(service.trainable()[0])
    for job in service.worker.jobs:
        assert job["dataset"].tags == ("blue", "red")
        assert [image.labels for image in job["dataset"].images] == [(1,)] * 5 + [(0,)] * 5
