"""The pytest plugin: fixtures that start an emulator when a test first uses one of them.

It is loaded with every session of pytest where the package is installed, so it imports nothing until a
fixture or an option is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from emulator.testing.azure_guard import AzureGuard
    from emulator.testing.control import (
        ChoreographyControl,
        ClockControl,
        FaultsControl,
        RequestsControl,
        ScriptsControl,
    )
    from emulator.testing.projects import SampleProject
    from emulator.testing.server import RunningEmulator

_GUARD: pytest.StashKey[AzureGuard] = pytest.StashKey()
_TRIED: pytest.StashKey[list[tuple[str, str]]] = pytest.StashKey()
# Name, metavar, help. Each is a flag, `--custom-vision-NAME`, and an ini option, `custom_vision_NAME`.
_OPTIONS = (
    ("trainer", "NAME", "trainer of the emulator of the tests: instant (default) or real"),
    ("mode", "MODE", "where the emulator of the tests runs: in a thread (default) or a process"),
    ("port", "NUMBER", "port of the emulator of the tests; default: any free one"),
    ("endpoint", "URL", "an emulator that runs already, which the tests use and reset"),
    ("training-key", "KEY", "training key of --custom-vision-endpoint"),
    ("prediction-key", "KEY", "prediction key of --custom-vision-endpoint"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("custom-vision", "Custom Vision Emulator")
    for name, metavar, text in _OPTIONS:
        group.addoption(f"--custom-vision-{name}", metavar=metavar, help=text)
        parser.addini(_ini(name), text)
    text = "refuse connections of the tests to the real Custom Vision service"
    group.addoption("--forbid-azure", action="store_true", default=None, help=text)
    parser.addini("forbid_azure", text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--forbid-azure") or config.getini("forbid_azure"):
        from emulator.testing.azure_guard import AzureGuard

        config.stash[_TRIED] = []
        config.stash[_GUARD] = AzureGuard().__enter__()


def pytest_unconfigure(config: pytest.Config) -> None:
    guard = config.stash.get(_GUARD, None)
    if guard is not None:
        del config.stash[_GUARD]
        guard.__exit__(None, None, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    guard = item.config.stash.get(_GUARD, None)
    if guard is None:
        return (yield)
    before = len(guard.attempts)
    result = yield
    item.config.stash[_TRIED] += [(item.nodeid, host) for host in guard.attempts[before:]]
    return result


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.stash.get(_GUARD, None):
        return
    tried = config.stash[_TRIED]
    if tried:
        terminalreporter.section("connections to Azure that were refused")
        for test, host in dict.fromkeys(tried):
            terminalreporter.line(f"{test}: {host}")


# --- the emulator -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def custom_vision_settings() -> dict[str, Any]:
    """Options of the emulator, such as ``{"tier": "f0"}``: override this fixture to set them."""
    return {}


@pytest.fixture(scope="session")
def custom_vision_snapshot() -> str | None:
    """The name of the snapshot that each test starts with: override this fixture to make one.

    None: each test starts with an empty emulator.
    """
    return None


@pytest.fixture(scope="session")
def custom_vision_server(
    request: pytest.FixtureRequest, custom_vision_settings: dict[str, Any]
) -> Iterator[RunningEmulator]:
    """The emulator of the session, or of one worker of pytest-xdist. Its state is that of earlier tests."""
    endpoint = _option(request.config, "endpoint")
    if endpoint is not None:
        yield from _running(request.config, endpoint)
        return
    from emulator.settings.errors import SettingError, StartRefused
    from emulator.testing.server import EmulatorServer

    chosen = {name: _option(request.config, name) for name in ("trainer", "mode", "port")}
    port = chosen["port"]
    if port not in (None, "0") and _worker_count(request.config) > 1:
        _fail(
            "--custom-vision-port cannot be used with several workers of pytest-xdist, each of which has an"
            " emulator of its own; without it, each takes a free port"
        )
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    try:
        server = EmulatorServer(**{**options, **custom_vision_settings}).start()
    except SettingError as error:
        _fail(f"the emulator did not start: {error}")
    except StartRefused as refused:
        hint = "; another session of pytest may use it: without --custom-vision-port, each takes a free one"
        _fail(f"the emulator did not start: {refused}{hint if port else ''}")
    try:
        yield server
    finally:
        server.stop()


def _running(config: pytest.Config, endpoint: str) -> Iterator[RunningEmulator]:
    """An emulator that runs already, while no other session or worker uses it."""
    import hashlib
    import tempfile
    from pathlib import Path

    from filelock import FileLock, Timeout

    from emulator.testing.server import RunningEmulator

    try:
        running = RunningEmulator(
            endpoint,
            training_key=_option(config, "training-key"),
            prediction_key=_option(config, "prediction-key"),
        )
    except ValueError as error:
        _fail(f"--custom-vision-endpoint: {error}")
    name = hashlib.sha256(endpoint.rstrip("/").lower().encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"custom-vision-emulator-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _fail(
            f"another session or worker of pytest uses the emulator at {endpoint}, and each would delete the"
            " state of the other: run them one after the other, or without --custom-vision-endpoint, so that"
            " each has an emulator of its own"
        )
    try:
        yield running
    finally:
        lock.release()


@pytest.fixture
def custom_vision(
    custom_vision_server: RunningEmulator, custom_vision_snapshot: str | None
) -> RunningEmulator:
    """The emulator in its initial state: empty, or as in the snapshot of `custom_vision_snapshot`."""
    from emulator.testing.control_client import EmulatorError

    try:
        if custom_vision_snapshot is None:
            custom_vision_server.control.reset()
        else:
            custom_vision_server.control.snapshots.restore(custom_vision_snapshot)
    except EmulatorError as error:
        _fail(f"the emulator cannot be used: {error}")
    return custom_vision_server


# --- what tests use of it -----------------------------------------------------------------------------------


@pytest.fixture
def custom_vision_trainer(custom_vision: RunningEmulator) -> Iterator[Any]:
    """A client of the official SDK for the Training API."""
    yield from _sdk_client(custom_vision.training_client)


@pytest.fixture
def custom_vision_predictor(custom_vision: RunningEmulator) -> Iterator[Any]:
    """A client of the official SDK for the Prediction API."""
    yield from _sdk_client(custom_vision.prediction_client)


def _sdk_client(make: Callable[[], Any]) -> Iterator[Any]:
    try:
        client = make()
    except ImportError as error:
        _fail(str(error))
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def custom_vision_project(custom_vision: RunningEmulator) -> Callable[..., SampleProject]:
    """Creates projects with images: ``custom_vision_project(tags={"red": 10, "blue": 10}, trained=True)``.

    Its arguments are those of `emulator.testing.projects.create_project`.
    """
    return custom_vision.create_project


@pytest.fixture
def custom_vision_faults(custom_vision: RunningEmulator) -> FaultsControl:
    """Sets what happens to the next calls."""
    return custom_vision.control.faults


@pytest.fixture
def custom_vision_scripts(custom_vision: RunningEmulator) -> ScriptsControl:
    """Sets what is predicted."""
    return custom_vision.control.scripts


@pytest.fixture
def custom_vision_choreography(custom_vision: RunningEmulator) -> ChoreographyControl:
    """Sets when trainings, exports and imports end, and how."""
    return custom_vision.control.choreography


@pytest.fixture
def custom_vision_clock(custom_vision: RunningEmulator) -> ClockControl:
    """Sets the emulator's clock."""
    return custom_vision.control.clock


@pytest.fixture
def custom_vision_requests(custom_vision: RunningEmulator) -> RequestsControl:
    """The requests that the emulator received in this test."""
    return custom_vision.control.requests


def _fail(message: str) -> NoReturn:
    """Fail with a message alone, without the exception that is being handled."""
    raise pytest.fail.Exception(message, pytrace=False) from None


def _ini(name: str) -> str:
    return f"custom_vision_{name.replace('-', '_')}"


def _option(config: pytest.Config, name: str) -> str | None:
    """The value of a flag, or of the ini option of the same name."""
    given = config.getoption(f"--custom-vision-{name}") or config.getini(_ini(name))
    return str(given) if given else None


def _worker_count(config: pytest.Config) -> int:
    """The number of workers of pytest-xdist; 1 without it."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))
