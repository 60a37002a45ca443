"""Shapes of the emulator's own responses about data sets."""

from typing import Any

from emulator.contract.responses import Zulu
from emulator.contract.wire import Shape


class DataSetPart(Shape):
    name: str
    image_count: int


class DataSetTag(Shape):
    name: str
    type: str
    image_count: int
    box_count: int
    is_new: bool


class DataSetProblem(Shape):
    is_error: bool
    message: str
    file: str | None
    line: int | None
    count: int


class DataSetReport(Shape):
    detection: bool
    image_count: int
    untagged_image_count: int
    box_count: int
    parts: list[DataSetPart]
    tags: list[DataSetTag]
    error_count: int
    problems: list[DataSetProblem]
    problems_left_out: int
    new_image_count: int
    known_image_count: int
    changed_image_count: int
    new_box_count: int
    new_tag_count: int


class DataSetImport(Shape):
    id: str
    job_id: str
    created: Zulu
    status: str
    dry_run: bool
    project_id: str
    project_name: str
    project_is_new: bool
    format: str | None
    failure: str | None
    report: DataSetReport | None


class DataSetExport(Shape):
    format: str
    image_count: int
    tag_count: int
    box_count: int
    losses: list[DataSetProblem]


def report_of(content: dict[str, Any]) -> DataSetReport:
    """The shape of a stored report."""
    parts = [DataSetPart(**part) for part in content["parts"]]
    tags = [DataSetTag(**tag) for tag in content["tags"]]
    problems = [DataSetProblem(**problem) for problem in content["problems"]]
    return DataSetReport(**content | {"parts": parts, "tags": tags, "problems": problems})
