"""The version of the training code that a figure was measured with.

The version is a checksum of the modules of `emulator.vision` that a training imports, directly or not,
without comments and docstrings, and of the recipes of the domains. A change that cannot change a model
(another name, say) changes it, too: a figure that is called old wrongly does less harm than one that is
called new wrongly.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "emulator.vision"
DOMAINS = ROOT / "models" / "domains.toml"
# The first module of a training; keys: whether the set has boxes, and the method.
TRAININGS = {
    (False, "quick"): f"{PACKAGE}.classification.train",
    (False, "advanced"): f"{PACKAGE}.classification.advanced",
    (True, "quick"): f"{PACKAGE}.detection.train",
    (True, "advanced"): f"{PACKAGE}.detection.advanced",
}


def version(detection: bool, method: str) -> str | None:
    """Eight hexadecimal digits; None for a baseline, which is no training of the emulator."""
    first = TRAININGS.get((detection, method))
    if first is None:
        return None
    checksum = hashlib.sha256(DOMAINS.read_bytes())
    for name, tree in sorted(imported(first).items()):
        checksum.update(f"{name} {ast.unparse(without_docstrings(tree))}".encode())
    return checksum.hexdigest()[:8]


def imported(first: str) -> dict[str, ast.Module]:
    """The modules of the package that a module imports, directly or not, and it itself."""
    modules: dict[str, ast.Module] = {}
    names = [first]
    while names:
        name = names.pop()
        path = file_of(name)
        if name in modules or path is None:
            continue
        modules[name] = ast.parse(path.read_text(encoding="utf-8"))
        names += imports_of(modules[name])
    return modules


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(module: str) -> Path | None:
    """The file of a module below the package; None for any other, and for the package itself."""
    if not module.startswith(f"{PACKAGE}."):
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree
