"""JSON as the service writes it: numbers, dates, order, null or absent."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import numpy
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emulator.contract.versions import VERSIONS, Version
from emulator.contract.wire import (
    Rule,
    camel,
    float32,
    float64,
    naive,
    render,
    to_json,
    zulu,
    zulu7,
)

NEWEST = VERSIONS["training"][-1]
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0249909777, "0.0249909777"),
        (0.9999961, "0.9999961"),
        (8.79471951e-13, "8.79471951E-13"),
        (0.07882009, "0.07882009"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (0.5, "0.5"),
        (0.1, "0.1"),
        (1 / 3, "0.333333343"),
        (0.0001, "0.0001"),
        (0.00001, "1E-05"),
        (-2.5, "-2.5"),
        (100.0, "100.0"),
        (1e10, "1E+10"),
    ],
)
def test_single_precision_is_written_as_the_service_writes_it(value: float, text: str) -> None:
    assert float32(value) == text


@given(finite32)
@example(1.1754943508222875e-38)
@example(1.401298464324817e-45)
@example(3.4028234663852886e38)
def test_single_precision_can_be_read_back_from_at_most_nine_digits(value: float) -> None:
    text = float32(value)
    assert numpy.float32(text) == numpy.float32(value)
    digits = text.partition("E")[0].lstrip("-").replace(".", "").strip("0")
    assert len(digits) <= 9
    assert orjson.loads(text) == float(text)
    assert "." in text or "E" in text


@given(finite32)
def test_single_precision_takes_nine_digits_only_where_seven_do_not_suffice(value: float) -> None:
    digits = float32(value).partition("E")[0].lstrip("-").replace(".", "").strip("0")
    if len(digits) > 7:
        assert numpy.float32(f"{value:.7g}") != numpy.float32(value)


def test_double_precision_as_recorded() -> None:
    assert float64(1.1411630111979321e-05) == "1.1411630111979321E-05"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_precision_can_be_read_back(value: float) -> None:
    assert float(float64(value)) == value


moments = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("microsecond", "as_zulu", "as_zulu7", "as_naive"),
    [
        (0, ".000Z", ".0000000Z", ""),
        (414395, ".414Z", ".4143950Z", ".414395"),
        (414390, ".414Z", ".4143900Z", ".41439"),
        (100000, ".100Z", ".1000000Z", ".1"),
        (7, ".000Z", ".0000070Z", ".000007"),
        (999999, ".999Z", ".9999990Z", ".999999"),
    ],
)
def test_dates_in_their_three_formats(microsecond: int, as_zulu: str, as_zulu7: str, as_naive: str) -> None:
    moment = datetime(2020, 11, 6, 16, 15, 54, microsecond, tzinfo=UTC)
    second = "2020-11-06T16:15:54"
    assert (zulu(moment), zulu7(moment), naive(moment)) == (
        second + as_zulu,
        second + as_zulu7,
        second + as_naive,
    )


def test_dates_with_a_trailing_zero_in_the_seconds_keep_it() -> None:
    assert naive(datetime(2020, 11, 6, 16, 15, 50, tzinfo=UTC)) == "2020-11-06T16:15:50"


@given(moments)
def test_dates_can_be_read_back(moment: datetime) -> None:
    assert datetime.fromisoformat(naive(moment)).replace(tzinfo=UTC) == moment
    assert datetime.fromisoformat(zulu7(moment)) == moment
    assert timedelta(0) <= moment - datetime.fromisoformat(zulu(moment)) < timedelta(milliseconds=1)


@dataclass(frozen=True)
class Inner:
    a_number: float


@dataclass(frozen=True)
class Shape:
    first_name: str
    later: Annotated[str, Rule(since={"training": (3, 3)})]
    only_training: Annotated[str, Rule(since={"prediction": (3, 1)})]
    left_out: Annotated[list[int] | None, Rule(omit_empty=True)]
    sometimes_null: Annotated[int | None, Rule(always_null=frozenset({"training 3.0"}))]
    renamed: Annotated[int, Rule(key="another name")]
    inner: Inner | None

    ORDER: ClassVar[dict[str, tuple[str, ...]]] = {"training 3.1": ("inner", "first_name")}


def shape(left_out: Any = None, inner: Inner | None = None) -> Shape:
    return Shape("x", "later", "only", left_out, 7, 1, inner)


def version(api: str, name: str) -> Version:
    return next(item for item in VERSIONS[api] if item.name == name)  # type: ignore[index]


def test_properties_stand_in_the_order_of_the_fields_and_null_is_sent() -> None:
    written = render(shape(), NEWEST)
    assert written == (
        b'{"firstName":"x","later":"later","onlyTraining":"only","sometimesNull":7,'
        b'"another name":1,"inner":null}'
    )


def test_properties_that_a_version_lacks_are_omitted_for_its_api_only() -> None:
    assert "later" not in to_json(shape(), version("training", "3.2"))
    assert "later" in to_json(shape(), version("training", "3.3"))
    assert "onlyTraining" not in to_json(shape(), version("prediction", "3.0"))
    assert "later" in to_json(shape(), version("prediction", "3.0"))


@pytest.mark.parametrize("empty", [None, []])
def test_properties_that_are_omitted_when_empty(empty: Any) -> None:
    assert "leftOut" not in to_json(shape(empty), NEWEST)
    assert to_json(shape([1, 2]), NEWEST)["leftOut"] == [1, 2]


def test_one_version_may_send_null_always_or_another_order() -> None:
    assert to_json(shape(), version("training", "3.0"))["sometimesNull"] is None
    assert list(to_json(shape(), version("training", "3.1"))) == ["inner", "firstName"]


def test_scalars_lists_and_nested_shapes() -> None:
    assert render(10, NEWEST) == b"10"
    assert render(True, NEWEST) == b"true"
    assert render([Inner(0.1), Inner(1)], NEWEST) == b'[{"aNumber":0.1},{"aNumber":1}]'
    assert render({"horizontal flip": True}, NEWEST) == b'{"horizontal flip":true}'


def test_a_value_without_a_form_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="object has no form"):
        render(object(), NEWEST)


def test_infinity_has_no_form() -> None:
    with pytest.raises((OverflowError, orjson.JSONEncodeError, ValueError)):
        orjson.loads(render(math.inf, NEWEST))


def test_camel_case() -> None:
    assert [camel(name) for name in ("id", "tag_id", "per_tag_performance")] == [
        "id",
        "tagId",
        "perTagPerformance",
    ]
