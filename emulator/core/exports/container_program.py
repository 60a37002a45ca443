"""The program of a container that serves an exported model: files of this package and packages it needs.

A copy of these files is started with ``python -m emulator.serving FOLDER``.
"""

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
# A test starts a copy of these with nothing else in reach.
_FILES = (
    "__init__.py",
    "contract/__init__.py",
    "contract/answer_headers.py",
    "contract/error_codes.py",
    "contract/form_data.py",
    "contract/gateway_errors.py",
    "contract/identifiers.py",
    "contract/responses.py",
    "contract/versions.py",
    "contract/wire.py",
    "core/__init__.py",
    "core/errors.py",
    "vision/imaging/__init__.py",
    "vision/exported/__init__.py",
    "vision/boxes/__init__.py",
    "server/__init__.py",
    "core/scored_rows/__init__.py",
    "core/predictions/__init__.py",
    "core/fetching/__init__.py",
    "core/fetching/client.py",
    "core/fetching/policy.py",
    "core/limits.py",
    "core/predictions/refusals.py",
    "core/scored_rows/scores.py",
    "server/request_body.py",
    "server/uvicorn_server.py",
    "server/http_protocol.py",
    "settings/__init__.py",
    "settings/errors.py",
    "settings/options.py",
    "settings/readers.py",
    "vision/__init__.py",
    "vision/boxes/box.py",
    "vision/boxes/geometry.py",
    "vision/exported/model.py",
    "vision/exported/boxes.py",
    "vision/exported/files.py",
    "vision/exported/preprocess.py",
    "vision/exported/runtimes.py",
    "vision/imaging/decode.py",
    "vision/imaging/memory.py",
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
    serving = [path.name for path in (_PACKAGE / "serving").glob("*.py")]
    for name in sorted((*_FILES, *(f"serving/{one}" for one in serving))):
        yield f"emulator/{name}", (_PACKAGE / name).read_bytes()
