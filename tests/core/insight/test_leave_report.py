"""An iteration of the service beside a local one: which images are compared, and what the report says."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy
import pytest
from sklearn import metrics as sklearn_metrics

from emulator.core.insight import comparison
from emulator.core.pulled.archive import PullArchive
from emulator.core.training.dataset import classification_dataset, detection_dataset, trained_tags
from emulator.store.tables import Iteration
from tests.support.cloud import DETECTION, GENERAL, Cloud, guid, prediction
from tests.support.harness import Service, expect, refusal
from tests.support.images import picture
from tests.support.pulled import pull_into

REGION = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}


def add(cloud: Cloud, number: int, tag: int, colour: str) -> dict[str, Any]:
    """An image with a tag; its colour is what the local trainer sees."""
    labels = {
        "tagId": cloud.tags[tag]["id"],
        "tagName": cloud.tags[tag]["name"],
        "created": "2020-11-06T16:16:00.5",
    }
    regions = [{**labels, **REGION, "regionId": guid(3000 + number)}] if cloud.domain == DETECTION else []
    image = cloud.add(number, tags=[labels], **({"regions": regions} if regions else {}))
    cloud.files[image["id"]] = picture(number, colour)
    return image


def evaluate(cloud: Cloud, iteration: dict[str, Any], *found: tuple[dict[str, Any], float]) -> None:
    """The images that the service held out, each with the probability of the second tag."""
    box = {"boundingBox": REGION} if cloud.domain == DETECTION else {}
    cloud.evaluated[iteration["id"]] = [
        {
            **image,
            "predictions": [
                {**prediction(cloud.tags[1], probability), **box},
                {**prediction(cloud.tags[0], 1 - probability), **box},
            ],
        }
        for image, probability in found
    ]


class Leaving:
    """A pulled project with an iteration of the service, and one that was trained here."""

    def __init__(self, service: Service, cloud: Cloud, folder: Path) -> None:
        self.service, self.cloud = service, cloud
        self.project = f"/projects/{cloud.id}"
        self.archive = PullArchive(folder)

    def pull(self) -> None:
        pull_into(self.service.context, self.cloud, self.archive)

    def train(self) -> str:
        return self.service.train(self.project)

    def send(self, local: str, what: str = "", **parameters: Any) -> Any:
        given = {"with": self.cloud.iterations[-1]["id"], **parameters}
        path = f"/_emulator{local}/leaveReport{what}"
        return self.service.request("GET", path, params=given)

    def report(self, local: str, **parameters: Any) -> Any:
        return expect(self.send(local, **parameters))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(0) as started:
        started.classification_type = "Multiclass"
        yield started


@pytest.fixture
def leaving(service: Service, cloud: Cloud, tmp_path: Path) -> Iterator[Leaving]:
    made = Leaving(service, cloud, tmp_path / "archive")
    yield made
    made.archive.close()


def fill(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Eight red images, eight blue ones, and a red one that is labelled blue; the service held out five."""
    red = [add(cloud, number, 0, "red") for number in range(8)]
    blue = [add(cloud, 20 + number, 1, "blue") for number in range(8)]
    odd = add(cloud, 40, 1, "red")
    iteration = cloud.iterate()
    evaluate(
        cloud, iteration, (red[0], 0.125), (red[1], 0.75), (blue[0], 0.875), (blue[1], 0.625), (odd, 0.5625)
    )
    return {"right": red[0], "gained": red[1], "lost": odd}


def test_both_are_compared_on_the_images_that_the_service_held_out(leaving: Leaving) -> None:
    images = fill(leaving.cloud)
    leaving.pull()
    found = leaving.report(leaving.train())
    compared = found["comparison"]
    assert (found["heldOutImageCount"], compared["imageCount"]) == (5, 5)
    assert (compared["rightImageCount"], compared["otherRightImageCount"]) == (4, 4)
    assert [image["id"] for image in found["gained"]["images"]] == [images["gained"]["id"]]
    assert [image["id"] for image in found["lost"]["images"]] == [images["lost"]["id"]]
    (lost,) = found["lost"]["images"]
    assert [item["probability"] for item in lost["otherPredictions"]] == [0.5625, 0.4375]
    assert [tag["name"] for tag in found["serviceMatrix"]["tags"]] == ["red", "blue"]
    assert found["serviceMatrix"]["counts"] == [[1, 1, 0], [0, 3, 0], [0, 0, 0]]
    assert found["localMatrix"]["counts"] == [[2, 0, 0], [1, 2, 0], [0, 0, 0]]
    at_half = found["thresholds"]["rows"][9]
    assert at_half["threshold"] == 0.5
    for who, figures in (("local", compared["figures"]), ("service", compared["otherFigures"])):
        assert at_half[who]["precision"] == pytest.approx(figures["precision"])
        assert at_half[who]["recall"] == pytest.approx(figures["recall"])
    assert found["thresholds"]["serviceBest"]["threshold"] == 0.5625
    assert found["serviceIteration"]["hasModel"] is False
    assert found["localIteration"]["hasModel"] is True


