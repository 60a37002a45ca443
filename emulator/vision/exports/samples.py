"""Programs and a text that come with the exported model, and show how to use it."""

from __future__ import annotations


def sample_files(kind: str) -> dict[str, bytes]:
    """Their paths in the zip and their content, for a kind of model file."""
    return {}
