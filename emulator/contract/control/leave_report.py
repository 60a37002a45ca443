"""Shapes of the emulator's own API for the comparison of an iteration of the service with a local one."""

from datetime import datetime
from typing import Annotated

from emulator.contract.control.insight import ConfusionMatrix, CurvePoint
from emulator.contract.control.test_sets import ComparedImages, Comparison
from emulator.contract.responses import Zulu
from emulator.contract.wire import Rule, Shape


class ReportedIteration(Shape):
    id: str
    name: str
    trained_at: Annotated[datetime | None, Rule(format="zulu")]
    domain_id: str
    domain_name: str
    has_model: bool


class FiguresAtThreshold(Shape):
    threshold: float
    local: CurvePoint
    service: CurvePoint


class Thresholds(Shape):
    rows: list[FiguresAtThreshold]
    local_best: CurvePoint | None
    service_best: CurvePoint | None
    same_precision: CurvePoint | None
    local_curve: list[CurvePoint]
    service_curve: list[CurvePoint]


class FigureDifference(Shape):
    tag_id: str | None
    tag_name: str | None
    figure: str
    threshold: float | None
    overlap_threshold: float | None
    recorded: float
    computed: float


class RecordCheck(Shape):
    figure_count: int
    difference_count: int
    differences: list[FigureDifference]


class LeaveReport(Shape):
    project_id: str
    project_name: str
    created: Zulu
    local_iteration: ReportedIteration
    service_iteration: ReportedIteration
    held_out_image_count: int
    comparison: Comparison
    local_matrix: ConfusionMatrix
    service_matrix: ConfusionMatrix
    thresholds: Thresholds
    check: RecordCheck
    gained: ComparedImages
    lost: ComparedImages
