"""What the training of an iteration tried, in the emulator's own API."""

from emulator.api.dependencies import Emulator, IterationId, ProjectId
from emulator.api.routing import OperationRouter
from emulator.contract.control import insight as shapes
from emulator.core.insight import training_report

router = OperationRouter()


@router.own("GET", "/_emulator/projects/{projectId}/iterations/{iterationId}/trainingReport")
def get_training_report(
    emulator: Emulator, project_id: ProjectId, iteration_id: IterationId
) -> shapes.TrainingReport:
    iteration, report = training_report.training_report(emulator, project_id, iteration_id)
    if report is None:
        return shapes.TrainingReport(
            training_type=iteration.training_type,
            budget_seconds=None,
            seconds=None,
            measure=None,
            attempts=[],
        )
    return shapes.TrainingReport(
        training_type=iteration.training_type,
        budget_seconds=report.budget_seconds,
        seconds=report.seconds,
        measure=report.measure,
        attempts=[
            shapes.TrainingAttempt(
                name=attempt.name,
                outcome=attempt.outcome,
                is_chosen=attempt.name == report.chosen,
                figure=attempt.figure,
                image_count=attempt.image_count,
                seconds=attempt.seconds,
                plan=attempt.plan,
                reason=attempt.reason,
            )
            for attempt in report.attempts
        ],
    )
