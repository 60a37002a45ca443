"""The pieces of a job, in the child process of its worker: some here, others on workers that are idle."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeVar

from emulator.cluster.connection import reason_of, use_our_log
from emulator.cluster.exchange import RENEW_SECONDS, Exchange, pieces_token
from emulator.cluster.messages import GPU, ClusterFailed, Order, job_resource
from emulator.cluster.setting import Setting, carry_out
from emulator.store.database import BlobsUnreachable
from emulator.vision.training.pieces import Work
from emulator.worker.executor import WorkerDied, rebuilt
from emulator.worker.messages import Raised, Returned

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_SECONDS = 1.0
_CONNECT_SECONDS = 5
# Between two attempts to connect.
_RETRY_SECONDS = 30.0
_RESULT_SECONDS = 60.0
# A worker that has not begun a piece after this time got another job in the meantime: the first piece also
# imports packages, which takes long on a busy machine.
_BEGIN_SECONDS = 60.0
# A worker whose latest sign of life is older than that of another one by this much stands still, as a machine
# does that is paused. Workers give one every second or two.
_SILENT_SECONDS = 60.0
# A piece that was lost as often, or raised an exception, is carried out by the worker of the job.
_LOSSES = 2
_log = logging.getLogger(__name__)


class Helpers:
    """The other workers that may carry out pieces of a job: those with the resources of its own worker.

    Its methods raise no exceptions of Dask: without a scheduler there are no helpers.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._client: Any = None
        self._tried = -_RETRY_SECONDS

    def look(self) -> tuple[set[str], list[str]]:
        """The addresses of all workers that do not stand still, and of the helpers among them that are idle.

        No helper is, while a job waits.
        """
        try:
            client = self._connected()
            if client is None:
                return set(), []
            workers = _answering(client.scheduler_info(n_workers=-1)["workers"])
            busy = client.processing()
        except Exception as error:  # noqa: BLE001  (the scheduler is lost, and the job will be)
            _log.debug("The scheduler did not answer: %s", error)
            return set(), []
        kinds = {address: {job_resource(), GPU} & {*found["resources"]} for address, found in workers.items()}
        own = kinds.pop(self._setting.worker, set())
        same = [address for address, kind in kinds.items() if own and kind == own]
        if any(len(busy.get(address, ())) > 1 for address in (self._setting.worker, *same)):
            return {*workers}, []
        return {*workers}, [address for address in same if not busy.get(address)]

    def submit(self, order: Order, address: str) -> Any:
        """The future of Dask for a piece on a worker. Raises the exceptions of Dask."""
        return self._client.submit(
            self._setting.run,
            tuple(order),
            key=f"custom-vision-emulator-{order.token}",
            workers=[address],
            resources={job_resource(): 1},
            priority=-1,
            pure=False,
        )

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close(timeout=1)

    def _connected(self) -> Any:
        from distributed import Client

        with self._lock:
            if self._client is not None or time.monotonic() - self._tried < _RETRY_SECONDS:
                return self._client
            self._tried = time.monotonic()
            use_our_log()
            try:
                self._client = Client(
                    self._setting.scheduler,
                    timeout=_CONNECT_SECONDS,
                    set_as_default=False,
                    name="custom-vision-emulator job",
                )
            except Exception as error:  # noqa: BLE001  (OSError, TimeoutError, errors of TLS)
                _log.warning("This job has no helpers: %s", reason_of(error))
            return self._client


def _answering(workers: dict[str, Any]) -> dict[str, Any]:
    """Those that do not stand still. The times are all by the clock of the scheduler."""
    latest = max((found["last_seen"] for found in workers.values()), default=0.0)
    return {
        address: found for address, found in workers.items() if latest - found["last_seen"] < _SILENT_SECONDS
    }


class Outcome(NamedTuple):
    """How a piece ended: its result, or the exception that it raised."""

    result: Any
    error: Exception | None = None


class _State(Enum):
    """WAITING: nobody carries it out. HERE: this process does, or has taken it. AWAY: a helper does."""

    WAITING = auto()
    HERE = auto()
    AWAY = auto()
    DONE = auto()


