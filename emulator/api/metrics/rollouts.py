"""Metrics of running roll-outs, for `exposition`."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from emulator.api.metrics.counts import PREFIX
from emulator.core.context import Context
from emulator.core.rollouts import manage

_NAME = ("project", "published_name", "iteration")
# role: current or candidate.
_MODEL = (*_NAME, "role")


def metrics(context: Context, project_names: Mapping[str, str]) -> Iterator[Metric]:
    """The metrics of the running roll-outs. The label `iteration` is the candidate unless there is a role."""
    percent = GaugeMetricFamily(
        f"{PREFIX}rollout_percent",
        "Percentage of requests that the candidate answers; 0 in shadow mode.",
        labels=[*_NAME, "iteration_id", "mode"],
    )
    seconds = SummaryMetricFamily(
        f"{PREFIX}rollout_scoring_seconds", "Time to decode and score an image.", labels=_MODEL
    )
    confidence = SummaryMetricFamily(
        f"{PREFIX}rollout_confidence", "Confidence of the most probable tag or object.", labels=_MODEL
    )
    failures = _counter("failures", "Images that the candidate could not score.")
    compared = _counter("compared", "Images that both iterations scored.")
    agreed = _counter("agreed", "Compared images with the same result.")
    dropped = _counter("dropped", "Images that were not compared since too many waited.")
    for item in manage.running_rollouts(context):
        row, figures = item.row, item.figures
        assert item.current is not None and item.candidate is not None  # they exist while it is running
        name = [project_names.get(row.project_id, row.project_id), row.publish_name]
        candidate = [*name, item.candidate.name]
        percent.add_metric([*candidate, row.candidate_id, row.mode.lower()], row.percent or 0.0)
        for role, iteration, model in (
            ("current", item.current, figures.current),
            ("candidate", item.candidate, figures.candidate),
        ):
            labels = [*name, iteration.name, role]
            seconds.add_metric(labels, model.predictions, model.seconds)
            confidence.add_metric(labels, model.confident, model.confidence)
        failures.add_metric(candidate, figures.candidate.failures)
        compared.add_metric(candidate, figures.compared)
        agreed.add_metric(candidate, figures.agreed)
        dropped.add_metric(candidate, figures.dropped)
    yield from (percent, seconds, confidence, failures, compared, agreed, dropped)


def _counter(name: str, description: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}rollout_{name}", description, labels=_NAME)
