"""``python -m emulator.serving EXPORT``: the server for one exported model, without the emulator's commands.

It has the options of ``custom-vision-emulator serve-model`` and needs fewer packages: see
`emulator.core.exports.container_program`.
"""

from __future__ import annotations

import argparse
import sys

from emulator.server.uvicorn_server import exit_now
from emulator.serving.program import run
from emulator.serving.settings import ServingSettings
from emulator.settings.errors import SettingError, StartRefused
from emulator.settings.option_fields import load_options, options

_PROGRAM = "python -m emulator.serving"


def main() -> None:
    """Run the command line and end the process. A user's error is one line, never a traceback."""
    described = options(ServingSettings)
    model = described.pop("model")
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Serve an exported model.", allow_abbrev=False
    )
    parser.add_argument("model", nargs="?", metavar=model.metavar, help=f"{model.help} [{model.variable}]")
    for name, one in described.items():
        parser.add_argument(
            one.flag,
            dest=name,
            metavar=one.metavar,
            action="append" if one.separator else "store",
            help=f"{one.help} [{one.variable}]".replace("%", "%%"),
        )
    flags = vars(parser.parse_args())
    try:
        values = load_options(ServingSettings, flags)
        if "model" not in values:
            parser.error("which export? give its file")
        status = run(ServingSettings(**values))
    except StartRefused as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingError) else 1)
    exit_now(status)


if __name__ == "__main__":
    main()
