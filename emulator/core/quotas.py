"""Checks against the limits of the pricing tier (`tiers`): counts, predictions a month, calls a second."""

import math
import threading
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.tiers import CallKind, Tier
from emulator.store.resource_tables import Resource
from emulator.store.tables import DEFAULT_RESOURCE, Iteration, Project, Tag, Usage
from emulator.store.test_set_tables import TestSet

# Concurrent calls may take their times in another order; by more, only a clock that was restored goes back.
_CLOCK_RESTORED_SECONDS = -1.0


def tier_of(context: Context, resource: str) -> Tier:
    """The pricing tier of a resource."""
    if resource == DEFAULT_RESOURCE:
        return context.tier
    return context.resources.tier(resource) or context.tier


def check_project(context: Context, session: Session, resource: str) -> None:
    """Raises ServiceError when one more project would exceed the limit, or the resource was removed."""
    if resource != DEFAULT_RESOURCE and session.get(Resource, resource) is None:
        raise ServiceError("ForbiddenUserResource", f"The resource '{resource}' was removed.")
    tier = tier_of(context, resource)
    if tier.projects is None:
        return
    here = select(func.count()).select_from(Project).where(Project.resource == resource)
    if (session.scalar(here) or 0) >= tier.projects:
        raise ServiceError("BadRequestExceedProjectLimit", _all_there_is(tier, "projects", tier.projects))


def check_tag(context: Context, session: Session, project_id: str) -> None:
    """Raises ServiceError when one more tag in the workspace would exceed the limit."""
    tier = _tier_of_project(context, session, project_id)
    most = tier.tags_per_project
    if most is None:
        return
    here = (
        select(func.count()).select_from(Tag).where(Tag.project_id == project_id, col(Tag.removed).is_(None))
    )
    if (session.scalar(here) or 0) >= most:
        message = _all_there_is(tier, "tags in a project", most)
        raise ServiceError("BadRequestExceedTagPerProjectLimit", message)


def check_iteration(context: Context, session: Session, project_id: str) -> None:
    """Raises ServiceError when one more iteration would exceed the limit."""
    tier = _tier_of_project(context, session, project_id)
    most = tier.iterations_per_project
    if most is None:
        return
    here = select(func.count()).select_from(Iteration).where(Iteration.project_id == project_id)
    if (session.scalar(here) or 0) >= most:
        message = _all_there_is(tier, "iterations in a project", most)
        raise ServiceError("BadRequestExceedIterationPerProjectLimit", message)


def has_room_for_image(context: Context, holder: Project | TestSet) -> bool:
    """Whether the workspace, or a test set, may have one more image."""
    most = _tier_of_holder(context, holder).images_per_project
    return most is None or holder.image_count < most


def image_limit(context: Context, holder: Project | TestSet) -> str:
    """The limit that `has_room_for_image` checks, for the log."""
    tier = _tier_of_holder(context, holder)
    return _all_there_is(tier, "images in a project", tier.images_per_project or 0)


def check_import(context: Context, image_count: int, tag_count: int, resource: str) -> None:
    """Raises ServiceError when a project with these numbers of images and tags would exceed the limits."""
    tier = tier_of(context, resource)
    if tier.tags_per_project is not None and tag_count > tier.tags_per_project:
        message = _all_there_is(tier, "tags in a project", tier.tags_per_project)
        raise ServiceError("BadRequestExceedTagPerProjectLimit", message)
    if tier.images_per_project is not None and image_count > tier.images_per_project:
        message = _all_there_is(tier, "images in a project", tier.images_per_project)
        raise ServiceError("BadRequestExceededQuota", message)


def _tier_of_project(context: Context, session: Session, project_id: str) -> Tier:
    """session: it may have added the project."""
    project = session.get(Project, project_id) if context.resources.has_several else None
    return context.tier if project is None else tier_of(context, project.resource)


def _tier_of_holder(context: Context, holder: Project | TestSet) -> Tier:
    resource = holder.resource if isinstance(holder, Project) else context.resources.owner(holder.project_id)
    return tier_of(context, resource or DEFAULT_RESOURCE)


def _all_there_is(tier: Tier, what: str, most: int) -> str:
    return f"The pricing tier {tier.name} allows {most} {what}."


class MonthIsUsedUp(Exception):
    """No prediction is left in this month. days: until the next month, at least 1."""

    def __init__(self, tier: Tier, days: int) -> None:
        super().__init__(f"{tier.name}: {tier.predictions_per_month} predictions a month")
        self.tier = tier
        self.days = days


def check_month(context: Context, resource: str = DEFAULT_RESOURCE) -> None:
    """Raises MonthIsUsedUp when no prediction is left in this month."""
    tier = tier_of(context, resource)
    most = tier.predictions_per_month
    if most is None:
        return
    now = context.clock.now()
    with context.database.read() as session:
        usage = session.get(Usage, (_month(now), resource))
    if (usage.predictions if usage else 0) >= most:
        ends = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=now.tzinfo)
        raise MonthIsUsedUp(tier, max(1, math.ceil((ends - now).total_seconds() / 86400)))


def count_prediction(context: Context, project_id: str) -> None:
    """Count one more prediction in this month, if the tier of the project's resource has a monthly limit."""
    resource = context.resources.owner(project_id) or DEFAULT_RESOURCE
    if tier_of(context, resource).predictions_per_month is None:
        return
    month = _month(context.clock.now())
    with context.database.write() as session:
        usage = session.get(Usage, (month, resource)) or Usage(month=month, resource=resource)
        usage.predictions += 1
        session.add(usage)


def predictions_this_month(
    context: Context, session: Session, resource: str = DEFAULT_RESOURCE
) -> int | None:
    """The predictions of this month; None if the tier does not limit them, since they are not counted."""
    if tier_of(context, resource).predictions_per_month is None:
        return None
    usage = session.get(Usage, (_month(context.clock.reading), resource))
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
        self._rates = {DEFAULT_RESOURCE: CallRates(context.tier)}

    def admit(self, kind: CallKind, resource: str = DEFAULT_RESOURCE) -> None:
        """Count a call of a resource. Raises TooManyCalls when it is refused."""
        self._of(resource).admit(kind, self._context.clock.now())

    def has_monthly_limit(self, resource: str = DEFAULT_RESOURCE) -> bool:
        return self._of(resource).tier.predictions_per_month is not None

    def check_month(self, resource: str = DEFAULT_RESOURCE) -> None:
        """Raises MonthIsUsedUp when no prediction is left in this month. Reads the database."""
        check_month(self._context, resource)

    def _of(self, resource: str) -> "CallRates":
        known = self._rates.get(resource)
        if known is not None and resource == DEFAULT_RESOURCE:
            return known
        tier = tier_of(self._context, resource)
        if known is None or known.tier is not tier:  # removed, and added with another tier
            known = self._rates[resource] = CallRates(tier)
        return known


class CallRates:
    """Token buckets, one for each kind of call; a full bucket has the tokens of one second."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self._buckets: dict[CallKind, tuple[float, datetime]] = {}
        self._lock = threading.Lock()

    def admit(self, kind: CallKind, now: datetime) -> None:
        """Take a token for a call. Raises TooManyCalls, without taking one, when none is left."""
        rate = self.tier.calls_per_second.get(kind)
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
                raise TooManyCalls(self.tier, max(1, math.ceil((1 - level) / rate)))
            self._buckets[kind] = level - 1, now