def test_both_sides_are_aligned_once(leaving: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(leaving.cloud)
    leaving.pull()
    local = leaving.train()
    calls = []
    align = comparison.align

    def counted(*sides: comparison.Side) -> comparison.Aligned:
        calls.append(sides)
        return align(*sides)

    monkeypatch.setattr(comparison, "align", counted)
    leaving.report(local)
    assert len(calls) == 1


def test_figures_of_the_service_that_its_predictions_do_not_give_are_named(leaving: Leaving) -> None:
    """The cloud reports a precision that equals the threshold, and a recall of 1."""
    fill(leaving.cloud)
    leaving.pull()
    check = leaving.report(leaving.train())["check"]
    # 20 requests, three figures of two tags and of all.
    assert check["figureCount"] == 180
    assert 0 < check["differenceCount"] == len(check["differences"]) < 180
    first = next(item for item in check["differences"] if item["threshold"] == 0.5 and item["tagId"] is None)
    assert (first["figure"], first["recorded"], first["computed"]) == ("precision", 0.5, pytest.approx(0.8))


@pytest.mark.parametrize("domain", [GENERAL, DETECTION], ids=["classification", "detection"])
def test_figures_of_the_service_that_its_predictions_give_agree(leaving: Leaving, domain: str) -> None:
    cloud = leaving.cloud
    cloud.domain = domain
    red = [add(cloud, number, 0, "red") for number in range(15)]
    blue = [add(cloud, 20 + number, 1, "blue") for number in range(15)]
    found = [(image, tag) for tag, images in enumerate((red, blue)) for image in images[:6]]
    # Of each image, the probability of its own tag; the sixth of each is wrong.
    own = [0.93, 0.83, 0.73, 0.63, 0.57, 0.47] * 2
    shares = [share if tag else 1 - share for share, (_, tag) in zip(own, found, strict=True)]
    evaluate(
        cloud, cloud.iterate(), *((image, share) for (image, _), share in zip(found, shares, strict=True))
    )
    scores = numpy.array([[1 - share, share] for share in shares])
    targets = numpy.array([[not tag, tag] for _, tag in found])

    def figures(tag_id: str | None, threshold: float) -> tuple[float, float, float]:
        tags = [0, 1] if tag_id is None else [int(tag_id == cloud.tags[1]["id"])]
        predicted, actual = scores[:, tags] >= threshold, targets[:, tags]
        correct = (predicted & actual).sum()
        areas = [sklearn_metrics.average_precision_score(targets[:, tag], scores[:, tag]) for tag in tags]
        return correct / max(1, predicted.sum()), correct / actual.sum(), sum(areas) / len(areas)

    cloud.figures = figures
    leaving.pull()
    check = leaving.report(leaving.train())["check"]
    assert check == {
        "figureCount": 9 * (58 if domain == DETECTION else 20),
        "differenceCount": 0,
        "differences": [],
    }


def test_trainings_hold_out_the_images_that_the_service_held_out(leaving: Leaving) -> None:
    images = fill(leaving.cloud)
    leaving.pull()
    iteration_id = leaving.train().rsplit("/", 1)[1]
    context = leaving.service.context
    with context.database.read() as session:
        iteration = session.get_one(Iteration, iteration_id)
        read = classification_dataset(context, session, iteration, trained_tags(session, iteration))
    assert len(read.held_out) == 5
    (blob,) = leaving.service.rows(f"SELECT blob FROM image WHERE id = '{images['lost']['id']}'")[0]
    assert blob in read.held_out


def test_trainings_of_other_projects_hold_out_nothing_in_particular(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration_id = service.train(project).rsplit("/", 1)[1]
    with service.context.database.read() as session:
        iteration = session.get_one(Iteration, iteration_id)
        tags = trained_tags(session, iteration)
        assert classification_dataset(service.context, session, iteration, tags).held_out == frozenset()


def test_detectors_are_compared_by_their_boxes(leaving: Leaving) -> None:
    cloud = leaving.cloud
    cloud.domain = DETECTION
    red = [add(cloud, number, 0, "red") for number in range(15)]
    blue = [add(cloud, 20 + number, 1, "blue") for number in range(15)]
    evaluate(cloud, cloud.iterate(), (red[0], 0.25), (blue[0], 0.75))
    leaving.pull()
    local = leaving.train()
    found = leaving.report(local)
    compared = found["comparison"]
    assert (compared["imageCount"], compared["overlapThreshold"]) == (2, pytest.approx(0.3))
    assert compared["otherRightImageCount"] == 2
    assert compared["otherFigures"]["precision"] == 1
    # The stand-in of the trainer finds the boxes of all tags everywhere.
    assert found["lost"]["imageCount"] == 2
    page = leaving.send(local, "/page").text
    assert page.count('class="label"') == 2
    assert page.count('class="service"') == 2
    context = leaving.service.context
    with context.database.read() as session:
        iteration = session.get_one(Iteration, local.rsplit("/", 1)[1])
        tags = trained_tags(session, iteration)
        assert len(detection_dataset(context, session, iteration, tags).held_out) == 2


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_works_offline_and_escapes_names(leaving: Leaving) -> None:
    leaving.cloud.tags[0]["name"] = "<script>alert('red & \"ripe\"')</script>"
    fill(leaving.cloud)
    leaving.pull()
    response = leaving.send(leaving.train(), "/page")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page = Page(response.text)
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    assert "<script>alert('red & \"ripe\"')</script>" in page.texts
    references = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("href", "src", "data", "action") or "://" in (value or "")
    ]
    assert len(references) == 2
    assert all((value or "").startswith("data:image/") for value in references)
    assert page.all("html") == [{"lang": "en"}]
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in page.all("svg")[:1])
    assert all(attributes["scope"] in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_the_page_has_the_figures_of_the_report(leaving: Leaving) -> None:
    fill(leaving.cloud)
    leaving.pull()
    local = leaving.train()
    found = leaving.report(local, threshold=0.6)
    texts = Page(leaving.send(local, "/page", threshold=0.6).text).texts
    for side in ("figures", "otherFigures"):
        for name in ("precision", "recall", "averagePrecision"):
            assert f"{100 * found['comparison'][side][name]:.1f} %" in texts
    assert any(f"{found['check']['differenceCount']:,} of" in text for text in texts)
    assert any("at a threshold of 0.6" in text for text in texts)


def test_images_that_are_gone_are_said_to_be(leaving: Leaving) -> None:
    images = fill(leaving.cloud)
    leaving.pull()
    local = leaving.train()
    for name, kept in (("gained", "lost"), ("lost", None)):
        parameters = {"imageIds": images[name]["id"], "allIterations": "true"}
        leaving.service.delete(f"{leaving.project}/images", params=parameters)
        found = leaving.report(local)
        # Their predictions are still compared.
        assert found["comparison"]["imageCount"] == 5
        assert found[name] == {"imageCount": 0, "images": []}
        if kept is not None:
            assert found[kept]["imageCount"] == 1


def test_images_that_are_not_compared_are_counted(leaving: Leaving) -> None:
    images = fill(leaving.cloud)
    leaving.pull()
    service, path = leaving.service, f"{leaving.project}/images"
    service.delete(path, params={"imageIds": images["right"]["id"]})
    odd = images["lost"]["id"]
    service.delete(f"{path}/tags", params={"imageIds": odd, "tagIds": guid(101)})
    service.post(f"{path}/tags", json={"tags": [{"imageId": odd, "tagId": guid(100)}]})
    local = leaving.train()
    compared = leaving.report(local)["comparison"]
    assert (compared["imageCount"], compared["onlyOtherImageCount"], compared["relabeledImageCount"]) == (
        3,
        1,
        1,
    )
    texts = "".join(Page(leaving.send(local, "/page").text).texts)
    assert "1 held-out images are not compared: they are not among those" in texts
    assert "1 held-out images are not compared: their labels were changed" in texts


def test_without_any_image_in_common_the_message_says_what_to_do(leaving: Leaving) -> None:
    fill(leaving.cloud)
    leaving.pull()
    held_out = [image["id"] for image in leaving.cloud.evaluated[leaving.cloud.iterations[0]["id"]]]
    leaving.service.delete(f"{leaving.project}/images", params={"imageIds": ",".join(held_out)})
    status, code, message = refusal(leaving.send(leaving.train()))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("None of the 5 images by which the service evaluated 'Iteration 1'")
    assert "5 are not among those" in message
    assert message.endswith("Restore them, train again, and compare the new iteration.")


def test_tags_that_were_created_again_are_other_tags(leaving: Leaving) -> None:
    fill(leaving.cloud)
    leaving.pull()
    service = leaving.service
    for tag in (guid(100), guid(101)):
        service.delete(f"{leaving.project}/tags/{tag}")
    red, blue = service.tag(leaving.project, "red"), service.tag(leaving.project, "blue")
    service.images(leaving.project, [picture(number) for number in range(60, 66)], red)
    service.images(leaving.project, [picture(number, "blue") for number in range(60, 66)], blue)
    status, _, message = refusal(leaving.send(leaving.train()))
    assert (status, "have no tag in common" in message) == (400, True)


def test_iterations_of_the_wrong_kind_are_refused(leaving: Leaving) -> None:
    fill(leaving.cloud)
    leaving.pull()
    local = leaving.train()
    local_id, pulled_id = local.rsplit("/", 1)[1], leaving.cloud.iterations[0]["id"]
    another = leaving.service.train(leaving.service.trainable()[0]).rsplit("/", 1)[1]
    refused = {
        (local, local_id): "'Iteration 2' was not pulled from the service",
        (f"{leaving.project}/iterations/{pulled_id}", pulled_id): "'Iteration 1' was pulled from the service",
        (local, another): "Invalid iteration",
        (f"{leaving.project}/iterations/{another}", pulled_id): "Invalid iteration",
    }
    for (path, other), message in refused.items():
        assert refusal(leaving.send(path, **{"with": other}))[2].startswith(message)
    assert refusal(leaving.send(local, threshold=2))[0] == 400
    assert refusal(leaving.send(local, images=257))[0] == 400
    assert refusal(leaving.send(local, **{"with": ""}))[0] == 400


def test_without_predictions_for_single_images_there_is_no_report(leaving: Leaving) -> None:
    fill(leaving.cloud)
    leaving.cloud.evaluated[leaving.cloud.iterations[0]["id"]] = []
    leaving.pull()
    status, code, message = refusal(leaving.send(leaving.train()))
    assert (status, code) == (404, "NotFoundIterationPerformance")
    assert "Pull the project again" in message


@pytest.mark.parametrize("tag_count", [3, 30])
def test_matrices_of_many_tags_are_lists_of_confusions(leaving: Leaving, tag_count: int) -> None:
    cloud = leaving.cloud
    cloud.tags = [
        {**cloud.tags[0], "id": guid(100 + number), "name": f"tag {number}"} for number in range(tag_count)
    ]
    found = [
        add(cloud, tag * 5 + number, tag, ("red", "blue", "green")[tag % 3])
        for tag in range(tag_count)
        for number in range(5)
    ]
    evaluate(cloud, cloud.iterate(), *((image, 0.75) for image in found))
    leaving.pull()
    local = leaving.train()
    captions = Page(leaving.send(local, "/page").text).texts
    listed = any("most frequent confusions of 30 tags" in text for text in captions)
    assert listed == (tag_count > 24)


def test_several_tags_an_image(leaving: Leaving) -> None:
    leaving.cloud.classification_type = "Multilabel"
    fill(leaving.cloud)
    leaving.pull()
    local = leaving.train()
    found = leaving.report(local)
    assert found["serviceMatrix"]["counts"] is None
    texts = Page(leaving.send(local, "/page").text).texts
    assert "Azure: images can have several tags, so each is counted alone" in texts
