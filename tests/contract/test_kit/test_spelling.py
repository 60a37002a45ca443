"""Suggestions for misspelled names."""

import pytest

from emulator.contract.test_kit.spelling import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CreateTags", "; did you mean 'CreateTag'?"),
        ("create_tag", "; did you mean 'CreateTag'?"),
        ("DELETETAG", "; did you mean 'DeleteTag'?"),
        ("nothing alike", ""),
        ("x" * 10_000_000, ""),
    ],
)
def test_the_most_similar_name_is_suggested(name: str, hint: str) -> None:
    assert did_you_mean(name, ["GetTags", "CreateTag", "DeleteTag"]) == hint
