"""The tables. Bytes are stored as blobs, by their SHA-256.

Iterations do not copy the workspace. Each change to the workspace of a project (images, tags, regions)
increments `Project.revision`. Rows of images, tags, image tags and regions have the revision in which they
were created (`born`) and the one in which they were removed, so the view of an iteration consists of the rows
with ``born <= revision < removed``.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, Relationship, SQLModel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The name of the resource whose tier and keys are those of the options.
DEFAULT_RESOURCE = "default"


class ProjectStatus(StrEnum):
    """States of a project, as the contract spells them. Importing: its import is waiting or running."""

    IMPORTING = "Importing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class IterationStatus(StrEnum):
    """States of an iteration, as the contract spells them. A training is in the first two only if a plan of
    `emulator.core.choreography` has them."""

    STAGING = "Staging"
    QUEUED = "Queued"
    TRAINING = "Training"
    COMPLETED = "Completed"
    FAILED = "Failed"


# The states of an iteration whose training has not ended.
UNFINISHED = (IterationStatus.STAGING, IterationStatus.QUEUED, IterationStatus.TRAINING)


class ExportStatus(StrEnum):
    """States of an export, as the contract spells them."""

    EXPORTING = "Exporting"
    FAILED = "Failed"
    DONE = "Done"


class JobKind(StrEnum):
    """The kind of work, which determines the runner of a job. Failed imports have no runner."""

    TRAINING = "training"
    ADVANCED_TRAINING = "advanced training"
    INSTANT_TRAINING = "instant training"
    EXPORT = "export"
    IMPORT = "import"
    FAILED_IMPORT = "failed import"
    NOTIFICATION = "notification"
    EVALUATION = "evaluation"
    DATA_SET = "data set"


class Moment(TypeDecorator[datetime]):
    """A UTC time as whole microseconds since 1970: exact, sortable, fast to read."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else moment(value)


def microseconds(value: datetime) -> int:
    """A UTC time as whole microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The UTC time `value` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=value)


def moment_column(nullable: bool = False) -> Any:
    """A field of a table with times."""
    return Field(default=None, sa_column=Column(Moment, nullable=nullable))


def json_column(nullable: bool = False) -> Any:
    """A field of a table with JSON values."""
    return Field(default=None, sa_column=Column(JSON, nullable=nullable))


def _image_number() -> Any:
    # It follows from the `image` of a new row, which is written after that of the image.
    return Field(default=None, foreign_key="image.number", ondelete="CASCADE")


class Project(SQLModel, table=True):
    """A project and its workspace.

    new_iteration_created: creation time of the hidden workspace iteration. resource: the name of the one that
    it belongs to, which never changes; see `resource_tables`.
    """

    id: str = Field(primary_key=True)
    name: str
    description: str
    domain_id: str
    classification_type: str
    target_export_platforms: list[str] = json_column()
    use_negative_set: bool = True
    detection_parameters: str | None = None
    augmentation_methods: dict[str, bool] = json_column()
    created: datetime = moment_column()
    last_modified: datetime = moment_column()
    status: str = ProjectStatus.SUCCEEDED
    revision: int = 0
    next_iteration: int = 1
    new_iteration_created: datetime = moment_column()
    # Updated with every change, so that counting the workspace needs no scan of the images.
    image_count: int = 0
    tagged_count: int = 0
    # Incremented by changes of metadata, which affect lists of images, but not trainings.
    metadata_revision: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # URIs of Azure Storage with their signatures, for copies of exports and for notifications.
    export_model_container_uri: str | None = None
    notification_queue_uri: str | None = None
    resource: str = Field(default=DEFAULT_RESOURCE, sa_column_kwargs={"server_default": DEFAULT_RESOURCE})


class Tag(SQLModel, table=True):
    __table_args__ = (Index("ix_tag_project_removed", "project_id", "removed"),)

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    name: str
    description: str | None = None
    type: str = "Regular"
    born: int
    removed: int | None = None
    image_count: int = 0


class Image(SQLModel, table=True):
    """An image of a project. tag_count: of the workspace.

    number: orders images by creation. Caches and deletions refer to it, so it is never used again: by the
    AUTOINCREMENT of SQLite, without which the next row gets the number of a deleted newest one.
    """

    __table_args__ = (
        Index("ix_image_workspace", "project_id", "removed", "number"),
        Index(
            "ix_image_tagged",
            "project_id",
            "number",
            sqlite_where=text("removed IS NULL AND tag_count > 0"),
        ),
        Index(
            "ix_image_untagged",
            "project_id",
            "number",
            sqlite_where=text("removed IS NULL AND tag_count = 0"),
        ),
        Index("ix_image_blob", "blob"),
        Index(
            "ix_image_unique",
            "project_id",
            "blob",
            unique=True,
            sqlite_where=text("removed IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    number: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))
    id: str = Field(unique=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    blob: str
    size: int
    width: int
    height: int
    created: datetime = moment_column()
    metadata_: dict[str, str] | None = Field(default=None, sa_column=Column("metadata", JSON, nullable=True))
    born: int
    removed: int | None = None
    tag_count: int = 0


class ImageTag(SQLModel, table=True):
    __tablename__ = "image_tag"
    __table_args__ = (
        Index("ix_image_tag_image", "image_number", "removed"),
        Index("ix_image_tag_tag", "tag_id", "removed", "image_number"),
        Index(
            "ix_image_tag_unique",
            "image_number",
            "tag_id",
            unique=True,
            sqlite_where=text("removed IS NULL"),
        ),
    )

    number: int | None = Field(default=None, primary_key=True)
    image_number: int = _image_number()
    tag_id: str = Field(foreign_key="tag.id", ondelete="CASCADE")
    created: datetime = moment_column()
    born: int
    removed: int | None = None


class Region(SQLModel, table=True):
    """A box on an image of a detection project, in fractions of the image's width and height.

    The image has the tag of the region too.
    """

    __table_args__ = (
        Index("ix_region_image", "image_number", "removed"),
        Index("ix_region_tag", "tag_id", "removed", "image_number"),
    )

    number: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    image_number: int = _image_number()
    tag_id: str = Field(foreign_key="tag.id", ondelete="CASCADE")
    left: float
    top: float
    width: float
    height: float
    created: datetime = moment_column()
    born: int
    removed: int | None = None
    image: Image = Relationship()


class Iteration(SQLModel, table=True):
    """An iteration: training, trained or failed. revision: of the workspace that it is trained on."""

    __table_args__ = (
        Index("ix_iteration_project", "project_id", "number"),
        Index(
            "ix_iteration_publish_name",
            "project_id",
            "publish_name",
            unique=True,
            sqlite_where=text("publish_name IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    number: int
    name: str
    status: str
    created: datetime = moment_column()
    last_modified: datetime = moment_column()
    trained_at: datetime | None = moment_column(nullable=True)
    revision: int
    exportable: bool = False
    domain_id: str | None = None
    classification_type: str | None = None
    training_type: str = "Regular"
    reserved_budget_in_hours: int = 0
    training_time_in_minutes: int = 0
    publish_name: str | None = None
    original_publish_resource_id: str | None = None
    custom_base_model_info: dict[str, str] | None = json_column(nullable=True)
    training_error_details: str | None = None
    selected_tags: list[str] | None = json_column(nullable=True)
    # Results of the training: tags in the order of the model's outputs, the model, its evaluation.
    model_tags: list[dict[str, str]] | None = json_column(nullable=True)
    model_blob: str | None = None
    evaluation_blob: str | None = None
    # What the training tried: the fields of `vision.training.attempts.TrainingReport`, by name.
    training_report: dict[str, Any] | None = json_column(nullable=True)
    # Pulled from a resource of the service: its model, if there is one, is an export.
    is_pulled: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})

    @property
    def has_begun(self) -> bool:
        """False while its training waits in the queue, or shows that it does."""
        if self.status == IterationStatus.TRAINING:
            return self.training_time_in_minutes > 0
        return self.status not in UNFINISHED

    @property
    def is_imported(self) -> bool:
        """Whether its model was not trained here: it cannot be trained further, nor exported again."""
        return self.status == IterationStatus.COMPLETED and (self.is_pulled or self.evaluation_blob is None)


class PerformanceRecord(SQLModel, table=True):
    """The performance of a pulled iteration as the service reported it.

    threshold, overlap_threshold: of the request; None if it had none. figures: `core.iterations.recorded` has
    their form.
    """

    __tablename__ = "performance_record"
    __table_args__ = (Index("ix_performance_record_iteration", "iteration_id", "threshold"),)

    number: int | None = Field(default=None, primary_key=True)
    iteration_id: str = Field(foreign_key="iteration.id", ondelete="CASCADE")
    threshold: float | None = None
    overlap_threshold: float | None = None
    figures: dict[str, Any] = json_column()


class Export(SQLModel, table=True):
    """An export of an iteration: running, done or failed.

    flavor: "" for none. exporter: `core.exports.request.EXPORTER` of the program that wrote it. suffix: of
    the file's name, with its dot. size: in bytes. failure: the reason, for a person.
    """

    __table_args__ = (
        Index("ix_export_unique", "iteration_id", "platform", "flavor", unique=True),
        Index("ix_export_blob", "blob"),
    )

    id: str = Field(primary_key=True)
    iteration_id: str = Field(foreign_key="iteration.id", ondelete="CASCADE")
    platform: str
    flavor: str
    status: str
    created: datetime = moment_column()
    exporter: int
    blob: str | None = None
    suffix: str | None = None
    size: int | None = None
    failure: str | None = None


class Job(SQLModel, table=True):
    """Work that outlives a restart. Its row is deleted when it has ended, except for imports that failed.

    kind: a `JobKind`. Trainings, exports and evaluations have an `iteration_id`, imports and notifications a
    `project_id`, as have imports of data sets unless their project is new. details: the token of an import,
    the reason why one failed, the id of an export, of an evaluation or of a data set with its project, or the
    content of a notification; with ``--traces``, the span of the request. attempts: how often it was begun.
    """

    id: str = Field(primary_key=True)
    kind: str
    iteration_id: str | None = Field(default=None, foreign_key="iteration.id", ondelete="CASCADE")
    created: datetime = moment_column()
    attempts: int = 0
    project_id: str | None = Field(default=None, foreign_key="project.id", ondelete="CASCADE")
    details: dict[str, Any] | None = json_column(nullable=True)


class Deletion(SQLModel, table=True):
    """An image or a tag that was deleted from a workspace, with its labels; see `core.deletions`.

    kind: image or tag. object_id: of the image or tag. blob: of an image. content: the other values of its
    row, and those of its labels.
    """

    __table_args__ = (
        Index("ix_deletion_object", "project_id", "object_id"),
        Index("ix_deletion_deleted", "deleted"),
        Index("ix_deletion_blob", "blob"),
    )

    number: int | None = Field(default=None, primary_key=True)
    kind: str
    object_id: str
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    deleted: datetime = moment_column()
    blob: str | None = None
    content: dict[str, Any] = json_column()


class Usage(SQLModel, table=True):
    """Use of the quota of a pricing tier, by calendar month (``2026-03``) and resource."""

    month: str = Field(primary_key=True)
    resource: str = Field(default=DEFAULT_RESOURCE, primary_key=True)
    predictions: int = 0


class StoredPrediction(SQLModel, table=True):
    """A prediction and its image, kept for the days of ``--prediction-days``.

    uncertainty: 0 to 1, see `core.scored_rows.scores.uncertainty`.
    """

    __tablename__ = "stored_prediction"
    __table_args__ = (
        Index("ix_stored_prediction_newest", "project_id", "created", "number"),
        Index("ix_stored_prediction_suggested", "project_id", "uncertainty", "number"),
        Index("ix_stored_prediction_blob", "blob"),
        Index("ix_stored_prediction_created", "created"),
    )

    number: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    iteration_id: str
    created: datetime = moment_column()
    application: str | None = None
    blob: str
    predictions: list[dict[str, Any]] = json_column()
    domain_id: str = Field(default="", sa_column_kwargs={"server_default": ""})
    uncertainty: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})


class Suggestion(SQLModel, table=True):
    """The predictions of an iteration for an untagged image, kept for 30 days or until the image is tagged.

    uncertainty: 0 to 1, see `core.scored_rows.scores.uncertainty`.
    """

    __table_args__ = (
        Index("ix_suggestion_image", "image_number", "iteration_id", unique=True),
        Index("ix_suggestion_order", "iteration_id", "uncertainty", "image_number"),
        Index("ix_suggestion_created", "created"),
    )

    number: int | None = Field(default=None, primary_key=True)
    image_number: int = Field(foreign_key="image.number", ondelete="CASCADE")
    iteration_id: str = Field(foreign_key="iteration.id", ondelete="CASCADE")
    created: datetime = moment_column()
    predictions: list[dict[str, Any]] = json_column()
    uncertainty: float


class KeptLabels(SQLModel, table=True):
    """The labels of an image that a person has confirmed, against a hint that they are wrong.

    labels: `core.insight.kept_labels.digest` of them; other labels are not confirmed.
    """

    __tablename__ = "kept_labels"

    image_number: int = Field(primary_key=True, foreign_key="image.number", ondelete="CASCADE")
    labels: str
    created: datetime = moment_column()
