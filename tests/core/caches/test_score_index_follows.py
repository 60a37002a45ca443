"""The score index after every kind of change of stored predictions and suggestions equals a new index."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.harness import NOWHERE, Service, expect, files_body
from tests.support.images import picture, pictures


class Scored:
    """A trained and published project with stored predictions and suggestions, and queries for them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable()
        path = service.train(self.project)
        self.iteration = path.rpartition("/")[2]
        self.address = service.publish(path)
        self.untagged = service.images(self.project, pictures(4, "grey"))
        self.predictions = [self.predict(number) for number in range(4)]
        self.suggest(*self.untagged)

    def predict(self, number: int, **more: Any) -> str:
        answer = self.service.predict(self.address, picture(number, "green"), **more)
        return str(expect(answer)["id"])

    def suggest(self, *images: str) -> None:
        parameters = {"iterationId": self.iteration, "imageIds": ",".join(images)}
        self.service.post(f"{self.project}/tagsandregions/suggestions", params=parameters)

    def answers(self) -> list[Any]:
        """The results of queries by scores, without their continuation tokens."""
        said: list[Any] = []
        for order in ("Newest", "Oldest", "Suggested"):
            tags = [{"id": self.red, "minThreshold": 0.0, "maxThreshold": 1.0}]
            found = self.service.post(
                f"{self.project}/predictions/query", json={"orderBy": order, "tags": tags}
            )
            said.append([item["id"] for item in found["results"]])
        parameters, path = {"iterationId": self.iteration}, f"{self.project}/images/suggested"
        body = {"tagIds": [self.red, self.blue], "threshold": 0.01}
        found = self.service.post(path, params=parameters, json=body)
        said.append([item["id"] for item in found["results"]])
        said.append(self.service.post(f"{path}/count", params=parameters, json={"threshold": 0.01}))
        return said


@pytest.fixture
def scored(service: Service) -> Scored:
    return Scored(service)


def tag_one(scored: Scored) -> None:
    body = {"tags": [{"imageId": scored.untagged[0], "tagId": scored.red}]}
    scored.service.post(f"{scored.project}/images/tags", json=body)


def upload_again_with_a_tag(scored: Scored) -> None:
    scored.service.images(scored.project, [picture(1, "grey")], scored.red)


def delete_an_image(scored: Scored) -> None:
    scored.service.delete(f"{scored.project}/images", params={"imageIds": scored.untagged[2]})


def delete_all_images(scored: Scored) -> None:
    scored.service.delete(f"{scored.project}/images", params={"allImages": "true", "allIterations": "true"})


def suggest_again(scored: Scored) -> None:
    scored.suggest(scored.untagged[3])


def suggest_for_another(scored: Scored) -> None:
    scored.suggest(*scored.service.images(scored.project, [picture(77, "grey")]))


def predict_another(scored: Scored) -> None:
    scored.predict(9, params={"application": "an application"})


def delete_a_prediction(scored: Scored) -> None:
    scored.service.delete(f"{scored.project}/predictions", params={"ids": scored.predictions[1]})


def take_a_prediction_over(scored: Scored) -> None:
    body = {"images": [{"id": scored.predictions[2]}], "tagIds": [scored.red]}
    scored.service.post(f"{scored.project}/images/predictions", json=body)


def let_them_grow_old(scored: Scored) -> None:
    scored.service.clock.advance(days=29)
    scored.predict(10)
    scored.suggest(scored.untagged[0])
    scored.service.clock.advance(days=2)


def let_them_go_with_age(scored: Scored) -> None:
    let_them_grow_old(scored)
    scored.predict(11)
    scored.suggest(scored.untagged[1])


CHANGES: list[Callable[[Scored], None]] = [
    tag_one,
    upload_again_with_a_tag,
    delete_an_image,
    delete_all_images,
    suggest_again,
    suggest_for_another,
    predict_another,
    delete_a_prediction,
    take_a_prediction_over,
    let_them_grow_old,
    let_them_go_with_age,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_tables_follow(scored: Scored, change: Callable[[Scored], None]) -> None:
    before = scored.answers()
    assert all(before)
    change(scored)
    after = scored.answers()
    assert (after != before) or change is suggest_again
    scored.service.context.score_index.clear()
    assert scored.answers() == after


def test_a_change_that_is_rolled_back_has_no_effect(scored: Scored) -> None:
    before = scored.answers()
    unknown = {"imageId": NOWHERE, "tagId": scored.red}
    body = {"tags": [{"imageId": scored.untagged[0], "tagId": scored.red}, unknown]}
    assert scored.service.refused("POST", f"{scored.project}/images/tags", json=body)[1] == "NotFoundImage"
    scored.service.send("POST", f"{scored.project}/images/files", json=files_body([b"no image"]))
    assert scored.answers() == before


def test_the_first_query_after_a_restart(scored: Scored) -> None:
    before = scored.answers()
    scored.service.restart()
    assert scored.answers() == before


def test_after_everything_was_forgotten(scored: Scored) -> None:
    scored.answers()
    scored.service.send_unvalidated("POST", "/_emulator/reset")
    again = Scored(scored.service)
    answers = again.answers()
    assert len(answers[0]) == len(again.predictions)
