"""The program of a container that serves an exported model: its files, and the packages that it needs.

A copy of these files is started with ``python -m emulator.serving FOLDER``.
"""

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
# Folders whose modules a container needs, except one that imports pydantic.
_FOLDERS = ("contract", "gateway", "serving", "settings")
_NOT_NEEDED = frozenset({"contract/requests.py"})
# Single modules. A test runs a copy of all these files without the rest of the package.
_FILES = (
    "__init__.py",
    "core/__init__.py",
    "core/errors.py",
    "core/fetching/__init__.py",
    "core/fetching/client.py",
    "core/fetching/policy.py",
    "core/fetching/special_addresses.py",
    "core/predictions/__init__.py",
    "core/predictions/refusals.py",
    "core/refused_items.py",
    "core/rules/__init__.py",
    "core/rules/limits.py",
    "core/rules/validation.py",
    "core/scored_rows/__init__.py",
    "core/scored_rows/scores.py",
    "core/thread_pools.py",
    "durable_files.py",
    "server/__init__.py",
    "server/authority.py",
    "server/connections/__init__.py",
    "server/connections/acceptor.py",
    "server/connections/connection_end.py",
    "server/connections/http_protocol.py",
    "server/connections/incoming_request.py",
    "server/connections/speed_check.py",
    "server/connections/throttle.py",
    "server/systemd/__init__.py",
    "server/systemd/notifier.py",
    "server/tls.py",
    "server/uvicorn_server.py",
    "vision/__init__.py",
    "vision/boxes/__init__.py",
    "vision/boxes/box.py",
    "vision/boxes/geometry.py",
    "vision/exported/__init__.py",
    "vision/exported/boxes.py",
    "vision/exported/files.py",
    "vision/exported/input_choices.py",
    "vision/exported/input_rules.py",
    "vision/exported/model.py",
    "vision/exported/preprocess.py",
    "vision/exported/runtimes.py",
    "vision/fit.py",
    "vision/imaging/__init__.py",
    "vision/imaging/decode.py",
    "vision/imaging/memory.py",
    "vision/imaging/memory_budget.py",
    "vision/imaging/opening.py",
    "vision/imaging/other_formats.py",
    "vision/imaging/rgb.py",
    "vision/imaging/work_limits.py",
    "vision/onnx_runtime.py",
)
REQUIREMENTS = (
    "certifi>=2024.8.30",
    "httpcore>=1.0.7",
    "httptools>=0.6.4",
    "idna>=3.7",
    "multipart>=1.2",
    "numpy>=1.26",
    "onnxruntime>=1.20",
    "orjson>=3.10",
    "pillow>=11.0",
    "starlette>=0.46",
    "uvicorn>=0.34",
)


def program_files() -> Iterator[tuple[str, bytes]]:
    """Path (as ``emulator/serving/app.py``) and content of each file, in the order of the paths."""
    in_folders = (
        path.relative_to(_PACKAGE).as_posix() for one in _FOLDERS for path in (_PACKAGE / one).glob("*.py")
    )
    for name in sorted({*_FILES, *in_folders} - _NOT_NEEDED):
        yield f"emulator/{name}", (_PACKAGE / name).read_bytes()
