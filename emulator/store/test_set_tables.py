"""The tables of test sets: labeled images on which iterations are evaluated, and which no training uses.

They have no revisions of the workspace: a test set is as it is now, and counts its own changes.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import Column, Index, Integer
from sqlmodel import Field, Relationship, SQLModel

from emulator.store.tables import json_column, moment_column


class EvaluationStatus(StrEnum):
    """States of an evaluation. Waiting: its job waits or runs."""

    WAITING = "Waiting"
    COMPLETED = "Completed"
    FAILED = "Failed"


class TestSet(SQLModel, table=True):
    """A test set of a project. revision: incremented with each change of its images or labels."""

    __test__: ClassVar[bool] = False  # no class of tests
    __tablename__ = "test_set"
    __table_args__ = (Index("ix_test_set_project", "project_id", "created"),)

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    name: str
    created: datetime = moment_column()
    last_modified: datetime = moment_column()
    revision: int = 0
    image_count: int = 0


class TestImage(SQLModel, table=True):
    """An image of a test set. name: of its file, for people. number: as that of `Image`, never used again."""

    __test__: ClassVar[bool] = False
    __tablename__ = "test_image"
    __table_args__ = (
        Index("ix_test_image_unique", "test_set_id", "blob", unique=True),
        Index("ix_test_image_order", "test_set_id", "number"),
        Index("ix_test_image_blob", "blob"),
        {"sqlite_autoincrement": True},
    )

    number: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))
    id: str = Field(unique=True)
    test_set_id: str = Field(foreign_key="test_set.id", ondelete="CASCADE")
    name: str | None = None
    blob: str
    size: int
    width: int
    height: int
    created: datetime = moment_column()


class TestLabel(SQLModel, table=True):
    """A tag of an image of a test set, or the box of an object with this tag.

    left, top, width, height: fractions of the image's width and height, all None for a tag without a box.
    An image has the tags of its boxes, without rows of their own.
    """

    __test__: ClassVar[bool] = False
    __tablename__ = "test_label"
    __table_args__ = (
        Index("ix_test_label_image", "image_number"),
        Index("ix_test_label_tag", "tag_id", "image_number"),
    )

    number: int | None = Field(default=None, primary_key=True)
    # It follows from the `image` of a new row, which is written after that of the image.
    image_number: int = Field(default=None, foreign_key="test_image.number", ondelete="CASCADE")
    tag_id: str = Field(foreign_key="tag.id", ondelete="CASCADE")
    left: float | None = None
    top: float | None = None
    width: float | None = None
    height: float | None = None
    image: TestImage = Relationship()


class TestEvaluation(SQLModel, table=True):
    """The evaluation of an iteration on a test set; at most one of each pair.

    revision and image_count: of the test set that was evaluated. domain_id, classification_type: of the
    iteration. model_tags: of the iteration, followed by other tags of the test set, `trained_tag_count` is
    the number of the former. failure: the reason, for a person.
    """

    __test__: ClassVar[bool] = False
    __tablename__ = "test_evaluation"
    __table_args__ = (
        Index("ix_test_evaluation_unique", "test_set_id", "iteration_id", unique=True),
        Index("ix_test_evaluation_blob", "evaluation_blob"),
    )

    id: str = Field(primary_key=True)
    test_set_id: str = Field(foreign_key="test_set.id", ondelete="CASCADE")
    iteration_id: str = Field(foreign_key="iteration.id", ondelete="CASCADE")
    status: str = EvaluationStatus.WAITING
    created: datetime = moment_column()
    evaluated: datetime | None = moment_column(nullable=True)
    revision: int = 0
    image_count: int = 0
    domain_id: str | None = None
    classification_type: str | None = None
    model_tags: list[dict[str, str]] | None = json_column(nullable=True)
    trained_tag_count: int = 0
    evaluation_blob: str | None = None
    failure: str | None = None
