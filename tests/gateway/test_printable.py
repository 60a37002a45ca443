"""Parts of requests in the log: one printable line, without keys and signatures."""

from __future__ import annotations

import time

import pytest

from emulator.gateway import printable as printing
from emulator.gateway.printable import (
    LONGEST_PATH,
    forget_keys,
    know_keys,
    printable,
    printable_path,
    without_query,
    without_secrets,
)


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"/a b\n200 forged", "/a%20b%0A200%20forged"),
        (b"/\xc3\xa9\x1b[31m", "/%C3%A9%1B[31m"),
        (b"/already%20encoded", "/already%20encoded"),
        (b"/" + b"a" * 5000, "/" + "a" * (LONGEST_PATH - 1)),
    ],
)
def test_a_path_is_one_printable_word(sent: bytes, logged: str) -> None:
    assert printable_path({"raw_path": sent, "path": "/"}) == logged


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ("Äpfel 苹果.jpg", "Äpfel 苹果.jpg"),
        ("a\r\nINFO forged", "a\\r\\nINFO forged"),
        ("a\x1b[31m\x00\x7f\x85", "a\\x1b[31m\\x00\\x7f\\x85"),
        ("a\u2028b\u202ec\ud800", "a\\u2028b\\u202ec\\ud800"),
        ("a" * 50 + "b" * 100 + "c" * 50, "a" * 48 + "..." + "c" * 48),
    ],
)
def test_a_text_is_printable_on_one_line_and_short(sent: str, logged: str) -> None:
    assert printable(sent, 100) == logged
    assert printable(sent, 100).isprintable()


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ("http://h/a.jpg?sv=1&sig=hidden%3D", "http://h/a.jpg?***"),
        ("http://h/a.jpg#sig=hidden", "http://h/a.jpg?***"),
        ("//h/a?sig=hid den&b='x'", "//h/a?***"),
        ("what? no.jpg", "what? no.jpg"),
        ("a.jpg", "a.jpg"),
    ],
)
def test_a_name_is_logged_without_its_query(sent: str, logged: str) -> None:
    assert without_query(sent) == logged


@pytest.mark.parametrize(
    "text",
    [
        "the tag hidden-key is unknown",
        "the URL http://host/a?code=hidden leads nowhere",
        "the URL https://user:hidden@host/a",
        "the URL https://hidden@host/a",
        "it was sent with sig=hidden&se=1",
        "AccountKey=hidden;",
        "?subscription-key=hidden",
        "password='hidden'",
        "https%3A%2F%2Fhost%2Fa.jpg%3Fsv%3D1%26sig%3Dhidden%26se%3D2",
        "https%253A%252F%252Fhost%253Fsig%253Dhidden",
    ],
)
def test_secrets_are_left_out(text: str) -> None:
    assert "hidden" not in without_secrets(text, ["hidden-key"])


class Keys:
    """Keys of resources; None while they are not known."""

    def __init__(self, keys: set[bytes] | None) -> None:
        self.keys = keys

    def may_have(self, key: bytes) -> bool:
        return self.keys is None or key in self.keys


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of other servers of this process are not known to a test."""
    monkeypatch.setattr(printing, "_key_tables", [])


def test_ids_of_the_form_of_keys_are_shown() -> None:
    key, other = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    text = f"/i-{other}/t-{other} {key}"
    first, second = Keys({key.encode()}), Keys(None)
    know_keys(first)
    assert without_secrets(text, []) == f"/i-{other}/t-{other} ***"
    know_keys(second)  # as one whose keys were changed
    assert without_secrets(text, []) == "/i-***/t-*** ***"
    forget_keys(second)
    assert without_secrets(text, []) == f"/i-{other}/t-{other} ***"
    forget_keys(first)
    assert without_secrets(text, []) == "/i-***/t-*** ***"


@pytest.mark.parametrize("begun", range(1, 33))
def test_a_generated_key_at_the_end_of_what_is_searched(begun: int) -> None:
    """Whatever the length of the keys that are known as texts."""
    text = without_secrets("-" * (16_384 - begun) + "0123456789abcdef" * 2 + "-", ["short"])
    assert "0" not in text


def test_keys_of_resources_are_left_out_although_only_their_hashes_are_known() -> None:
    key = "0123456789abcdef" * 2
    assert without_secrets(f"/training/{key}/tags: '{key}'", []) == "/training/***/tags: '***'"
    others = f"{key}{key} ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
    assert without_secrets(others, []) == others


def test_other_texts_stay_as_they_are() -> None:
    text = "wrong key: it differs; http://host/a.jpg is no image; user@host"
    assert without_secrets(text, ["abc", ""]) == text


@pytest.mark.parametrize(
    "piece", ["://", "://a", "://@", "?", "#", "://?", "sig=", "token='", "@", " ", "\n"]
)
def test_long_texts_cost_little(piece: str) -> None:
    """Whatever a client sends: before, a megabyte took hours."""
    text = piece * (4_000_000 // len(piece))
    start = time.process_time()
    printable(without_secrets(without_query(text), ["hidden-key"]), 120)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("length", [16_370, 16_380, 16_384])
def test_secrets_at_the_end_of_what_is_searched(length: int) -> None:
    text = without_secrets("a" * length + "hidden-key" * 10, ["hidden-key"])
    assert "hid" not in text
    assert text.endswith("...")


def test_long_names_are_shortened_as_short_ones_are() -> None:
    assert printable("a\n" * 50_000 + "end", 21) == "a\\na\\na\\n" + "..." + "a\\na\\nend"
