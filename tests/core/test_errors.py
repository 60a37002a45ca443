"""The reasons of errors, for the log."""

from sqlalchemy.exc import OperationalError

from emulator.core.errors import ServiceError, reasons


def test_the_reasons_are_those_of_the_error_and_of_its_causes() -> None:
    error = ServiceError("BadRequest", "The request is refused.", "It is too long.")
    error.__cause__ = ValueError("9 of 8 items")
    assert reasons(error) == ["The request is refused.", "It is too long.", "9 of 8 items"]
    assert reasons(None) == []


def test_errors_that_cause_each_other_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = first
    assert reasons(first) == ["first"]
    first.__cause__, second.__cause__ = second, first
    assert reasons(first) == ["first", "second"]


def test_details_that_are_no_text_are_left_out() -> None:
    error = OperationalError("INSERT", None, Exception("disk is full"))
    error.add_detail("raised by autoflush")
    assert reasons(error) == [str(error)]
