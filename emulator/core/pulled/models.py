"""The iterations of a pulled project: their models, where there are exports, and their performance."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmodel import Session

from emulator.core.exports.request import EXPORTER
from emulator.core.iterations import recorded
from emulator.core.new_prediction import NewPrediction
from emulator.core.pulled.workspace import Contents, time_of
from emulator.core.scored_rows import expiry, prediction_rows, scores
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.tables import (
    Export,
    ExportStatus,
    Iteration,
    IterationStatus,
    PerformanceRecord,
    Project,
)
from emulator.vision.boxes.box import Box

if TYPE_CHECKING:
    from emulator.vision.evaluation.classification import Evaluation
    from emulator.vision.evaluation.detection import DetectionEvaluation

# The formats that can be run, in the order in which they are preferred. The others are stored.
_RUNNABLE = ("ONNX", "OpenVino", "TensorFlow", "VAIDK", "DockerFile")


class Model(NamedTuple):
    """The model of an iteration: an export that can be run. tags: in the order of its outputs."""

    blob: str
    tags: list[dict[str, str]]


def prepare(contents: Contents) -> dict[str, Model]:
    """The models by the id of their iteration, loaded once to see whether they can be run."""
    found: dict[str, Model] = {}
    for iteration in contents.iterations:
        model = _model(contents, iteration)
        if model is not None:
            found[iteration["id"]] = model
    return found


def insert(session: Session, contents: Contents, project: Project, models: dict[str, Model]) -> int:
    """Insert the iterations with their exports and records; returns their number."""
    for number, source in enumerate(contents.iterations, 1):
        iteration = _iteration(contents, source, number, models.get(source["id"]))
        session.add(iteration)
        session.flush()
        for row in _exports(contents, source, iteration):
            session.add(row)
        for record in _records(contents, source["id"]):
            session.add(record)
        project.new_iteration_created = iteration.trained_at or iteration.created
    project.next_iteration = _next_iteration(contents)
    session.add(project)
    session.flush()
    return len(contents.iterations)


def _next_iteration(contents: Contents) -> int:
    """The number of the next iteration: numbers of deleted ones are not used again, as far as names show."""
    numbers = [len(contents.iterations)]
    for iteration in contents.iterations:
        name, _, number = str(iteration["name"]).rpartition(" ")
        if name == "Iteration" and number.isascii() and number.isdigit() and len(number) < 9:
            numbers.append(int(number))
    return max(numbers) + 1


def _iteration(contents: Contents, source: dict[str, Any], number: int, model: Model | None) -> Iteration:
    is_completed = source["status"] == IterationStatus.COMPLETED
    trained_at = source.get("trainedAt") or (source["lastModified"] if is_completed else None)
    base = source.get("customBaseModelInfo")
    iteration = Iteration(
        id=source["id"],
        project_id=contents.project_id,
        number=number,
        name=source["name"],
        status=source["status"],
        created=time_of(source["created"]),
        last_modified=time_of(source["lastModified"]),
        trained_at=None if trained_at is None else time_of(trained_at),
        revision=contents.revision_of(source["id"]),
        exportable=bool(source.get("exportable")),
        domain_id=contents.domain_id(source.get("domainId") or contents.project["settings"]["domainId"]),
        classification_type=source.get("classificationType"),
        training_type=source.get("trainingType") or "Regular",
        reserved_budget_in_hours=source.get("reservedBudgetInHours") or 0,
        training_time_in_minutes=source.get("trainingTimeInMinutes") or 0,
        publish_name=source.get("publishName"),
        original_publish_resource_id=source.get("originalPublishResourceId"),
        custom_base_model_info=base,
        training_error_details=source.get("trainingErrorDetails"),
        is_pulled=True,
    )
    if not is_completed:
        return iteration
    iteration.model_tags = _tags_of(contents, source["id"]) if model is None else model.tags
    iteration.model_blob = None if model is None else model.blob
    evaluation = _evaluation(
        contents, source["id"], iteration.model_tags, detects=_detects(contents, iteration)
    )
    if evaluation is not None:
        iteration.evaluation_blob = contents.context.blobs.put(evaluation.content())
        contents.stored.add(iteration.evaluation_blob)
    if model is None:
        contents.notes.add(
            "an iteration has no model, since none was exported; its performance is kept, and predictions "
            "need a training here"
        )
    return iteration


def _detects(contents: Contents, iteration: Iteration) -> bool:
    from emulator.core.rules import domains

    return domains.get(iteration.domain_id or "").type == "ObjectDetection"


def _tags_of(contents: Contents, iteration_id: str) -> list[dict[str, str]]:
    """The tags of an iteration by name, as the service lists its boxes.

    Their names are those of its performance, if it has them: the service lists a tag that was renamed
    since by its present name.
    """
    found = {tag["id"]: tag for tag in _listed_tags(contents, iteration_id)}
    performance = contents.archive.document(f"performance/{iteration_id}//") or {}
    for tag in performance.get("perTagPerformance") or ():
        found[tag["id"]] = {**found.get(tag["id"], {}), "id": tag["id"], "name": tag["name"]}
    return _as_model_tags(
        tag for tag in found.values() if tag["id"] in contents.tag_names or not contents.tag_names
    )


def _as_model_tags(tags: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Tags as iterations have them, by name."""
    found = ({"id": tag["id"], "name": tag["name"], "type": tag.get("type") or "Regular"} for tag in tags)
    return sorted(found, key=lambda tag: tag["name"])


def _listed_tags(contents: Contents, iteration_id: str) -> list[dict[str, Any]]:
    tags = contents.archive.document(f"tags/{iteration_id}")
    return tags if isinstance(tags, list) else []


def _model(contents: Contents, iteration: dict[str, Any]) -> Model | None:
    """The export of an iteration that can be run; None when there is none."""
    from emulator.vision.exported.files import ExportUnusable
    from emulator.vision.exported.model import load_export
    from emulator.vision.onnx_runtime import ModelUnusable

    exports = _stored_exports(contents, iteration["id"])
    exports = [item for item in exports if item[0]["platform"] in _RUNNABLE]
    for export, blob in sorted(exports, key=lambda item: _RUNNABLE.index(item[0]["platform"])):
        try:
            labels = load_export(contents.context.blobs.path(blob)).labels
        except (ExportUnusable, ModelUnusable) as error:
            contents.notes.add(
                f"the export {export['platform']} of {iteration['name']!r} cannot be run here: {error}"
            )
            continue
        of_model = _tags_of(contents, iteration["id"])
        if not of_model:  # recorded traffic may list those of the workspace alone
            of_model = _as_model_tags(contents.archive.document("tags") or ())
        by_id = {tag["id"]: tag for tag in of_model}
        # Labels may be the present names, too: those of the time when it was exported.
        tags = {tag["name"].casefold(): by_id[tag["id"]] for tag in _listed_tags(contents, iteration["id"])}
        tags |= {tag["name"].casefold(): tag for tag in of_model}
        unknown = [label for label in labels if label.casefold() not in tags]
        if not unknown:
            return Model(blob, [tags[label.casefold()] for label in labels])
        contents.notes.add(
            f"the export {export['platform']} of {iteration['name']!r} has the label {unknown[0]!r}, which "
            "is no tag of the iteration"
        )
    return None


def _stored_exports(contents: Contents, iteration_id: str) -> list[tuple[dict[str, Any], str]]:
    """The exports of an iteration whose files are there, with their blobs."""
    found = []
    for export in contents.archive.document(f"exports/{iteration_id}") or ():
        key = f"{iteration_id}.{export['platform']}.{export.get('flavor') or ''}"
        blob = contents.files.get(("export", key))
        if blob is not None:
            found.append((export, blob))
    return found


def _exports(contents: Contents, source: dict[str, Any], iteration: Iteration) -> list[Export]:
    return [
        Export(
            id=contents.context.ids.new(),
            iteration_id=iteration.id,
            platform=export["platform"],
            flavor=export.get("flavor") or "",
            status=ExportStatus.DONE,
            created=contents.context.clock.now(),
            exporter=EXPORTER,
            blob=blob,
            suffix=".zip",
            size=contents.context.blobs.path(blob).stat().st_size,
        )
        for export, blob in _stored_exports(contents, source["id"])
    ]


def _records(contents: Contents, iteration_id: str) -> list[PerformanceRecord]:
    prefix = f"performance/{iteration_id}/"
    found = []
    for name, response in contents.archive.documents(prefix):
        if "refused" in response:
            continue
        threshold, overlap = name.split("/")
        found.append(
            PerformanceRecord(
                iteration_id=iteration_id,
                threshold=float(threshold) if threshold else None,
                overlap_threshold=float(overlap) if overlap else None,
                figures=recorded.to_record(response),
            )
        )
    return found


# --- the evaluation set -------------------------------------------------------------------------------------


def _evaluation(
    contents: Contents, iteration_id: str, tags: Sequence[dict[str, str]], *, detects: bool
) -> "Evaluation | DetectionEvaluation | None":
    """The predictions of the service for its evaluation set, as an evaluation; None when it has none."""
    indexes = {tag["id"]: index for index, tag in enumerate(tags)}
    images: dict[str, tuple[str, list[dict[str, Any]]]] = {}  # by blob: an evaluation has each image once
    for image, predictions in contents.archive.evaluated(iteration_id):
        blob = contents.blobs.get(image)
        if blob is not None:
            images.setdefault(blob, (image, predictions))
    if not images or not indexes:
        return None
    make = _of_detector if detects else _of_classifier
    return make(contents, iteration_id, indexes, images)


