"""The comparison finds every kind of difference, so that a comparison without findings proves something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.recorded.comparison import (
    References,
    differences,
    has_fixed_length,
    header_differences,
    parsed,
)

ONE, TWO = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"
THREE = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
BARE = ONE.replace("-", "")
URI = f"https://service.example/i-{BARE}/t-{BARE}?sv=2017-04-17&sr=b&sig=<sig>&se=<later>&sp=r"
LOCAL = f"http://127.0.0.1:1/i-{TWO.replace('-', '')}/t-{TWO.replace('-', '')}?sv=2017-04-17&sr=b"
SIGNED = "&sig=ab%2Fc%2B1d%3D&se=2026-01-02T03%3A04%3A05Z&sp=r"


def found(recorded: str, given: str) -> list[str]:
    references = References({ONE: TWO})
    return list(differences(parsed(recorded), parsed(given), references))


@pytest.mark.parametrize(
    ("recorded", "given"),
    [
        ('{"a":1,"b":null}', '{"a":1,"b":null}'),
        (f'["{ONE}","{THREE}","{THREE}"]', f'["{TWO}","{ONE}","{ONE}"]'),
        ('"2020-11-06T16:15:54.5237711"', '"2026-01-02T03:04:05.12"'),
        ('"2020-11-06T16:15:54.523Z"', '"2026-01-02T03:04:05.120Z"'),
        ("8.79471951e-13", "0.999"),
        (f'"{URI}"', f'"{LOCAL}{SIGNED}"'),
    ],
)
def test_equal_responses(recorded: str, given: str) -> None:
    assert found(recorded, given) == []


@pytest.mark.parametrize(
    ("recorded", "given"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":null}', "{}"),
        ('{"a":null}', '{"a":""}'),
        ('{"a":[]}', '{"a":null}'),
        ("[1,2]", "[1]"),
        ("1", "2"),
        ("1", "1.0"),
        ("true", "1"),
        ('"Completed"', '"Training"'),
        (f'"{ONE}"', f'"{THREE}"'),
        (f'"{THREE}"', f'"{TWO}"'),
        (f'"{ONE}"', f'"{TWO.upper()}"'),
        ('"2020-11-06T16:15:54.5237711"', '"2026-01-02T03:04:05.120"'),
        ('"2020-11-06T16:15:54.5237711"', '"2026-01-02T03:04:05.12Z"'),
        ('"2020-11-06T16:15:54.523Z"', '"2026-01-02T03:04:05.12Z"'),
        ("0.5", "1"),
        ("0.5", "1e-05"),
        ("0.5", "0.1234567890"),
        (f'"{URI}"', f'"{LOCAL}&sig=ab%2Fc%3D&sp=r&se=2026-01-02T03%3A04%3A05Z"'),
        (f'"{URI}"', f'"{LOCAL}&sig=ab/c=&se=2026-01-02T03%3A04%3A05Z&sp=r"'),
        (f'"{URI}"', f'"{LOCAL}&sig=ab%2Fc%3D&se=2026-01-02T03:04:05Z&sp=r"'),
        (f'"{URI}"', f'"{LOCAL.replace("/t-", "/i-")}{SIGNED}"'),
        (f'"{URI}"', f'"{LOCAL.replace("6666", "7777")}{SIGNED}"'),
        (f'"{URI}"', f'"{LOCAL.removeprefix("http://127.0.0.1:1")}{SIGNED}"'),
    ],
)
def test_different_responses(recorded: str, given: str) -> None:
    assert found(recorded, given) != []


RECORDED = {"Request-Id": "=apim-request-id", "apim-request-id": "<guid>", "Content-Length": "2", "X-A": "b"}
GIVEN = {"request-id": ONE, "apim-request-id": ONE, "content-length": "2", "x-a": "b"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"server": "x"}, ["headers are"]),
        ({"x-a": "c"}, ["header x-a"]),
        ({"request-id": TWO}, ["header request-id"]),
        ({"content-length": "3"}, ["header content-length"]),
    ],
)
def test_headers(change: dict[str, str], expected: list[str]) -> None:
    lines = list(header_differences(RECORDED, GIVEN | change, b"10", same_length=True))
    assert [line.startswith(start) for line, start in zip(lines, expected, strict=True)] == [True] * len(
        lines
    )


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        ({"a": [1, None, "2020-11-06T16:15:54.523Z", ONE]}, True),
        ({"a": 0.5}, False),
        (["2020-11-06T16:15:54.5237711"], False),
        ([URI], False),
    ],
)
def test_lengths_that_can_be_compared(value: Any, fixed: bool) -> None:
    assert has_fixed_length(value) is fixed
