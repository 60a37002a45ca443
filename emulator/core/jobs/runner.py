"""Threads that carry out long work, one job after the other: what trainings and imports have in common."""

import logging
import threading
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from emulator.store.database import StorageFull
from emulator.store.tables import Job

if TYPE_CHECKING:
    from emulator.core.context import Context

# A job that a death of the process interrupted is begun so often in all, and then has failed.
ATTEMPTS = 3
# After trouble that may pass: a disk that was full, say.
PAUSE_SECONDS = 30.0
_log = logging.getLogger(__name__)


class JobThread:
    """A thread for the jobs of one kind. Starts with `start`, ends with `stop`.

    A subclass says which kind, what is needed of a job that is its turn (`_begin`), what becomes of one that
    was interrupted too often (`_give_up`), and carries it out in `_carry_out_or_fail`. Whatever a job brings,
    the thread outlives it; `_postponed` says that jobs wait although `run_next` took none.
    """

    kind: str
    name: str
    seconds_to_stop: float

    def __init__(self, context: "Context") -> None:
        self._context = context
        self._wake = threading.Event()
        self._stopping = False
        self._postponed = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, with the jobs that an earlier process left."""
        self.clean_up()
        with self._context.database.read() as session:
            waiting = session.exec(select(Job.id).where(Job.kind == self.kind).limit(1)).first()
        self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
        self._thread.start()
        if waiting:
            self._wake.set()

    def notify(self) -> None:
        """A job was added."""
        self._wake.set()

    def stop(self) -> None:
        """End without waiting for a job; it stays for the next start."""
        self._stopping = True
        self._wake.set()
        self.interrupt()
        if self._thread:
            self._thread.join(timeout=self.seconds_to_stop)

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def run_waiting(self) -> None:
        """Carry out all jobs that wait, in the calling thread; tests need no other one."""
        while not self._stopping and self.run_next():
            pass

    def clean_up(self) -> None:
        """Remove what an earlier process left half done."""

    def interrupt(self) -> None:
        """Make the running job end soon: the process is about to."""

    def ended(self) -> None:
        """A job ended, however: whoever waits for that can be told."""

    def run_next(self) -> bool:
        """Carry out the oldest job; False when there is none, or when it has to wait."""
        try:
            run = self._claim()
            if run is None:
                return False
            try:
                self._carry_out_or_fail(run)
            finally:
                self.ended()
        except StorageFull:
            _log.error("The disk is full: the %s wait.", self.name)
        except Exception:  # noqa: BLE001  (the thread must outlive whatever one job brings)
            _log.exception("One of the %s could not be begun, or its end not be noted", self.name)
        else:
            return True
        self._postponed = True
        return False

    def _claim(self) -> Any:
        """What is needed to carry out the oldest job, its attempt counted; None when there is none."""
        return self._take()

    def _take(self) -> Any:
        """What `_begin` says of the oldest job that it can say anything of; None when there is none.

        The attempt is counted with it: what goes wrong afterwards goes wrong a few times at most.
        """
        while True:
            with self._context.database.write() as session:
                job = session.exec(
                    select(Job).where(Job.kind == self.kind).order_by(col(Job.created)).limit(1)
                ).first()
                if job is None:
                    return None
                if job.attempts >= ATTEMPTS:
                    self._give_up(
                        session, job, f"interrupted {job.attempts} times by the end of the emulator"
                    )
                    continue
                job.attempts += 1
                session.add(job)
                run = self._begin(session, job)
            if run is not None:
                return run

    def _begin(self, session: Session, job: Job) -> Any:
        """What is needed to carry out the job, whose turn it is; None if it is gone, or has failed here."""
        raise NotImplementedError

    def _give_up(self, session: Session, job: Job, why: str) -> None:
        """The job has failed; `why` goes on after "It was". It must be gone, or of another kind, then."""
        raise NotImplementedError

    def _carry_out_or_fail(self, run: Any) -> None:
        """Carry out what `_claim` gave, and write down how it ended; raises when that is impossible."""
        raise NotImplementedError

    def _loop(self) -> None:
        while True:
            self._wake.wait(PAUSE_SECONDS if self._postponed else None)
            self._wake.clear()
            self._postponed = False
            self.run_waiting()
            if self._stopping:
                return
