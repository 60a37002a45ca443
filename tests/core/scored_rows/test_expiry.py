"""Stored predictions and suggestions are deleted after 30 days."""

from tests.support.harness import Service, expect
from tests.support.images import picture
from tests.support.suggesting import Suggesting


def test_stored_predictions_are_kept_for_thirty_days(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    expect(service.predict(address, picture(74)))
    service.clock.advance(days=29)
    expect(service.predict(address, picture(75)))
    assert service.rows("SELECT count(*) FROM stored_prediction") == [(2,)]
    service.clock.advance(days=2)
    expect(service.predict(address, picture(76)))
    assert service.rows("SELECT count(*) FROM stored_prediction") == [(2,)]
    assert service.blobs() == service.referenced_blobs()


def test_an_image_of_the_project_can_be_predicted_and_stays_when_the_prediction_goes(
    service: Service,
) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    expect(service.predict(address, picture(0)))
    service.clock.advance(days=31)
    expect(service.predict(address, picture(77)))
    assert service.blobs() == service.referenced_blobs()
    assert len(service.blobs()) == 13


def test_suggestions_are_kept_for_thirty_days(suggesting: Suggesting) -> None:
    suggesting.suggest(*suggesting.images[:3])
    suggesting.service.clock.advance(days=30, seconds=-1)
    assert len(suggesting.found()) == 3
    suggesting.service.clock.advance(seconds=2)
    assert suggesting.found() == []
    assert suggesting.count(tagIds=[suggesting.red]) == {suggesting.red: 0}
    suggesting.suggest(suggesting.images[3])
    assert suggesting.kept() == 1
