"""The tables of roll-outs: another iteration is tried under a published name, and the former one is known.

`Iteration.publish_name` says which iteration is published; these tables have what comes before and after.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from emulator.store.tables import json_column, moment_column


class RolloutMode(StrEnum):
    """What the candidate of a roll-out does.

    SHADOW: it scores images besides the published iteration, which answers. PERCENTAGE: it answers a part of
    the requests.
    """

    SHADOW = "Shadow"
    PERCENTAGE = "Percentage"


class RolloutStatus(StrEnum):
    """States of a roll-out.

    FINISHED: the candidate was published. TAKEN_BACK: the iteration before the candidate is the published one
    again, or still. REPLACED: the name was published or unpublished otherwise.
    """

    RUNNING = "Running"
    FINISHED = "Finished"
    TAKEN_BACK = "TakenBack"
    REPLACED = "Replaced"


class Rollout(SQLModel, table=True):
    """The running or the last roll-out of a published name.

    current_id: the iteration that was published at the start; it and the candidate exist while the roll-out
    is running. percent: of the requests that the candidate answers, 0 to 100; None in shadow mode. figures:
    `core.rollout_counts.RolloutFigures` has their form.
    """

    __table_args__ = (Index("ix_rollout_name", "project_id", "publish_name", unique=True),)

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id", ondelete="CASCADE")
    publish_name: str
    current_id: str
    candidate_id: str
    mode: str
    percent: float | None = None
    status: str = RolloutStatus.RUNNING
    started: datetime = moment_column()
    last_modified: datetime = moment_column()
    ended: datetime | None = moment_column(nullable=True)
    figures: dict[str, Any] = json_column()


class FormerPublication(SQLModel, table=True):
    """The iteration that was published under a name before the present one, to which the name can return.

    resource_id: `Iteration.original_publish_resource_id` when it was published.
    """

    __tablename__ = "former_publication"

    project_id: str = Field(primary_key=True, foreign_key="project.id", ondelete="CASCADE")
    publish_name: str = Field(primary_key=True)
    iteration_id: str = Field(foreign_key="iteration.id", ondelete="CASCADE")
    resource_id: str
