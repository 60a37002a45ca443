"""The log of the server process: text or JSON, to standard error and to a file that is rotated."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.core.rules.limits import MEGABYTE
from emulator.gateway import log_context
from emulator.gateway.printable import without_secrets
from emulator.settings import Settings, StartRefused

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Files beside the current one.
_OLDER_FILES = 9


def configure_log(settings: Settings) -> None:
    """Set up the log of this process. Raises StartRefused when the file cannot be written."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file is not None:
        try:
            settings.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handlers.append(_RotatedFile(settings.log_file, settings.log_file_mb * MEGABYTE))
        except OSError as error:
            reason = error.strerror or error
            raise StartRefused(f"--log-file: cannot write {str(settings.log_file)!r}: {reason}") from None
    if settings.log_format == "json":
        formatter: logging.Formatter = JsonFormatter((*settings.training_keys, *settings.prediction_keys))
    else:
        formatter = logging.Formatter(_TEXT)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=settings.log_level.upper(), handlers=handlers)


class JsonFormatter(logging.Formatter):
    """A JSON object on one line: time (UTC), level, logger, message, requestId, exception, further fields.

    Further fields are those of the attribute ``fields`` of a record (``extra={"fields": {...}}``).

    secrets: texts that no value contains, such as the keys of the server.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage(), self._secrets),
        }
        context = {
            "requestId": log_context.request_id(),
            "traceId": log_context.trace_id(),
            "spanId": log_context.span_id(),
        }
        fields = {**context, **getattr(record, "fields", {})}
        entry |= {name: value for name, value in fields.items() if value is not None}
        if record.exc_info:
            entry["exception"] = without_secrets(self.formatException(record.exc_info), self._secrets)
        # Lone surrogates, which paths may have, cannot be written.
        text = json.dumps(entry, ensure_ascii=False, default=str)
        return text.encode(errors="replace").decode()


class _RotatedFile(logging.handlers.RotatingFileHandler):
    """A file of at most a size, beside nine older ones. A full disk loses lines and nothing else."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(path, maxBytes=size, backupCount=_OLDER_FILES, encoding="utf-8", errors="replace")

    def _open(self) -> Any:
        opened = super()._open()
        if sys.platform != "win32":
            os.fchmod(opened.fileno(), 0o600)  # names of projects are in it
        return opened

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name of the library)
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
