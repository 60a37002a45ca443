"""The report of `leave_report` as one HTML file that works offline: tables, a chart in SVG, images as data.

It has no scripts. Meaning is never in a colour alone, and each image has its meaning as text.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any
from xml.etree.ElementTree import Element

from emulator.api.control.insight.html import document, element, table
from emulator.contract.control import leave_report as shapes
from emulator.contract.control.insight import ConfusionMatrix, CurvePoint
from emulator.contract.control.test_sets import ComparedImage, ComparedImages, ComparedTag, Figures
from emulator.contract.responses import Prediction
from emulator.core.insight.leave_report import AGREEMENT

# A matrix of more tags is a list of its largest confusions.
_MATRIX_TAGS = 24
_CONFUSIONS_LISTED = 40
_PREDICTIONS_SHOWN = 3
_SERVICE, _LOCAL = "Azure", "here"
_CHART = 320
_FIGURE_NAMES = {"precision": "Precision", "recall": "Recall", "averagePrecision": "AP"}


def page_of(report: shapes.LeaveReport, thumbnails: Mapping[str, str | None]) -> str:
    """The HTML file. thumbnails: data URIs of the changed images, by id; None where the file is gone."""
    title = f"Leaving Azure: {report.project_name}"
    style = (resources.files("emulator.api.control") / "pages" / "leave_report.css").read_text("utf-8")
    return document(
        title,
        style,
        *_summary(report),
        *_tags(report),
        *_thresholds(report),
        *_matrices(report),
        *_changed("Lost images", "lost", report.lost, thumbnails, report),
        *_changed("Gained images", "gained", report.gained, thumbnails, report),
        *_check(report),
    )


# --- texts --------------------------------------------------------------------------------------------------


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(difference: float) -> str:
    """A difference of percentages."""
    rounded = round(100 * difference, 1) + 0.0
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "\N{MINUS SIGN}")


# --- sections -----------------------------------------------------------------------------------------------


def _summary(report: shapes.LeaveReport) -> Iterator[Element]:
    found, service, local = report.comparison, report.service_iteration, report.local_iteration
    at = f"at a threshold of {found.threshold:g}"
    if found.overlap_threshold is not None:
        at += f" and an overlap of {found.overlap_threshold:g}"
    yield element(
        "p",
        f"{_SERVICE}'s iteration ",
        element("strong", service.name),
        f" ({_when(service)}; {'with' if service.has_model else 'without'} its model) beside ",
        element("strong", local.name),
        f", trained here ({_when(local)}), on {found.image_count:,} of the {report.held_out_image_count:,} "
        f"images that {_SERVICE} held out of its training, {at}.",
    )
    names = [
        ("Precision", "precision"),
        ("Recall", "recall"),
        ("Mean average precision", "average_precision"),
    ]
    rows = [
        ["Images right", f"{found.other_right_image_count:,}", f"{found.right_image_count:,}",
         _count(found.right_image_count - found.other_right_image_count)],
        *(
            [name, *_triple(getattr(found.other_figures, key), getattr(found.figures, key))]
            for name, key in names
        ),
    ]  # fmt: skip
    yield table("All tags together", ["", _SERVICE, _LOCAL.capitalize(), "Difference"], rows)
    notes = list(_notes(report))
    if notes:
        yield element("h2", "Please note")
        yield element("ul", *(element("li", note) for note in notes))


def _notes(report: shapes.LeaveReport) -> Iterator[str]:
    found = report.comparison
    if found.only_other_image_count:
        yield (
            f"{found.only_other_image_count:,} held-out images are not compared: they are not among those by "
            f"which the local iteration was evaluated, because they were deleted, untagged or not held out."
        )
    if found.relabeled_image_count:
        yield f"{found.relabeled_image_count:,} held-out images are not compared: their labels were changed."
    for missing, who in (("figures", "the local iteration"), ("other_figures", f"{_SERVICE}'s iteration")):
        names = [tag.tag_name for tag in found.per_tag if getattr(tag, missing) is None]
        if names:
            yield f"Tags that {who} does not have: {', '.join(names)}."
    if found.image_count < 50:
        yield "With so few images, a difference of some percent is chance."
    if report.check.difference_count:
        yield (
            f"{report.check.difference_count:,} of {report.check.figure_count:,} figures that {_SERVICE} "
            "reported do not follow from its predictions for the held-out images; they are listed at the end."
        )


def _tags(report: shapes.LeaveReport) -> Iterator[Element]:
    objects = report.comparison.overlap_threshold is not None
    head = ["Tag", "Objects" if objects else "Images"]
    for name in ("Precision", "Recall", "AP"):
        head += [f"{name}, {_SERVICE}", f"{name}, {_LOCAL}", "Difference"]
    yield element("h2", "Tags")
    rows = [[tag.tag_name, f"{tag.count:,}", *_figures_of(tag)] for tag in report.comparison.per_tag]
    yield table("Figures of each tag", head, rows)


def _figures_of(tag: ComparedTag) -> Iterator[str]:
    for key in ("precision", "recall", "average_precision"):
        theirs, ours = (_figure(figures, key) for figures in (tag.other_figures, tag.figures))
        yield from _triple(theirs, ours)


def _figure(figures: Figures | None, key: str) -> float | None:
    return None if figures is None else getattr(figures, key)


def _triple(theirs: float | None, ours: float | None) -> list[str]:
    shown = ["\N{EN DASH}" if value is None else _percent(value) for value in (theirs, ours)]
    return [*shown, "" if theirs is None or ours is None else _points(ours - theirs)]


def _count(difference: int) -> str:
    return f"{difference:+,}".replace("-", "\N{MINUS SIGN}") if difference else "0"


def _when(iteration: shapes.ReportedIteration) -> str:
    day = "" if iteration.trained_at is None else f", trained on {iteration.trained_at:%Y-%m-%d}"
    return f"{iteration.domain_name}{day}"


def _thresholds(report: shapes.LeaveReport) -> Iterator[Element]:
    found = report.thresholds
    yield element("h2", "Thresholds")
    yield element(
        "p",
        "A threshold that suits one model need not suit another one. These are figures over all tags.",
    )
    chosen = [
        (f"Highest F1 score, {_SERVICE}", found.service_best),
        (f"Highest F1 score, {_LOCAL}", found.local_best),
        (
            f"{_LOCAL.capitalize()}, with {_SERVICE}'s precision at {report.comparison.threshold:g}",
            found.same_precision,
        ),
    ]
    rows = [[name, *_at(point)] for name, point in chosen]
    yield table("Thresholds to choose from", ["", "Threshold", "Precision", "Recall"], rows)
    yield _chart(found)
    head = [
        "Threshold",
        *(f"{name}, {who}" for name in ("Precision", "Recall") for who in (_SERVICE, _LOCAL)),
    ]
    yield table(
        "Precision and recall at each threshold",
        head,
        [
            [
                f"{row.threshold:.2f}",
                _percent(row.service.precision),
                _percent(row.local.precision),
                _percent(row.service.recall),
                _percent(row.local.recall),
            ]
            for row in found.rows
        ],
    )


def _at(point: CurvePoint | None) -> list[str]:
    if point is None:
        return ["\N{EN DASH}"] * 3
    return [f"{point.threshold:.3f}", _percent(point.precision), _percent(point.recall)]


def _chart(found: shapes.Thresholds) -> Element:
    """Both precision-recall curves, in SVG. The table of thresholds has them as numbers."""
    size = _CHART
    lines = []
    for tenth in range(0, 11, 2):
        place, share = size * tenth / 10, f"{tenth * 10}"
        lines += [
            element("line", x1=place, y1=0, x2=place, y2=size, class_="grid"),
            element("line", x1=0, y1=place, x2=size, y2=place, class_="grid"),
            element("text", share, x=place, y=size + 16, text_anchor="middle"),
            element("text", share, x=-8, y=size - place + 4, text_anchor="end"),
        ]
    curves = []
    for name, points, kind in (
        (_SERVICE, found.service_curve, "service"),
        (_LOCAL, found.local_curve, "local"),
    ):
        path = " ".join(f"{size * point.recall:.1f},{size * (1 - point.precision):.1f}" for point in points)
        curves.append(element("polyline", points=path, class_=f"curve {kind}"))
        row = size - (30 if kind == "service" else 12)
        curves += [
            element("line", x1=12, y1=row - 4, x2=44, y2=row - 4, class_=f"curve {kind}"),
            element("text", name, x=50, y=row),
        ]
    svg = element(
        "svg",
        element("title", "Precision by recall"),
        *lines,
        *curves,
        element("text", "Recall, %", x=size / 2, y=size + 34, text_anchor="middle"),
        element("text", "Precision, %", x=-36, y=-10),
        viewBox=f"-44 -28 {size + 64} {size + 72}",
        role="img",
        class_="chart",
        aria_label="Precision by recall of both iterations; the table of thresholds has the numbers",
    )
    caption = element("figcaption", f"Precision by recall, over all tags: {_SERVICE} dashed, {_LOCAL} solid")
    return element("figure", svg, caption)


def _matrices(report: shapes.LeaveReport) -> Iterator[Element]:
    yield element("h2", "Confusion of tags")
    for who, matrix in ((_SERVICE, report.service_matrix), (_LOCAL, report.local_matrix)):
        names = [tag.name for tag in matrix.tags]
        if matrix.counts is None:
            yield _outcomes(who, matrix)
        elif len(names) <= _MATRIX_TAGS:
            rows = [
                [name, *(str(count) for count in row)]
                for name, row in zip([*names, "none"], matrix.counts, strict=True)
            ]
            head = ["Labelled \N{RIGHTWARDS ARROW} predicted", *names, "none"]
            yield table(f"{who.capitalize()}: labelled tags in rows, predicted tags in columns", head, rows)
        else:
            yield _confusions(who, [*names, "none"], matrix.counts)


def _outcomes(who: str, matrix: ConfusionMatrix) -> Element:
    rows = [
        [
            tag.tag_name,
            *(str(count) for count in (tag.true_positives, tag.false_positives, tag.false_negatives)),
        ]
        for tag in matrix.per_tag
    ]
    head = ["Tag", "Found", "Wrongly predicted", "Missed"]
    return table(f"{who.capitalize()}: images can have several tags, so each is counted alone", head, rows)


def _confusions(who: str, names: Sequence[str], counts: Sequence[Sequence[int]]) -> Element:
    pairs = [
        (count, names[actual], names[predicted])
        for actual, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if count and actual != predicted
    ]
    largest = sorted(pairs, key=lambda pair: -pair[0])[:_CONFUSIONS_LISTED]
    caption = f"{who.capitalize()}: the {len(largest)} most frequent confusions of {len(names) - 1} tags"
    rows = [[actual, predicted, str(count)] for count, actual, predicted in largest]
    return table(caption, ["Labelled", "Predicted", "Images or objects"], rows)


# --- images -------------------------------------------------------------------------------------------------


def _changed(
    title: str,
    change: str,
    found: ComparedImages,
    thumbnails: Mapping[str, str | None],
    report: shapes.LeaveReport,
) -> Iterator[Element]:
    who = f"{_SERVICE} got right and the local iteration gets wrong"
    if change == "gained":
        who = f"the local iteration gets right and {_SERVICE} got wrong"
    yield element("h2", title)
    more = found.image_count - len(found.images)
    text = f"{found.image_count:,} image{'' if found.image_count == 1 else 's'} that {who}"
    yield element(
        "p", f"{text}; the {len(found.images):,} largest changes are shown." if more else f"{text}."
    )
    if report.comparison.overlap_threshold is not None and found.images:
        yield element(
            "p", f"Boxes: labelled solid, predicted by {_SERVICE} dashed, predicted {_LOCAL} dotted."
        )
    if found.images:
        threshold = report.comparison.threshold
        items = [element("li", *_image(image, thumbnails.get(image.id), threshold)) for image in found.images]
        yield element("ul", *items, class_="images")


def _image(image: ComparedImage, thumbnail: str | None, threshold: float) -> Iterator[Element]:
    boxed = bool(image.regions)
    labels = sorted({tag.tag_name or "" for tag in (image.regions if boxed else image.tags)})
    ours, theirs = image.predictions, image.other_predictions
    texts = [
        ("Labelled", ", ".join(labels) or "nothing"),
        (_SERVICE, _shown(theirs, threshold)),
        (_LOCAL.capitalize(), _shown(ours, threshold)),
    ]
    if thumbnail is None:
        yield element("p", "The file of this image is gone.")
    else:
        boxes = [_box(region, "label") for region in image.regions]
        for kind, predictions in (("service", theirs), ("local", ours)):
            boxes += [
                _box(item.bounding_box, kind)
                for item in predictions
                if item.bounding_box is not None and item.probability >= threshold
            ]
        alternative = "; ".join(f"{name}: {text}" for name, text in texts)
        width, height = max(1, image.width), max(1, image.height)
        picture = element("image", href=thumbnail, width=1, height=1, preserveAspectRatio="none")
        # The coordinates of boxes are fractions of width and height, so the image is a unit square.
        unit = element("svg", picture, *boxes, viewBox="0 0 1 1", preserveAspectRatio="none", width=width,
                        height=height)  # fmt: skip
        yield element(
            "svg",
            element("title", alternative),
            unit,
            viewBox=f"0 0 {width} {height}",
            role="img",
            aria_label=alternative,
        )
    details = [part for name, text in texts for part in (element("dt", name), element("dd", text))]
    yield element("dl", *details)
    yield element("code", image.id)


def _box(box: Any, kind: str) -> Element:
    """The rectangle of a region or a bounding box."""
    return element(
        "rect",
        x=f"{box.left:.5f}",
        y=f"{box.top:.5f}",
        width=f"{box.width:.5f}",
        height=f"{box.height:.5f}",
        vector_effect="non-scaling-stroke",
        class_=kind,
    )


def _shown(predictions: Sequence[Prediction], threshold: float) -> str:
    """The most probable predictions: those at the threshold, or the first one below it."""
    falling = sorted(predictions, key=lambda item: -item.probability)
    chosen = [item for item in falling if item.probability >= threshold][:_PREDICTIONS_SHOWN]
    texts = [f"{item.tag_name} {item.probability:.2f}" for item in chosen or falling[:1]]
    return ", ".join(texts) + ("" if chosen or not texts else " (below the threshold)") or "nothing"


# --- the check ----------------------------------------------------------------------------------------------


def _check(report: shapes.LeaveReport) -> Iterator[Element]:
    check = report.check
    yield element("h2", f"{_SERVICE}'s own figures")
    if not check.figure_count:
        yield element("p", f"No figures that {_SERVICE} reported were pulled, so they were not compared.")
        return
    yield element(
        "p",
        f"{check.figure_count - check.difference_count:,} of {check.figure_count:,} figures that {_SERVICE} "
        "reported for this iteration, at many thresholds, follow from its predictions for the held-out "
        f"images within {AGREEMENT:g}.",
    )
    if not check.differences:
        return
    caption = f"Figures that differ ({len(check.differences):,} of {check.difference_count:,})"
    head = ["Tag", "Figure", "Threshold", "Overlap", "Reported", "Computed"]
    rows = [
        [
            "all" if item.tag_name is None else item.tag_name,
            _FIGURE_NAMES[item.figure],
            "default" if item.threshold is None else f"{item.threshold:g}",
            "" if item.overlap_threshold is None else f"{item.overlap_threshold:g}",
            f"{item.recorded:.4f}",
            f"{item.computed:.4f}",
        ]
        for item in check.differences
    ]
    yield table(caption, head, rows)
