"""Bodies of requests: fields that are read, ignored and rejected."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.contract import requests
from emulator.contract.requests import Malformed, parse

GUID = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
SHAPES = [
    shape
    for shape in vars(requests).values()
    if isinstance(shape, type) and issubclass(shape, requests.Body) and shape is not requests.Body
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_names_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    body = parse(requests.Tag, b'{"NAME":"a","Description":null,"imageCount":5,"nobody":{"knows":1}}')
    assert (body.name, body.description, body.type) == ("a", None, None)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse(requests.Tag, b'\xef\xbb\xbf{"name":"a"}').name == "a"


def test_ids_are_read_as_guids() -> None:
    body = parse(
        requests.ImageTagCreateBatch, orjson.dumps({"tags": [{"imageId": GUID.upper(), "tagId": GUID}]})
    )
    assert body.tags is not None
    assert body.tags[0].image_id == GUID


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"name":"\\ud800"}', "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"tags":[{"imageId":"x","tagId":"y"}]}', r"invalid at 'tags.0.imageId'.*GUID"),
        (b'{"tags":{}}', "invalid at 'tags'"),
        (b'{"tags":[{}]}', r"invalid at 'tags.0.imageId'"),
    ],
)
def test_invalid_bodies_are_refused_with_place_and_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse(requests.ImageTagCreateBatch, data)


def test_an_id_that_is_no_guid_has_its_own_code() -> None:
    with pytest.raises(Malformed) as caught:
        parse(requests.TrainingParameters, b'{"selectedTags":["x"]}')
    assert caught.value.code == "BadRequestInvalidIds"
    with pytest.raises(Malformed) as caught:
        parse(requests.TrainingParameters, b'{"selectedTags":"x"}')
    assert caught.value.code == "BadRequest"


@given(st.sampled_from(SHAPES), st.binary())
def test_any_bytes_are_read_or_refused(shape: type[requests.Body], data: bytes) -> None:
    try:
        assert isinstance(parse(shape, data), shape)
    except Malformed as malformed:
        assert str(malformed)


@given(st.data())
def test_any_json_under_known_names_is_read_or_refused(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(SHAPES))
    names = [field.alias or name for name, field in shape.model_fields.items()]
    value = data.draw(st.dictionaries(st.sampled_from(names), anything))
    try:
        assert isinstance(parse(shape, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)), shape)
    except (Malformed, orjson.JSONEncodeError):
        return


@pytest.mark.parametrize(
    ("shape", "name"), [(requests.TagFilter, "threshold"), (requests.PredictionQueryToken, "maxCount")]
)
def test_a_flag_is_no_number(shape: type[requests.Body], name: str) -> None:
    assert parse(shape, orjson.dumps({name: 1})).model_dump(by_alias=True)[name] == 1
    for flag in (True, False):
        with pytest.raises(Malformed, match=f"invalid at '{name}'.*is not a number"):
            parse(shape, orjson.dumps({name: flag}))
