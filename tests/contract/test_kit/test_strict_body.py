"""Messages about bodies of the control API: the place, the value, and what it must be."""

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from emulator.contract.requests import Malformed, StrictBody
from emulator.contract.test_kit.strict_body import parse_strictly


class _Inner(StrictBody):
    kind: Literal["one", "two"] = "one"
    milliseconds: Annotated[int, Field(ge=0, le=5)]


class _Outer(StrictBody):
    name: Annotated[str, Field(max_length=3)] = ""
    is_set: bool = False
    share: float = 0
    steps: Annotated[list[_Inner], Field(min_length=1, max_length=2)] = Field(default_factory=list)
    inner: _Inner | None = None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": 5}, "name is 5; it must be a string."),
        ({"name": "long"}, "name is 'long'; it must have at most 3 characters."),
        ({"name": None}, "name is null; it must be a string."),
        ({"isSet": "yes"}, "isSet is 'yes'; it must be true or false."),
        ({"share": True}, "share is true; it must be a number."),
        ({"steps": {}}, "steps is an object; it must be an array."),
        ({"steps": []}, "steps is an empty array; it must have at least 1 item."),
        ({"steps": [{"milliseconds": 1}] * 3}, "steps is an array of 3; it must have at most 2 items."),
        ({"steps": ["x"]}, "steps[0] is 'x'; it must be an object."),
        ({"steps": [[]]}, "steps[0] is an empty array; it must be an object."),
        ({"steps": [{}]}, "steps[0].milliseconds is missing."),
        ({"steps": [{"milliseconds": -1}]}, "steps[0].milliseconds is -1; it must be at least 0."),
        ({"steps": [{"milliseconds": 6}]}, "steps[0].milliseconds is 6; it must be at most 5."),
        ({"steps": [{"milliseconds": 1.5}]}, "steps[0].milliseconds is 1.5; it must be a whole number."),
        ({"inner": "x"}, "inner is 'x'; it must be an object."),
        (
            {"inner": {"milliseconds": 1, "kind": "three"}},
            "inner.kind is 'three'; it must be 'one' or 'two'.",
        ),
        ({"names": "x"}, "The request body has the unknown property 'names'."),
        (
            {"inner": {"seconds": 1}},
            "The request body has the unknown property 'inner.seconds'; milliseconds is missing.",
        ),
    ],
)
def test_message(body: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_strictly(_Outer, json.dumps(body).encode())
    assert str(refused.value) == message


def test_message_is_short_for_a_long_value() -> None:
    with pytest.raises(Malformed) as refused:
        parse_strictly(_Outer, json.dumps({"isSet": "x" * 100_000}).encode())
    assert len(str(refused.value)) < 200
