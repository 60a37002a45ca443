"""Socket, uvicorn and signals: the parts that every server of this program shares."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from emulator.server.systemd.notifier import Notifier
from emulator.settings import StartRefused
from emulator.settings.https import HttpsOptions

if TYPE_CHECKING:
    import asyncio
    import ssl

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# After the first signal, requests in progress have the grace period, and the process ends at the deadline
# even if something still runs. Nothing that was confirmed to a client is lost: the store survives a SIGKILL
# too.
GRACE_SECONDS = 0.3
STOP_DEADLINE_SECONDS = 0.8
# Clients keep connections for minutes, as the service allows. If the server closes one earlier, their next
# POST fails, and clients do not repeat a POST.
KEEP_ALIVE_SECONDS = 240
# The speed of clients is checked once a second; uvicorn's server has ten ticks in it.
_TICKS_PER_CHECK = 10
# The limit of open files that a server in a process with other work assumes, and leaves as it is.
_ASSUMED_DESCRIPTORS = 512
# SIGBREAK (Ctrl-Break) exists on Windows only.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


def exit_now(status: int) -> NoReturn:
    """End the process without waiting for threads that still work on abandoned requests."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed when the process started
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(status)


def line_buffer_output() -> None:
    """Write each line of output at once, also to a pipe."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


class Listener(NamedTuple):
    """A listening socket. tls: certificate and key, if it is for https."""

    socket: socket.socket
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port


@contextlib.contextmanager
def opened_listeners(options: HttpsOptions, tls: ssl.SSLContext | None) -> Iterator[list[Listener]]:
    """The listener of ``--port``, then that of ``--https-port`` if it is given. Raises `StartRefused`.

    tls: certificate and key, if the server speaks https.
    """
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(listening_socket(options.host, options.port))
        if options.https_port is None:
            yield [Listener(opened, tls)]
        else:
            second = listening_socket(options.host, options.https_port, "--https-port")
            yield [Listener(opened), Listener(stack.enter_context(second), tls)]


@contextlib.contextmanager
def listening_socket(host: str, port: int, flag: str = "--port") -> Iterator[socket.socket]:
    """A listening socket; port 0 takes any free port. Raises `StartRefused`, which names the flag."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartRefused(f"--host: cannot find the address of {host}: {error.strerror}") from None
    # "::" listens on IPv4 too.
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StartRefused(
            f"cannot listen on {host} port {port}: {reason}; give another {flag}"
            " (0 takes any free one) or --host"
        ) from None
    # asyncio disables Nagle's algorithm on connections whose `proto` is TCP, which they inherit from the
    # listener; otherwise clients on keep-alive wait 40 ms for the second packet of every response.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach()) as opened:
        yield opened


def serve_until_stopped(
    application: ASGIApp,
    listeners: Sequence[Listener],
    *,
    when_ready: Callable[[], None],
    cors_origins: Collection[str] = (),
    exit_at_once: Callable[[int], NoReturn] = os._exit,
    stop: threading.Event | None = None,
    owns_process: bool = True,
) -> int:
    """Serve an application until a signal or `stop`; returns the exit status of the process.

    Enables the garbage collector, which may be disabled during the start. Started by systemd, reports to it.

    Args:
        when_ready: called when the server accepts requests.
        cors_origins: origins of pages that may read error responses to requests that are not valid HTTP.
        exit_at_once: ends the process with a status when it does not end by itself in time.
        stop: stops the server when it is set, from any thread.
        owns_process: False in a process that has other work: its limit of open files and its garbage
            collector stay as they are.

    Raises:
        StartRefused: the application raised it at its start.
    """
    import uvicorn
    from uvicorn.protocols.http import httptools_impl

    from emulator.gateway.origins import Origins
    from emulator.server.connections.acceptor import Acceptor, most_connections, raise_descriptor_limit
    from emulator.server.connections.http_protocol import Protocol, Shared
    from emulator.server.connections.speed_check import SpeedCheck

    limit = most_connections(raise_descriptor_limit() if owns_process else _ASSUMED_DESCRIPTORS)
    shared = Shared(Origins(cors_origins))
    speed_check = SpeedCheck()
    notifier = Notifier() if owns_process else Notifier({})

    class Server(uvicorn.Server):
        """uvicorn's server with a hook for readiness, a deadline for its end, and exit status 0."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=[])  # which would accept connections without a limit
            for one in listeners:
                acceptor = Acceptor(
                    one.socket, self._connection, self.server_state.connections, limit, one.tls
                )
                self.servers.append(cast("asyncio.Server", acceptor))
            when_ready()
            notifier.ready()
            if owns_process:
                # The objects of the start stay alive: frozen, they are not traversed by each collection.
                gc.freeze()
                gc.enable()

        def _connection(self) -> Protocol:
            return Protocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                shared=shared,
            )

        async def on_tick(self, counter: int) -> bool:
            if counter % _TICKS_PER_CHECK == 0:
                speed_check.run(self.server_state.connections, time.monotonic())
            notifier.alive(time.monotonic())
            if stop is not None and stop.is_set():
                self.should_exit = True
            return await super().on_tick(counter)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            notifier.stopping()
            await super().shutdown(sockets)
            # Those that did not end in the grace period: their sockets would stay open in this process.
            for one in [*self.server_state.connections]:
                one.transport.abort()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own method raises the signal again after serving, which would end the process before
            # the data folder is released.
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            previous = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
            try:
                yield
            finally:
                for number, handler in previous.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit and sig == signal.SIGINT:
                exit_at_once(130)
            if not self.should_exit:
                deadline = threading.Timer(STOP_DEADLINE_SECONDS, exit_at_once, (0,))
                deadline.daemon = True
                deadline.start()
            self.should_exit = True

    set_gateway_reason_phrase(httptools_impl.STATUS_LINE)
    # A request that the stop cuts off is no error.
    logging.getLogger("uvicorn.error").addFilter(_is_worth_logging)
    guarded = GuardedLifespan(application)
    config = uvicorn.Config(
        guarded,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.timeout_graceful_shutdown = GRACE_SECONDS  # type: ignore[assignment] # fractions of a second work
    server = Server(config)
    try:
        server.run(sockets=[one.socket for one in listeners])
    except SystemExit:
        # uvicorn raises it when the application did not start.
        if guarded.refused is not None:
            raise guarded.refused from None
        return 1
    return 0


class GuardedLifespan:
    """An application whose `StartRefused` at the start is kept, to be reported in one line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.refused: StartRefused | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        failures: list[Message] = []

        async def send_unless_failed(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, send_unless_failed)
        except StartRefused as refused:
            self.refused = refused
            failures = [{"type": "lifespan.startup.failed", "message": ""}]
        finally:
            for message in failures:
                await send(message)


def set_gateway_reason_phrase(status_lines: dict[int, bytes]) -> None:
    """Give a 401 the reason phrase of the service's gateway.

    Clients match on it: the Python SDK's message is "Operation returned an invalid status code 'Access
    Denied'". ASGI has no field for a reason phrase, so this replaces the entry in uvicorn's table of status
    lines.
    """
    status_lines[401] = b"HTTP/1.1 401 Access Denied\r\n"


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """False for messages about requests that the stop cut off and about a start already reported."""
    import asyncio

    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        return False
    message = str(record.msg)
    return "timeout graceful shutdown exceeded" not in message and "startup failed. Exiting" not in message
