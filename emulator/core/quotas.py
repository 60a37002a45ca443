"""Checks against the limits of the pricing tier (`tiers`): counts, predictions a month, calls a second."""

import math
import threading
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.tiers import CallKind, Tier
from emulator.store.tables import Iteration, Project, Tag, Usage
from emulator.store.test_set_tables import TestSet

# Concurrent calls may take their times in another order; by more, only a clock that was restored goes back.
_CLOCK_RESTORED_SECONDS = -1.0


def check_project(context: Context, session: Session) -> None:
    """Raises ServiceError when one more project would exceed the limit."""
    most = context.tier.projects
    if most is not None and (session.scalar(select(func.count()).select_from(Project)) or 0) >= most:
        raise ServiceError("BadRequestExceedProjectLimit", _all_there_is(context, "projects", most))


def check_tag(context: Context, session: Session, project_id: str) -> None:
    """Raises ServiceError when one more tag in the workspace would exceed the limit."""
    most = context.tier.tags_per_project
    if most is None:
        return
    here = (
        select(func.count()).select_from(Tag).where(Tag.project_id == project_id, col(Tag.removed).is_(None))
    )
    if (session.scalar(here) or 0) >= most:
        message = _all_there_is(context, "tags in a project", most)
        raise ServiceError("BadRequestExceedTagPerProjectLimit", message)


def check_iteration(context: Context, session: Session, project_id: str) -> None:
    """Raises ServiceError when one more iteration would exceed the limit."""
    most = context.tier.iterations_per_project
    if most is None:
        return
    here = select(func.count()).select_from(Iteration).where(Iteration.project_id == project_id)
    if (session.scalar(here) or 0) >= most:
        message = _all_there_is(context, "iterations in a project", most)
        raise ServiceError("BadRequestExceedIterationPerProjectLimit", message)


def has_room_for_image(context: Context, holder: Project | TestSet) -> bool:
    """Whether the workspace, or a test set, may have one more image."""
    most = context.tier.images_per_project
    return most is None or holder.image_count < most


def image_limit(context: Context) -> str:
    """The limit that `has_room_for_image` checks, for the log."""
    return _all_there_is(context, "images in a project", context.tier.images_per_project or 0)


def check_import(context: Context, image_count: int, tag_count: int) -> None:
    """Raises ServiceError when a project with these numbers of images and tags would exceed the limits."""
    tier = context.tier
    if tier.tags_per_project is not None and tag_count > tier.tags_per_project:
        message = _all_there_is(context, "tags in a project", tier.tags_per_project)
        raise ServiceError("BadRequestExceedTagPerProjectLimit", message)
    if tier.images_per_project is not None and image_count > tier.images_per_project:
        message = _all_there_is(context, "images in a project", tier.images_per_project)
        raise ServiceError("BadRequestExceededQuota", message)


def _all_there_is(context: Context, what: str, most: int) -> str:
    return f"The pricing tier {context.tier.name} allows {most} {what}."


class MonthIsUsedUp(Exception):
    """No prediction is left in this month. days: until the next month, at least 1."""

    def __init__(self, tier: Tier, days: int) -> None:
        super().__init__(f"{tier.name}: {tier.predictions_per_month} predictions a month")
        self.tier = tier
        self.days = days


def check_month(context: Context) -> None:
    """Raises MonthIsUsedUp when no prediction is left in this month."""
    most = context.tier.predictions_per_month
    if most is None:
        return
    now = context.clock.now()
    with context.database.read() as session:
        usage = session.get(Usage, _month(now))
    if (usage.predictions if usage else 0) >= most:
        ends = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=now.tzinfo)
        raise MonthIsUsedUp(context.tier, max(1, math.ceil((ends - now).total_seconds() / 86400)))


def count_prediction(context: Context) -> None:
    """Count one more prediction in this month, if the tier has a monthly limit."""
    if context.tier.predictions_per_month is None:
        return
    month = _month(context.clock.now())
    with context.database.write() as session:
        usage = session.get(Usage, month) or Usage(month=month)
        usage.predictions += 1
        session.add(usage)


def predictions_this_month(context: Context, session: Session) -> int | None:
    """The predictions of this month; None if the tier does not limit them, since they are not counted."""
    if context.tier.predictions_per_month is None:
        return None
    usage = session.get(Usage, _month(context.clock.reading))
    return usage.predictions if usage else 0


def _month(now: datetime) -> str:
    return f"{now:%Y-%m}"


class TooManyCalls(Exception):
    """The calls per second of the tier are exceeded. seconds: until the next call may follow, at least 1."""

    def __init__(self, tier: Tier, seconds: int) -> None:
        super().__init__(f"the call rate of the tier {tier.name} is exceeded; try again in {seconds} s")
        self.tier = tier
        self.seconds = seconds


class CallQuotas:
    """Checks of requests against the pricing tier: calls per second, predictions per month."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rates = CallRates(context.tier)
        self.has_monthly_limit = context.tier.predictions_per_month is not None

    def admit(self, kind: CallKind) -> None:
        """Count a call. Raises TooManyCalls when it is refused."""
        self._rates.admit(kind, self._context.clock.now())

    def check_month(self) -> None:
        """Raises MonthIsUsedUp when no prediction is left in this month. Reads the database."""
        check_month(self._context)


class CallRates:
    """Token buckets, one for each kind of call; a full bucket has the tokens of one second."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._buckets: dict[CallKind, tuple[float, datetime]] = {}
        self._lock = threading.Lock()

    def admit(self, kind: CallKind, now: datetime) -> None:
        """Take a token for a call. Raises TooManyCalls, without taking one, when none is left."""
        rate = self._tier.calls_per_second.get(kind)
        if rate is None:
            return
        with self._lock:
            level, since = self._buckets.get(kind, (float(rate), now))
            elapsed = (now - since).total_seconds()
            if elapsed < _CLOCK_RESTORED_SECONDS:
                level = float(rate)
            level = min(float(rate), level + rate * max(0.0, elapsed))
            if level < 1:
                self._buckets[kind] = level, now
                raise TooManyCalls(self._tier, max(1, math.ceil((1 - level) / rate)))
            self._buckets[kind] = level - 1, now
