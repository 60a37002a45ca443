"""Advanced training through the official Python client, with hours shortened to seconds."""

from __future__ import annotations

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomBaseModelInfo,
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)

from tests.sdk.conftest import UNSEEN, StartEmulator
from tests.sdk.live import TAGS, picture, wait_until_trained

pytestmark = pytest.mark.slow


def test_an_advanced_training_and_one_that_starts_from_it(start_emulator: StartEmulator) -> None:
    trainer = start_emulator("--training-hour", "2").trainer()
    project = trainer.create_project("Landscapes", classification_type="Multiclass")
    entries = []
    for name in TAGS:
        tag = trainer.create_tag(project.id, name)
        entries += [
            ImageFileCreateEntry(name=f"{name}{number}", contents=picture(name, number), tag_ids=[tag.id])
            for number in range(6)
        ]
    # Tags that are hard to distinguish, so that training can improve.
    entries[0].contents = picture(TAGS[1], 500)
    uploaded = trainer.create_images_from_files(project.id, ImageFileCreateBatch(images=entries))
    assert uploaded.is_batch_successful
    with pytest.raises(CustomVisionErrorException) as refused:
        trainer.train_project(project.id, training_type="Advanced", reserved_budget_in_hours=0)
    assert refused.value.error.code == "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining"

    begun = trainer.train_project(project.id, training_type="Advanced", reserved_budget_in_hours=1)
    assert (begun.training_type, begun.reserved_budget_in_hours) == ("Advanced", 1)
    iteration = wait_until_trained(trainer, project.id, begun)
    assert (iteration.training_type, iteration.reserved_budget_in_hours) == ("Advanced", 1)
    assert iteration.training_time_in_minutes >= 1

    base = CustomBaseModelInfo(project_id=project.id, iteration_id=iteration.id)
    again = wait_until_trained(
        trainer,
        project.id,
        trainer.train_project(
            project.id, training_type="Advanced", reserved_budget_in_hours=1, custom_base_model_info=base
        ),
    )
    assert again.custom_base_model_info.iteration_id == iteration.id
    for trained in (iteration, again):
        for name in TAGS:
            result = trainer.quick_test_image(project.id, picture(name, UNSEEN), iteration_id=trained.id)
            assert result.predictions[0].tag_name == name
        figures = trainer.get_iteration_performance(project.id, trained.id)
        assert len(figures.per_tag_performance) == 2
