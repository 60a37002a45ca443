"""The list of what a browser must show names tests that exist."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (FOLDER / "README.md").read_text("utf-8"))
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^def {name}\(", (FOLDER / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []
