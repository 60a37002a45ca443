"""Requests for faults in the emulator's own API: which calls fail, and how."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from emulator.contract.error_codes import FAILURE_CODES, http_status
from emulator.contract.gateway_responses import guid
from emulator.contract.operations import BY_NAME
from emulator.contract.requests import StrictBody
from emulator.contract.test_kit.spelling import did_you_mean

ALL_OPERATIONS = "*"
MAX_STEPS = 1000
MAX_TIMES = 1_000_000
MAX_DELAY_MILLISECONDS = 300_000
MAX_BYTES = 2**31 - 1
MAX_RETRY_AFTER_SECONDS = 86_400
MAX_TEXT = 64 * 1024
_GENERIC_CODES = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    415: "UnsupportedMediaType",
}

_Seconds = Annotated[int, Field(ge=0, le=MAX_RETRY_AFTER_SECONDS)]
_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_HeaderValue = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")]


class Step(StrictBody):
    """What happens to the next matching calls.

    Attributes:
        times: the number of calls.
        after_done: whether the request is carried out, and only its response fails.
    """

    kind: str
    times: Annotated[int, Field(ge=1, le=MAX_TIMES)] = 1

    # Whether the response of the request is needed, so that the request is always carried out.
    needs_response: ClassVar[bool] = False

    @property
    def is_carried_out(self) -> bool:
        return self.needs_response or bool(getattr(self, "after_done", False))

    @property
    @abstractmethod
    def description(self) -> str:
        """What the client receives, for logs."""

    def _described(self, text: str) -> str:
        return f"{text}, after the request was carried out" if getattr(self, "after_done", False) else text


class Status(Step):
    """A response with a status, and a body of the service, of the gateway, or any other.

    After validation, `status` is set, and `code` too if the body is the service's.
    """

    kind: Literal["status"]
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Literal["service", "gateway", "raw"] = "service"
    code: str | None = None
    message: _Text | None = None
    content: _Text | None = None
    content_type: _HeaderValue | None = None
    retry_after: _Seconds | None = None
    after_done: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> "Status":
        raw = [name for name in ("content", "contentType") if self._given(name)]
        texts = [name for name in ("code", "message") if self._given(name)]
        if self.body != "raw" and raw:
            raise ValueError(f'\'{raw[0]}\' needs "body": "raw"')
        if self.body == "raw" and texts:
            raise ValueError(f"'{texts[0]}' is of the bodies service and gateway; a raw one has 'content'")
        if self.body == "gateway" and self.code is not None:
            raise ValueError("'code' is of the body service; the gateway's code is the status")
        if self.body == "service":
            self._complete_service()
        elif self.status is None:
            raise ValueError(f"the body {self.body} needs 'status'")
        if self.body != "raw" and (self.status or 0) < 400:
            raise ValueError(f'the status of an error is at least 400; for {self.status}, use "body": "raw"')
        if self.body == "raw" and self.status in (204, 304) and self.content:
            raise ValueError(f"a response with status {self.status} has no content")
        return self

    def _given(self, alias: str) -> bool:
        names = {field.alias: name for name, field in type(self).model_fields.items()}
        return getattr(self, names[alias]) is not None

    def _complete_service(self) -> None:
        if self.code is None:
            if self.status is None:
                raise ValueError("needs 'status' or 'code'")
            if self.status >= 500:
                self.code = "ErrorUnknown"
            elif self.status in _GENERIC_CODES:
                self.code = _GENERIC_CODES[self.status]
            elif self.status >= 400:
                raise ValueError(
                    f"the service has no error code of status {self.status};"
                    ' use "body": "gateway" or "body": "raw"'
                )
            return
        if self.code not in FAILURE_CODES:
            raise ValueError(
                f"'{self.code[:100]}' is no error code of the service{did_you_mean(self.code, FAILURE_CODES)}"
            )
        status = http_status(self.code)
        if self.status is None:
            self.status = status
        elif self.status != status and min(self.status, status) < 500:
            raise ValueError(f"the code {self.code} has status {status}, not {self.status}")

    @property
    def description(self) -> str:
        return self._described(f"status {self.status}" + (f" {self.code}" if self.code else ""))


class Throttle(Step):
    """429 of the gateway."""

    kind: Literal["throttle"]
    retry_after: _Seconds = 1
    after_done: bool = False

    @property
    def description(self) -> str:
        return self._described(f"throttled, retry after {self.retry_after} s")


class Delay(Step):
    """The request is carried out later; with `after_done`, its response is sent later."""

    kind: Literal["delay"]
    milliseconds: Annotated[int, Field(ge=0, le=MAX_DELAY_MILLISECONDS)]
    after_done: bool = False

    @property
    def description(self) -> str:
        return self._described(f"delayed by {self.milliseconds} ms")


class _Cut(Step):
    """The connection ends when `bytes` of the body were sent."""

    bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)] | None = None
    after_done: bool | None = None

    def _must_be_carried_out(self) -> None:
        if self.after_done is False:
            raise ValueError(
                "'afterDone' cannot be false: part of the response is sent, so the request is carried out"
            )
        self.after_done = True


class Reset(_Cut):
    """The connection is reset: when `bytes` of the body were sent, or else before the response."""

    kind: Literal["reset"]

    @model_validator(mode="after")
    def _agrees(self) -> "Reset":
        if self.bytes is not None:
            self._must_be_carried_out()
        else:
            self.after_done = bool(self.after_done)
        return self

    @property
    def description(self) -> str:
        if self.bytes is None:
            return self._described("reset before the response")
        return f"reset after {self.bytes} bytes of the response"


class Close(Step):
    """The connection is closed without a response."""

    kind: Literal["close"]
    after_done: bool = False

    @property
    def description(self) -> str:
        return self._described("closed without a response")


class Truncate(_Cut):
    """The connection is closed when `bytes` of the body were sent; None: half of them."""

    kind: Literal["truncate"]
    needs_response: ClassVar[bool] = True

    @model_validator(mode="after")
    def _agrees(self) -> "Truncate":
        self._must_be_carried_out()
        return self

    @property
    def description(self) -> str:
        amount = "half of" if self.bytes is None else f"{self.bytes} bytes of"
        return f"truncated after {amount} the response"


class Slow(Step):
    """The body is sent slowly."""

    kind: Literal["slow"]
    bytes_per_second: Annotated[int, Field(ge=1, le=MAX_BYTES)]
    needs_response: ClassVar[bool] = True

    @property
    def description(self) -> str:
        return f"slowed to {self.bytes_per_second} bytes per second"


class Stale(Step):
    """The response to an earlier GET of the same URL; the request is not carried out."""

    kind: Literal["stale"]

    @property
    def description(self) -> str:
        return "the response to an earlier request"


class Pass(Step):
    """Nothing."""

    kind: Literal["pass"]

    @property
    def description(self) -> str:
        return "no fault"


Kind = Literal["status", "throttle", "delay", "reset", "close", "truncate", "slow", "stale"]
AnyStep = Annotated[
    Status | Throttle | Delay | Reset | Close | Truncate | Slow | Stale | Pass, Field(discriminator="kind")
]


class RandomFaults(StrictBody):
    """Faults at random.

    Attributes:
        seed: the same seed and the same calls in the same order have the same faults.
        probability: of a fault in a call.
        kinds: what to choose from if the scenario has no steps; None: DEFAULT_KINDS.
        calls: the number of calls after which the scenario ends; None: it has no end.
    """

    seed: int = 0
    probability: Annotated[float, Field(ge=0, le=1)]
    kinds: Annotated[list[Kind], Field(min_length=1, max_length=100)] | None = None
    calls: Annotated[int, Field(ge=1, le=MAX_TIMES)] | None = None


class FaultScenario(StrictBody):
    """Faults of the calls of an operation, of a project and of a client."""

    operation: str
    project_id: Annotated[str, BeforeValidator(guid)] | None = None
    client: _HeaderValue | None = None
    steps: Annotated[list[AnyStep], Field(min_length=1, max_length=MAX_STEPS)] | None = None
    random: RandomFaults | None = None

    @model_validator(mode="after")
    def _agrees(self) -> "FaultScenario":
        self._check_operation()
        if self.random is None:
            if self.steps is None:
                raise ValueError("needs 'steps' or 'random'")
            return self
        if self.steps is not None and self.random.kinds is not None:
            raise ValueError("random faults have 'steps' or 'random.kinds' to choose from, not both")
        if any(step.times != 1 for step in self.steps or ()):
            raise ValueError("'times' is for steps in order, not for random ones")
        return self

    def _check_operation(self) -> None:
        if self.operation == ALL_OPERATIONS:
            return
        operation = BY_NAME.get(self.operation)
        if operation is None:
            hint = did_you_mean(self.operation, BY_NAME)
            raise ValueError(f"'{self.operation[:100]}' is no operation of the service{hint}")
        if self.project_id is not None and "{projectId}" not in operation.path:
            raise ValueError(f"'projectId' cannot apply: the path of {self.operation} has no project")
        if operation.method != "GET" and any(step.kind == "stale" for step in self.steps or ()):
            raise ValueError(f"a stale response is for GET, and {self.operation} is a {operation.method}")


# What the kinds of a random scenario stand for.
_STEPS_OF_KINDS: dict[str, list[dict[str, Any]]] = {
    "status": [
        {"status": status, "afterDone": after_done} for status in (500, 503) for after_done in (False, True)
    ],
    "throttle": [{}],
    "delay": [{"milliseconds": 200}],
    "reset": [{}, {"afterDone": True}, {"bytes": 1}],
    "close": [{}, {"afterDone": True}],
    "truncate": [{}],
    "slow": [{"bytesPerSecond": 2000}],
    "stale": [{}],
}
DEFAULT_KINDS: tuple[Kind, ...] = ("status", "throttle", "delay", "reset", "close", "truncate")


def steps_of(kinds: Sequence[str]) -> list[AnyStep]:
    """The steps that the kinds of a random scenario stand for."""
    steps = [{"kind": kind, **values} for kind in kinds for values in _STEPS_OF_KINDS[kind]]
    scenario = FaultScenario.model_validate({"operation": ALL_OPERATIONS, "steps": steps})
    return scenario.steps or []
