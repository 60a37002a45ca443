"""Evaluations of anomaly detectors: an image is right or wrong by the threshold for anomalies."""

import pytest

from tests.support.harness import ANOMALIES, Service
from tests.support.images import pictures
from tests.support.test_sets import Sets, by_name


@pytest.mark.parametrize("classification_type", ["Multiclass", "Multilabel"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_images_are_wrong_by_the_probability_of_an_anomaly(
    service: Service, classification_type: str, threshold: float
) -> None:
    project = service.project(domainId=ANOMALIES, classificationType=classification_type)
    good, scratch = service.tag(project, "good"), service.tag(project, "scratch")
    service.images(project, pictures(10, "green"), good)
    iteration = service.train(project, json={"selectedTags": [good]})
    service.images(project, pictures(10, "red"), scratch)
    second = service.train(project, json={"selectedTags": [good]})
    sets = Sets(service, project)
    path = sets.create()
    sets.add(path, pictures(4, "green", start=50), tagNames=["good"])
    sets.add(path, pictures(4, "red", start=50), tagNames=["anomaly"])
    # A defect with a tag that the model does not have.
    sets.add(path, pictures(3, "blue", start=50), tagNames=["scratch"])
    sets.add(path, pictures(1, "grey", start=50))
    sets.evaluate(path, iteration, second)
    result = sets.result(path, iteration, threshold=threshold)
    tags = by_name(result["perTag"])
    assert {name: tag["count"] for name, tag in tags.items()} == {"good": 4, "anomaly": 7}
    rights = {}
    for one in (iteration, second):
        images = sets.result(path, one, "/images", threshold=threshold, take=256)["images"]
        assert len(images) == 12
        for image in images:
            (labels,) = [{tag["tagName"] for tag in image["tags"]}]
            found = by_name(image["predictions"])["anomaly"]["probability"] >= threshold
            expected = bool(labels) and found == (labels != {"good"})
            assert image["isRight"] == expected, (labels, found)
        rights[one] = {image["id"] for image in images if image["isRight"]}
    assert result["wrongImageCount"] == 12 - len(rights[iteration])
    compared = sets.result(
        path, second, "/comparison", threshold=threshold, **{"with": iteration.rsplit("/", 1)[1]}
    )
    assert compared["gainedImageCount"] == len(rights[second] - rights[iteration])
    assert compared["lostImageCount"] == len(rights[iteration] - rights[second])
