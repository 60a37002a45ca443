"""Bodies of the control API of choreography."""

from pydantic import Field

from emulator.contract.requests import StrictBody


class Failure(StrictBody):
    code: str
    message: str = ""


class Plan(StrictBody):
    complete: str | None = None
    polls: int | None = None
    seconds: float | None = None
    states: list[str] | None = None
    failure: Failure | None = None


class Choreography(StrictBody):
    training: Plan | None = None
    export: Plan | None = None
    import_: Plan | None = Field(default=None, alias="import")
