"""JSON texts: what is read beside strict JSON, and what is refused before it is parsed."""

import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.contract import lenient_json
from emulator.contract.json_text import (
    MAX_VALUES,
    InvalidJson,
    TooManyValues,
    read_json,
    read_strict_json,
    read_written_numbers,
)
from emulator.contract.lenient_json import WrittenNumber


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'url' : 'http://host/a.jpg'}", {"url": "http://host/a.jpg"}),
        ("""{'a':"it's",'b':'a "word"'}""", {"a": "it's", "b": 'a "word"'}),
        (r"{'a':'it\'s \"b\" \/\\\b\f\n\r\t\u00e9\ud83d\ude00'}", {"a": 'it\'s "b" /\\\b\f\n\r\té😀'}),
        ("{a:true,$b_1:false,ü:null,1:''}", {"a": True, "$b_1": False, "ü": None, "1": ""}),
        ('{"a":[true,],}', {"a": [True]}),
        ("{'a':[{},[],],}", {"a": [{}, []]}),
        ("// first\n{/* a, 'b' */ 'a': /**/ null // last\n,/* 'c':1 */}//end", {"a": None}),
        ("{'a':'first\nsecond\tx'}", {"a": "first\nsecond\tx"}),
        ("\ufeff{a:''}", {"a": ""}),
        ("\u00a0{a\u2003:''}\u3000", {"a": ""}),
        ("{true:false, null:null}", {"true": False, "null": None}),
        ("{a:'1',a:'2'}", {"a": "2"}),
        ("['x']", ["x"]),
        ("'x'", "x"),
        ("{'':''}", {"": ""}),
    ],
)
def test_what_the_reader_of_the_service_accepts(text: str, value: object) -> None:
    assert read_json(text.encode()) == value


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("1", 1),
        ("-0.50", -0.5),
        (".5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("1.5E-2", 0.015),
        ("0x1F", 31),
        ("-0XA", -10),
        ("017", 15),
        ("0", 0),
        ("00", 0),
        ("0.1", 0.1),
        ("123456789012345678901234567890", 1.2345678901234568e29),
    ],
)
def test_numbers_keep_how_they_are_written(number: str, value: float) -> None:
    read = read_json(f"{{a:{number}}}".encode())["a"]
    assert (type(read), str(read), read.to_float()) == (WrittenNumber, number, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "// nothing",
        "{",
        "{'a'",
        "{'a':",
        "{'a':}",
        "{'a':1",
        "{'a' 1}",
        "{a b:1}",
        "{a/**/:1}",
        "{a// name\n:1}",
        "{a-b:1}",
        "{'a':1 'b':2}",
        "{,}",
        "{'a':1,,}",
        "[,]",
        "[1,,2]",
        "[1 2]",
        "['a']]",
        "{'a':[}]",
        "{'a':1}}",
        "{'a':1} {'b':2}",
        "{:1}",
        "{'a'::1}",
        "{.5:1}",
        "{[]:1}",
        "{a:word}",
        "{a:undefined}",
        "{a:new Date(0)}",
        "{a:+1}",
        "{a:1x}",
        "{a:--1}",
        "{a:1.2.3}",
        "{a:0x}",
        "{a:'b}",
        "{a:\"b'}",
        r"{a:'\x41'}",
        r"{a:'\u12'}",
        r"{a:'\ud800'}",
        r"{a:'\ude00\ud83d'}",
        "{a:1}/*",
        "{a:1}/",
        "{'a':1}\0",
        "True",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        read_json(text.encode())


def test_octal_numbers_have_octal_digits() -> None:
    with pytest.raises(ValueError, match="09"):
        read_json(b"{a:09}")["a"].to_float()


@pytest.mark.parametrize("data", [b"\xff{a:1}", b"{'a':'\xe9'}", bytes(100)])
def test_text_that_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        read_json(data)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(any_json)
def test_strict_json_has_the_same_value_when_it_is_read_leniently(value: object) -> None:
    def with_numbers(item: object) -> object:
        if isinstance(item, WrittenNumber):
            return int(item)
        if isinstance(item, list):
            return [with_numbers(one) for one in item]
        if isinstance(item, dict):
            return {name: with_numbers(one) for name, one in item.items()}
        return item

    assert with_numbers(lenient_json.loads(orjson.dumps(value))) == value


@given(st.text("{}[],:'\"\\/*\n ab1.-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_json(text.encode())
    except InvalidJson as error:
        assert str(error)


# --- limits -------------------------------------------------------------------------------------------------

N = MAX_VALUES + 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"images":[' + b"{}," * N + b"{}]}",
        b'{"images":[' + b"[]," * N + b"[]]}",
        b'{"images":[' + b"1," * N + b"1]}",
        b"[" * (N + 1),
        b'{"a":' * N,
        b"{" + b'"":0,' * N + b'"":0}',
        b"{'a':[" + b"'',''," * N + b"]}",
        b'{"a":"' + b"," * N + b'"}',  # those in texts are counted too
    ],
    ids=["objects", "arrays", "numbers", "nested arrays", "nested objects", "names", "lenient", "in a text"],
)
def test_too_many_values_are_refused_before_any_is_made(data: bytes) -> None:
    tracemalloc.start()
    try:
        for read in (read_json, read_strict_json, read_written_numbers):
            with pytest.raises(TooManyValues, match="more than 250000 values"):
                read(data)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_the_largest_batch_is_below_the_limit() -> None:
    region = {"tagId": "x", "left": 0.1, "top": 0.1, "width": 0.1, "height": 0.1, "tagName": "y"}
    image = {"name": "x", "contents": "AAAA", "tagIds": ["x"] * 100, "regions": [region] * 300}
    assert len(read_json(orjson.dumps({"images": [image] * 64}))["images"]) == 64


@pytest.mark.parametrize(
    "data",
    [
        b"{" + b"/**/" * 1_000_001 + b"a:1}",
        b"{" + b"//\n" * 600_000 + b"a:1}",
        b"{a:'" + b"\\n" * 1_000_001 + b"'}",
        b"[" * 129 + b"'a'" + b"]" * 129,
        b"{a:'" + b"x" * lenient_json.MAX_BYTES + b"'}",
        b"{a:'" + b"\\" * 1_000_000,  # without its end
        b"{a:'" + b"x" * 10_000_000,
        b"{a:1} /*" + b"*" * 10_000_000,
        b"{" + b"a" * 10_000_000 + b":1}",
    ],
    ids=[
        "comments",
        "lines",
        "escapes",
        "depth",
        "length",
        "open escapes",
        "open text",
        "open comment",
        "name",
    ],
)
def test_the_work_for_lenient_reading_is_limited(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        read_json(data)


def test_long_texts_are_read_leniently() -> None:
    text = "QUJD" * 1_000_000
    assert read_json(f"{{'contents':'{text}',}}".encode()) == {"contents": text}
    assert read_json(b"[" * 128 + b"'a'" + b"]" * 128)