@dataclass(eq=False)
class _Piece(Generic[Item]):
    """losses: how often a helper did not carry it out. The last three: while it is away."""

    number: int
    item: Item
    state: _State = _State.WAITING
    outcome: Outcome | None = None
    losses: int = 0
    token: str = ""
    address: str = ""
    since: float = 0.0
    task: Any = None


class Spread(Generic[Item, Result]):
    """Results of pieces that this process and helpers begin in their order. A thread tends the helpers."""

    def __init__(
        self,
        setting: Setting,
        helpers: Helpers,
        work: Work[Item, Result],
        items: Sequence[Item],
        certain: int,
    ) -> None:
        self._setting, self._helpers, self._work = setting, helpers, work
        self._exchange = Exchange(setting.store)
        self._name = uuid.uuid4().hex
        self._tokens = f"{pieces_token(setting.order.token)}/{self._name}"
        self._shared_file = setting.folder / "pieces" / self._name
        self._blobs: list[str] | None = None
        self._refused: set[str] = set()
        self._changed = threading.Condition()
        # `_changed` guards the following.
        self._pieces = [_Piece(number, item) for number, item in enumerate(items)]
        self._number = 0
        self._certain = certain
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="pieces", daemon=True)
        self._thread.start()

    def next(self) -> Result:
        piece = self._pieces[self._number]
        self._number += 1
        while piece.outcome is None:
            mine = self._taken() or self._taken_back()
            if mine is not None:
                self._carry_out(mine)
            else:
                self._work.waiting()
                with self._changed:
                    self._changed.wait_for(lambda: piece.outcome is not None, _LOOK_SECONDS)
        outcome = piece.outcome
        if outcome.error is not None:
            raise outcome.error
        result: Result = outcome.result
        piece.outcome = outcome._replace(result=None)  # it may be large
        return result

    def is_ahead(self) -> bool:
        with self._changed:
            return self._pieces[self._number].state in (_State.AWAY, _State.DONE)

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        for piece in self._pieces:
            if piece.state is _State.AWAY:
                self._take_away(piece)
        with suppress(BlobsUnreachable):
            self._exchange.delete(self._tokens)
        self._shared_file.unlink(missing_ok=True)

    def _waiting(self, end: int) -> Iterator[_Piece[Item]]:
        """Those of the first pieces that nobody carries out; none after one that failed. Needs the lock."""
        for piece in self._pieces[:end]:
            if piece.outcome is not None and piece.outcome.error is not None:
                return
            if piece.state is _State.WAITING:
                yield piece

    def _taken(self) -> _Piece[Item] | None:
        """The next piece for this process."""
        with self._changed:
            found = next(self._waiting(max(self._certain, self._number)), None)
            if found is not None:
                found.state = _State.HERE
            return found

    def _taken_back(self) -> _Piece[Item] | None:
        """A piece that a helper has not begun, because it got a job in the meantime."""
        with self._changed:
            given = [
                piece
                for piece in self._pieces[: max(self._certain, self._number)]
                if piece.state is _State.AWAY and piece.task is not None
            ]
        for piece in given:
            with suppress(BlobsUnreachable):
                if not self._exchange.has_begun(piece.token) and self._lose(piece, _State.HERE):
                    return piece
        return None

    def _carry_out(self, piece: _Piece[Item]) -> None:
        try:
            outcome = Outcome(self._work.here(piece.item))
        except Exception as error:  # noqa: BLE001  (`next` raises it in the order of the pieces)
            outcome = Outcome(None, error)
        self._finish(piece, outcome)

    def _finish(self, piece: _Piece[Item], outcome: Outcome) -> None:
        with self._changed:
            piece.outcome, piece.state = outcome, _State.DONE
            self._changed.notify_all()

    def _tend(self) -> None:
        renewed = time.monotonic()
        while not self._ending.is_set():
            workers, idle = self._helpers.look()
            for piece in list(self._pieces):
                if piece.state is _State.AWAY:
                    self._look_at(piece, workers)
            if time.monotonic() - renewed > RENEW_SECONDS:
                self._renew()
                renewed = time.monotonic()
            for address in idle:
                if address not in self._refused:
                    self._give(address)
            self._ending.wait(_LOOK_SECONDS)

    def _give(self, address: str) -> None:
        """Submit the next piece to a helper."""
        with self._changed:
            found = (each for each in self._waiting(len(self._pieces)) if each.losses < _LOSSES)
            piece = next(found, None)
            if piece is None:
                return
            piece.state, piece.task = _State.AWAY, None
            piece.token = f"{self._tokens}/{piece.number}-{piece.losses}"
        try:
            order = self._order(piece)
            self._exchange.want(piece.token)
            piece.address, piece.since = address, time.monotonic()
            piece.task = self._helpers.submit(order, address)
        except Exception as error:  # noqa: BLE001  (any error: the piece is executed in this process instead)
            _log.warning("A piece could not be given to %s: %s", address, error)
            self._lose(piece, _State.WAITING)

    def _order(self, piece: _Piece[Item]) -> Order:
        setting, shared = self._setting, f"{self._tokens}/shared"
        if self._blobs is None:
            packed = setting.packed(self._work.shared())
            self._shared_file.parent.mkdir(exist_ok=True)
            self._shared_file.write_bytes(packed.content)
            path = self._shared_file.relative_to(setting.folder).as_posix()
            self._exchange.send(shared, "in", setting.folder, [path])
            self._blobs = packed.blobs
        seconds = self._work.seconds(piece.item)
        result = setting.folder / "pieces" / f"{self._name}-{piece.number}-{piece.losses}"
        arguments = (self._work.outside, self._shared_file, piece.item, seconds, result)
        return setting.order._replace(
            token=piece.token,
            call=setting.packed((carry_out, arguments, {})).content,
            blobs=self._blobs,
            inputs=(setting.order.token, shared),
        )

    def _look_at(self, piece: _Piece[Item], workers: set[str]) -> None:
        """Take the result of a piece that is away, or give it back to those that wait."""
        task = piece.task
        if task is None:
            return
        if task.status == "finished":
            self._collect(piece)
        elif task.status != "pending" or (workers and piece.address not in workers):
            _log.warning("The worker %s is away; its piece is carried out by another one", piece.address)
            self._lose(piece, _State.WAITING)
        elif time.monotonic() - piece.since > _BEGIN_SECONDS:
            with suppress(BlobsUnreachable):
                if not self._exchange.has_begun(piece.token):
                    self._lose(piece, _State.WAITING)

    def _collect(self, piece: _Piece[Item]) -> None:
        try:
            returned = piece.task.result(timeout=_RESULT_SECONDS)
            if isinstance(returned, Raised):
                error = rebuilt(returned)
                if isinstance(error, ClusterFailed):  # such as a worker that does not see the images
                    self._refused.add(piece.address)
                elif not isinstance(error, (CancelledError, WorkerDied)):
                    piece.losses = _LOSSES
                raise error
            assert isinstance(returned, Returned)
            self._exchange.receive(piece.token, "out", self._setting.file)
            file = self._setting.unpacked(returned.result)
            outcome = Outcome(self._setting.unpacked(file.read_bytes()))
            file.unlink()
        except Exception as error:  # noqa: BLE001  (its error, if it is one of the piece, is repeated here)
            _log.warning("A piece on %s failed: %s: %s", piece.address, type(error).__name__, error)
            self._lose(piece, _State.WAITING)
        else:
            self._take_away(piece)
            self._finish(piece, outcome)

    def _lose(self, piece: _Piece[Item], state: _State) -> bool:
        """Take a piece from its helper; False when it is not away any more."""
        with self._changed:
            if piece.state is not _State.AWAY:
                return False
            piece.state = state
            piece.losses += 1
        self._take_away(piece)
        return True

    def _take_away(self, piece: _Piece[Item]) -> None:
        """A helper that carries out the piece stops."""
        with suppress(BlobsUnreachable):
            self._exchange.delete(piece.token)
        if piece.task is not None:
            with suppress(Exception):  # the scheduler may be away
                piece.task.cancel()

    def _renew(self) -> None:
        for piece in list(self._pieces):
            if piece.state is _State.AWAY:
                with suppress(BlobsUnreachable):
                    self._exchange.want(piece.token)