def _labels(contents: Contents, iteration_id: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the iteration says of images, in their order."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), 500):
        chosen = ids[start : start + 500]
        descriptions = contents.archive.descriptions(chosen)
        for image in chosen:
            described = descriptions[image].get(iteration_id, {})
            found.append({name: described.get(name) for name in ("tags", "regions")})
    return found


def _of_classifier(
    contents: Contents,
    iteration_id: str,
    indexes: dict[str, int],
    images: dict[str, tuple[str, list[dict[str, Any]]]],
) -> "Evaluation":
    import numpy

    from emulator.vision.evaluation.classification import NEVER, Evaluation

    probabilities = numpy.full((len(images), len(indexes)), NEVER, numpy.float32)
    targets = numpy.zeros((len(images), len(indexes)), numpy.bool_)
    labels = _labels(contents, iteration_id, [image for image, _ in images.values()])
    for row, (_, predictions) in enumerate(images.values()):
        for item in predictions:
            if item["tagId"] in indexes:
                probabilities[row, indexes[item["tagId"]]] = item["probability"]
        for tag in labels[row].get("tags") or ():
            if tag["tagId"] in indexes:
                targets[row, indexes[tag["tagId"]]] = True
    folds = numpy.zeros(len(images), numpy.int8)
    return Evaluation(keys=tuple(images), folds=folds, probabilities_NT=probabilities, targets_NT=targets)


def _of_detector(
    contents: Contents,
    iteration_id: str,
    indexes: dict[str, int],
    images: dict[str, tuple[str, list[dict[str, Any]]]],
) -> "DetectionEvaluation":
    import numpy

    from emulator.vision.boxes.box import BoxArrays
    from emulator.vision.evaluation.detection import DetectionEvaluation

    labels = _labels(contents, iteration_id, [image for image, _ in images.values()])
    truths: list[tuple[int, int, float, float, float, float]] = []
    detections: list[tuple[int, int, float, float, float, float]] = []
    probabilities: list[float] = []
    for row, (_, predictions) in enumerate(images.values()):
        regions = labels[row].get("regions") or ()
        known = [region for region in regions if region["tagId"] in indexes]
        truths += [(row, indexes[region["tagId"]], *_sides(region)) for region in known]
        found = [item for item in predictions if item["tagId"] in indexes and item.get("boundingBox")]
        found.sort(key=lambda item: -item["probability"])
        detections += [(row, indexes[item["tagId"]], *_sides(item["boundingBox"])) for item in found]
        probabilities += [item["probability"] for item in found]
    return DetectionEvaluation(
        keys=tuple(images),
        folds=numpy.zeros(len(images), numpy.int8),
        tag_count=len(indexes),
        truths=BoxArrays.of(truths),
        detections=BoxArrays.of(detections),
        probabilities=numpy.array(probabilities, numpy.float32),
    )


def _sides(box: dict[str, Any]) -> tuple[float, float, float, float]:
    return box["left"], box["top"], box["width"], box["height"]


# --- stored predictions -------------------------------------------------------------------------------------


def insert_predictions(session: Session, contents: Contents) -> None:
    """Insert the stored predictions whose images are there, as long as they are kept."""
    oldest = expiry.oldest_kept(contents.context)
    for item in contents.archive.predictions():
        blob = contents.files.get(("prediction", item["id"]))
        if blob is None:
            continue  # the manifest names it
        created = time_of(item["created"])
        if created < oldest:
            contents.notes.add(
                "a stored prediction is older than those that are kept; it is in the archive alone"
            )
            continue
        probabilities = [_prediction(prediction) for prediction in item["predictions"]]
        row = NewPrediction(
            id=item["id"],
            project_id=contents.project_id,
            iteration_id=item["iteration"],
            created=created,
            blob=blob,
            predictions=scores.to_stored(probabilities),
            domain_id=item.get("domain") or "",
            uncertainty=scores.uncertainty(probabilities),
        )
        prediction_rows.add(contents.context, session, [row])


def _prediction(item: dict[str, Any]) -> TagProbability:
    box = item.get("boundingBox")
    return TagProbability(
        tag_id=item["tagId"],
        tag_name=item["tagName"],
        tag_type=item.get("tagType") or "Regular",
        probability=item["probability"],
        box=None if box is None else Box(*_sides(box)),
    )
