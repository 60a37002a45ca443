"""What the rules work with: store, blobs, clock, ids, the worker; and the few numbers that options set."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator.core.fetching.client import FetchPolicy
from emulator.core.quotas import TIERS, Tier
from emulator.store.blobs import BlobStore
from emulator.store.database import Database
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.core.caches.image_index import ImageIndex
    from emulator.core.caches.models import ModelCache
    from emulator.core.caches.score_index import ScoreIndex
    from emulator.core.exports.runner import ExportRunner
    from emulator.core.insight.near_duplicates import NearDuplicateSearches
    from emulator.core.iterations.evaluation import EvaluationCache
    from emulator.core.notifications.outbox import NotificationSender
    from emulator.core.suggestions.region_proposals import ProposalModel
    from emulator.core.training.runner import AdvancedTrainingRunner, TrainingRunner
    from emulator.core.transfer.import_runner import ImportRunner


class Clock:
    """UTC time that never repeats and never goes back: what is created later has the later time."""

    def __init__(self, source: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._source = source
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self._last = max(self._source(), self._last + timedelta(microseconds=1))
            return self._last


class Ids:
    """Fresh GUIDs, random by default."""

    def __init__(self, source: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._source = source

    def new(self) -> str:
        return str(self._source())


class Worker(Protocol):
    """A child process that does long work, seen from here (`emulator.worker.executor.WorkerExecutor`)."""

    def warm_up(self) -> None: ...

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]": ...


@dataclass
class Context:
    """Everything a rule may need. Made once, in `emulator.app`.

    worker: trains quickly. advanced_worker: trains with a budget. export_worker: writes exports, and compares
    images. seed: of every training. training_hour_seconds: what an hour of a training's budget stands for.
    image_uri_lifetime: how long a signed image URI is valid. published: see `predictions.published`.
    """

    database: Database
    blobs: BlobStore
    folder: Path
    worker: Worker
    advanced_worker: Worker
    export_worker: Worker
    fetch_policy: FetchPolicy
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    seed: int = 0
    training_hour_seconds: int = 3600
    image_uri_lifetime: timedelta = timedelta(hours=24)
    link_secret: bytes = b""
    tier: Tier = TIERS["unlimited"]
    published: dict[tuple[str, str, str], tuple[int, Iteration]] = field(default_factory=dict)
    image_index: "ImageIndex" = field(init=False)
    score_index: "ScoreIndex" = field(init=False)
    models: "ModelCache" = field(init=False)
    evaluations: "EvaluationCache" = field(init=False)
    proposal_model: "ProposalModel" = field(init=False)
    near_duplicates: "NearDuplicateSearches" = field(init=False)
    training_runs: "TrainingRunner" = field(init=False)
    advanced_training_runs: "AdvancedTrainingRunner" = field(init=False)
    export_runs: "ExportRunner" = field(init=False)
    notifications: "NotificationSender" = field(init=False)
    project_imports: "ImportRunner" = field(init=False)

    @property
    def feature_cache(self) -> Path:
        """The folder in which trainings keep the features of images they have seen."""
        return self.folder / "features"

    @property
    def backbones(self) -> Path:
        """The folder of networks that the user has brought; there when there are any."""
        from emulator.vision.backbones.registry import FOLDER_NAME

        return self.folder / FOLDER_NAME

    def __post_init__(self) -> None:
        from emulator.core.caches.image_index import ImageIndex
        from emulator.core.caches.models import ModelCache
        from emulator.core.caches.score_index import ScoreIndex
        from emulator.core.exports.runner import ExportRunner
        from emulator.core.insight.near_duplicates import NearDuplicateSearches
        from emulator.core.iterations.evaluation import EvaluationCache
        from emulator.core.notifications.outbox import NotificationSender
        from emulator.core.suggestions.region_proposals import ProposalModel
        from emulator.core.training.runner import AdvancedTrainingRunner, TrainingRunner
        from emulator.core.transfer.import_runner import ImportRunner

        self.image_index = ImageIndex()
        self.score_index = ScoreIndex(self.database)
        self.models = ModelCache(self.blobs)
        self.evaluations = EvaluationCache(self.blobs)
        self.proposal_model = ProposalModel(self)
        self.near_duplicates = NearDuplicateSearches(self)
        self.training_runs = TrainingRunner(self)
        self.advanced_training_runs = AdvancedTrainingRunner(self)
        self.export_runs = ExportRunner(self)
        self.notifications = NotificationSender(self)
        self.project_imports = ImportRunner(self)
