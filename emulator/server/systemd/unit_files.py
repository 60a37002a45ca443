"""The unit files of the service for systemd: the server, and a nightly backup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

NAME = "custom-vision-emulator"
_NEEDS_NO_QUOTES = re.compile(r"[\w/.-]+")

_SERVICE = """\
# Written by '{name} service install'; changes belong in a drop-in: systemctl edit {name}
[Unit]
Description=Custom Vision Emulator
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
EnvironmentFile={environment}
User={user}
WorkingDirectory=/
Restart=always
RestartSec=2
# The server reports every 15 seconds that it answers; without a report, it is killed and started again.
WatchdogSec=30
# The first start of a new version may migrate the database.
TimeoutStartSec=15min
TimeoutStopSec=15
# A training that takes too much memory ends, and not the server.
OOMPolicy=continue
MemoryMax=80%
TasksMax=1024
LimitNOFILE=65536
UMask=0077
{paths}
{hardening}
[Install]
WantedBy=multi-user.target
"""
# PrivateDevices stays off where trainings use a GPU. MemoryDenyWriteExecute is left out: libraries for
# inference write machine code.
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
{devices}ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
_BACKUP = """\
# Written by '{name} service install'
[Unit]
Description=Backup of the Custom Vision Emulator

[Service]
Type=oneshot
ExecStart={command}
User={user}
WorkingDirectory=/
Nice=10
IOSchedulingClass=idle
UMask=0077
{paths}
{hardening}"""
_TIMER = """\
# Written by '{name} service install'
[Unit]
Description=Nightly backup of the Custom Vision Emulator

[Timer]
OnCalendar=02:30
RandomizedDelaySec=5min
Persistent=yes

[Install]
WantedBy=timers.target
"""


class Service(NamedTuple):
    """What the unit files are written for.

    Attributes:
        program: the command line up to the command, such as ``/opt/emulator/bin/custom-vision-emulator``.
        data: the data folder. writable: further folders in which the server writes.
        environment: the file with the variables of the options.
        backups: the folder of backups; None for no backups. keep: their number.
        gpu: whether trainings use a GPU.
    """

    program: Sequence[str]
    user: str
    data: Path
    environment: Path
    writable: Sequence[Path]
    backups: Path | None
    keep: int
    gpu: bool


def unit_files(service: Service) -> dict[str, str]:
    """The contents of the unit files by their names."""
    hardening = _HARDENING.format(devices="" if service.gpu else "PrivateDevices=yes\n")
    paths = [service.data, *service.writable]
    files = {
        f"{NAME}.service": _SERVICE.format(
            name=NAME,
            command=_command_line([*service.program, "serve"]),
            environment=_escaped(str(service.environment)),
            user=service.user,
            paths=_writable(paths),
            hardening=hardening,
        )
    }
    if service.backups is not None:
        arguments = ["backup", str(service.backups), "--keep", str(service.keep), "--data", str(service.data)]
        files[f"{NAME}-backup.service"] = _BACKUP.format(
            name=NAME,
            command=_command_line([*service.program, *arguments]),
            user=service.user,
            paths=_writable([service.data, service.backups]),
            hardening=hardening,
        )
        files[f"{NAME}-backup.timer"] = _TIMER.format(name=NAME)
    return files


def environment_file(variables: Mapping[str, str]) -> str:
    """The content of a file for ``EnvironmentFile=``."""
    lines = [f'{name}="{_quoted(value)}"\n' for name, value in sorted(variables.items())]
    return "".join([f"# Options of the emulator; after a change: systemctl restart {NAME}\n", *lines])


def _command_line(arguments: Sequence[str]) -> str:
    """Arguments for ``ExecStart=``, quoted."""
    return " ".join(
        argument
        if _NEEDS_NO_QUOTES.fullmatch(argument)
        else f'"{_escaped(_quoted(argument)).replace("$", "$$")}"'
        for argument in arguments
    )


def _writable(paths: Sequence[Path]) -> str:
    return "".join(f'ReadWritePaths="{_escaped(_quoted(str(path)))}"\n' for path in dict.fromkeys(paths))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _escaped(text: str) -> str:
    """Without specifiers of systemd."""
    return text.replace("%", "%%")
