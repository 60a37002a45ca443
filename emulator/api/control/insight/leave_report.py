"""An iteration of the service beside a local one, in the emulator's own API: figures, and a page of them."""

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import Depends
from starlette.responses import HTMLResponse, Response

from emulator.api.control.insight.comparison import OtherId, comparison_shape, images_shape
from emulator.api.control.insight.evaluation import curve_points, matrix_shape
from emulator.api.control.insight.leave_report_page import page_of
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId
from emulator.api.parameters import integer, number
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract.control import leave_report as shapes
from emulator.contract.control.insight import CurvePoint
from emulator.core.downloads.images import ImagePath, StoredImage, read_image
from emulator.core.insight import leave_report
from emulator.core.insight.leave_report import CHANGED_IMAGES, CHANGED_IMAGES_MAXIMUM, LeaveReport
from emulator.core.rules import domains
from emulator.store.blobs import BlobDamaged
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.evaluation.curves import OperatingPoint

router = OperationRouter()

_REPORT = "/_emulator/projects/{projectId}/iterations/{iterationId}/leaveReport"
# A page that was opened from here runs nothing and fetches nothing, like the file that it is meant to become.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ReportWanted(NamedTuple):
    """The parameters of a report, after the project and the local iteration."""

    other_id: str
    threshold: float | None
    overlap_threshold: float | None
    take: int


async def _report_wanted(
    other_id: OtherId,
    threshold: Annotated[float | None, number("threshold")],
    overlap_threshold: Annotated[float | None, number("overlapThreshold")],
    take: Annotated[int, integer("images", CHANGED_IMAGES, 0, CHANGED_IMAGES_MAXIMUM)],
) -> ReportWanted:
    return ReportWanted(other_id, threshold, overlap_threshold, take)


OfRequest = Annotated[ReportWanted, Depends(_report_wanted)]


@router.own("GET", _REPORT)
def get_leave_report(
    emulator: Emulator, links: ImageLinks, project_id: ProjectId, iteration_id: IterationId, wanted: OfRequest
) -> shapes.LeaveReport:
    report = leave_report.leave_report(
        emulator,
        project_id,
        iteration_id,
        wanted.other_id,
        wanted.threshold,
        wanted.overlap_threshold,
        take=wanted.take,
    )
    return _shape(links, report)


# In the threads of images, since thumbnails that were never shown are made.
@router.own("GET", f"{_REPORT}/page", work="images")
def get_leave_report_page(
    emulator: Emulator, links: ImageLinks, project_id: ProjectId, iteration_id: IterationId, wanted: OfRequest
) -> Response:
    report = get_leave_report(emulator, links, project_id, iteration_id, wanted)
    ids = [image.id for image in (*report.gained.images, *report.lost.images)]
    page = page_of(report, {image_id: _thumbnail(links, project_id, image_id) for image_id in ids})
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(page, headers=headers)


def _thumbnail(links: Links, project_id: str, image_id: str) -> str | None:
    """The thumbnail as a data URI; None when its file is gone or damaged."""
    path = ImagePath(project_id, image_id, is_prediction=False, is_thumbnail=True)
    try:
        found: StoredImage | None = read_image(links.context, path)
    except BlobDamaged:
        return None
    if found is None:
        return None
    return f"data:{found.media_type};base64,{b64encode(found.data).decode('ascii')}"


def _shape(links: Links, report: LeaveReport) -> shapes.LeaveReport:
    thresholds, check = report.thresholds, report.check
    names = {tag["id"]: tag["name"] for tag in report.service.model_tags or []}
    return shapes.LeaveReport(
        project_id=report.project.id,
        project_name=report.project.name,
        created=links.context.clock.reading,
        local_iteration=_iteration(report.local),
        service_iteration=_iteration(report.service),
        held_out_image_count=report.held_out_count,
        comparison=comparison_shape(report.comparison, report.local.id, report.service.id, None),
        local_matrix=matrix_shape(report.local, report.local_matrix),
        service_matrix=matrix_shape(report.service, report.service_matrix),
        thresholds=shapes.Thresholds(
            rows=[
                shapes.FiguresAtThreshold(
                    threshold=row.threshold, local=_point(row.local), service=_point(row.service)
                )
                for row in thresholds.rows
            ],
            local_best=thresholds.local_best and _point(thresholds.local_best),
            service_best=thresholds.service_best and _point(thresholds.service_best),
            same_precision=thresholds.same_precision and _point(thresholds.same_precision),
            local_curve=curve_points(thresholds.local_curve),
            service_curve=curve_points(thresholds.service_curve),
        ),
        check=shapes.RecordCheck(
            figure_count=check.figure_count,
            difference_count=check.difference_count,
            differences=[
                shapes.FigureDifference(
                    tag_name=None if item.tag_id is None else names[item.tag_id], **item._asdict()
                )
                for item in check.differences
            ],
        ),
        gained=images_shape(links, *report.gained),
        lost=images_shape(links, *report.lost),
    )


def _iteration(row: Iteration) -> shapes.ReportedIteration:
    domain = domains.get(row.domain_id or "")
    return shapes.ReportedIteration(
        id=row.id,
        name=row.name,
        trained_at=row.trained_at,
        domain_id=domain.id,
        domain_name=domain.name,
        has_model=row.model_blob is not None,
    )


def _point(point: "OperatingPoint") -> CurvePoint:
    return CurvePoint(**point._asdict())
