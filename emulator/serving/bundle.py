"""What a container needs to serve an exported model: a few files of this package, and a few others' packages.

The service's own container zips carry their server along, and so do the emulator's: a copy of these files is
started with ``python -m emulator.serving FOLDER``.
"""

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# A test starts a copy of these with nothing else in reach.
_FILES = (
    "__init__.py",
    "contract/__init__.py",
    "contract/answer_headers.py",
    "contract/error_codes.py",
    "contract/form_data.py",
    "contract/gateway_errors.py",
    "contract/identifiers.py",
    "contract/models.py",
    "contract/versions.py",
    "contract/wire.py",
    "core/__init__.py",
    "core/errors.py",
    "core/fetching.py",
    "core/fetching_rules.py",
    "core/limits.py",
    "core/refused_images.py",
    "core/scores.py",
    "draining.py",
    "listening.py",
    "protocol.py",
    "settings.py",
    "vision/__init__.py",
    "vision/detection_boxes.py",
    "vision/exported_model.py",
    "vision/exported_model_boxes.py",
    "vision/exported_model_files.py",
    "vision/exported_model_pictures.py",
    "vision/exported_model_runtimes.py",
    "vision/images.py",
    "vision/memory.py",
    "vision/scoring.py",
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
    serving = sorted(path.name for path in (_PACKAGE / "serving").glob("*.py"))
    for name in sorted((*_FILES, *(f"serving/{one}" for one in serving))):
        yield f"emulator/{name}", (_PACKAGE / name).read_bytes()
