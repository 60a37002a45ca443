"""The context of the rules: store, clock, ids, workers, caches, the board of jobs, values of settings.

Its parts do not depend on the rules. `emulator.app` creates the only one.
"""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from emulator.core.caches.evaluations import EvaluationCache
from emulator.core.caches.image_index import ImageIndex
from emulator.core.caches.image_jobs import ImageJobs
from emulator.core.caches.instant_features import InstantFeatures
from emulator.core.caches.models import ModelCache
from emulator.core.caches.proposal_model import ProposalModel
from emulator.core.caches.published import PublishedIterations
from emulator.core.caches.resources import ResourceIndex
from emulator.core.caches.score_index import ScoreIndex
from emulator.core.choreography.choreography import Choreography
from emulator.core.clock import Clock
from emulator.core.disk_space import DiskGuard
from emulator.core.fetching.policy import FetchPolicy
from emulator.core.grouped_writes import GroupedWrites
from emulator.core.ids import Ids
from emulator.core.jobs.board import JobBoard
from emulator.core.jobs.ends import JobEnds
from emulator.core.jobs.history import JobHistory
from emulator.core.jobs.leases import ONE_SERVER, JobLeases
from emulator.core.jobs.traces import JobTraces, NoTraces
from emulator.core.jobs.worker_protocol import Cluster, Worker
from emulator.core.new_prediction import NewPrediction
from emulator.core.prediction_counts import PredictionCounts
from emulator.core.rollout_counts import RolloutCounts
from emulator.core.rules.kept_predictions import KeptPredictions
from emulator.core.rules.tiers import TIERS, Tier
from emulator.core.spare_work import SpareWork
from emulator.core.test_kit.prediction_scripts import PredictionScripts
from emulator.core.test_kit.roles import RoleAssignments
from emulator.core.test_kit.trainers import Trainers
from emulator.store.blobs import BlobStore
from emulator.store.database import Database
from emulator.store.thumbnails import ThumbnailFiles

_LARGEST_FIRST_CHANGE = 2**40


@dataclass
class Context:
    """The store, workers, caches and settings that rules use.

    worker: executes regular trainings. advanced_worker: executes trainings with a budget. export_worker:
    writes exports, compares and arranges images. proposal_worker: writes the model of region proposals.
    cluster: executes trainings and exports in place of these; None without one.
    seed: of every training. quick_training_seconds: the longest regular training of a classifier.
    training_hour_seconds: the duration of an hour of a training's budget.
    image_uri_lifetime: how long a signed image URI is valid. trainers: which trainer makes the models of a
    project. jobs: the board, on which `emulator.app` registers the runners. job_history: how the last jobs
    ended. job_traces: what follows the execution of jobs. prediction_scripts: predictions that tests have
    set. prediction_counts: None unless metrics are on. rollout_counts: figures of roll-outs that are not
    stored yet. spare_work: what no request waits for. kept_predictions: how many are stored.
    new_predictions: those that wait to be stored. removals: those of images of rejected predictions that
    have not ended or have failed. least_free_bytes: of the disk, below which uploads are refused.
    on_reset: functions that a reset and the restore of a snapshot call, for state that is neither in the
    store nor in the caches. snapshot_lock: for those who read or write files of snapshots.
    """

    database: Database
    blobs: BlobStore
    folder: Path
    worker: Worker
    advanced_worker: Worker
    export_worker: Worker
    proposal_worker: Worker
    fetch_policy: FetchPolicy
    cluster: Cluster | None = None
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    seed: int = 0
    number_format: Literal["measured", "float32", "bfloat16"] = "measured"
    quick_training_seconds: int = 90
    training_hour_seconds: int = 3600
    image_uri_lifetime: timedelta = timedelta(hours=24)
    link_secret: bytes = b""
    tier: Tier = TIERS["unlimited"]
    trainers: Trainers = field(default_factory=Trainers)
    jobs: JobBoard = field(default_factory=JobBoard)
    instant_trainings: JobEnds = field(default_factory=JobEnds)
    role_assignments: RoleAssignments = field(default_factory=RoleAssignments)
    on_reset: list[Callable[[], None]] = field(default_factory=list)
    snapshot_lock: threading.Lock = field(default_factory=threading.Lock)
    prediction_scripts: PredictionScripts = field(default_factory=PredictionScripts)
    image_index: ImageIndex = field(default_factory=ImageIndex)
    score_index: ScoreIndex = field(init=False)
    published: PublishedIterations = field(init=False)
    resources: ResourceIndex = field(init=False)
    models: ModelCache = field(init=False)
    evaluations: EvaluationCache = field(init=False)
    proposal_model: ProposalModel = field(init=False)
    thumbnails: ThumbnailFiles = field(init=False)
    near_duplicates: ImageJobs = field(init=False)
    image_maps: ImageJobs = field(init=False)
    image_orders: ImageJobs = field(init=False)
    instant_features: InstantFeatures = field(default_factory=InstantFeatures)
    prediction_counts: PredictionCounts | None = None
    rollout_counts: RolloutCounts = field(default_factory=RolloutCounts)
    spare_work: SpareWork = field(default_factory=SpareWork)
    kept_predictions: KeptPredictions = field(default_factory=KeptPredictions)
    new_predictions: GroupedWrites[tuple[NewPrediction, bytes]] = field(default_factory=GroupedWrites)
    removals: set[Future[None]] = field(default_factory=set)
    least_free_bytes: int = 0
    disk: DiskGuard = field(init=False)
    job_traces: JobTraces = field(default_factory=NoTraces)
    choreography: Choreography = field(init=False)
    job_history: JobHistory = field(init=False)
    leases: JobLeases = field(init=False)

    def __post_init__(self) -> None:
        self.on_reset.append(self.role_assignments.restore)
        self.on_reset.append(self.trainers.reset)
        self.on_reset += (self.spare_work.clear, self.rollout_counts.clear)
        self.disk = DiskGuard(self.folder, self.least_free_bytes)
        self.score_index = ScoreIndex(self.database)
        self.published = PublishedIterations(self.database)
        self.resources = ResourceIndex(self.database)
        self.models = ModelCache(self.blobs)
        self.evaluations = EvaluationCache(self.blobs)
        self.proposal_model = ProposalModel(self.folder)
        self.thumbnails = ThumbnailFiles(self.folder)
        self.near_duplicates = ImageJobs(self.blobs, self.feature_cache)
        self.image_maps = ImageJobs(self.blobs, self.feature_cache)
        self.image_orders = ImageJobs(self.blobs, self.feature_cache)
        self.choreography = Choreography(self.database, self.jobs, self.clock)
        self.on_reset.append(self.choreography.reset)
        shared = self.database.shared
        self.job_history = JobHistory(self.jobs.changes, lambda: self.clock.reading, shared)
        self.leases = ONE_SERVER
        if shared is not None:
            self._follow_other_servers()
        self.on_reset.append(self.job_history.clear)

    def _follow_other_servers(self) -> None:
        """Let what is in memory follow the commits, jobs and messages of other servers."""
        from emulator.core.jobs.shared_leases import SharedJobLeases  # here, for a fast start
        from emulator.store.shared_postgresql import SharedPostgresqlDatabase

        assert isinstance(self.database, SharedPostgresqlDatabase)
        self.jobs.shared = self.database.shared
        self.jobs.changes.begin_at(random.randrange(1, _LARGEST_FIRST_CHANGE))
        self.leases = SharedJobLeases(
            self.database, self.jobs, lambda: self.clock.reading, self.instant_trainings.note
        )
        self.database.on_foreign.append(self.kept_predictions.forget)

    def forget_rows(self) -> None:
        """Clear the caches of rows, after all rows were deleted or replaced.

        Sessions of models stay: they belong to blobs, and are forgotten with them.
        """
        for jobs in (self.near_duplicates, self.image_maps, self.image_orders):
            jobs.clear()
        self.image_index.clear()
        self.score_index.clear()
        self.evaluations.clear()
        self.kept_predictions.forget()
        self.resources.forget()

    @property
    def feature_cache(self) -> Path:
        """The folder in which workers cache features and thumbnails of images."""
        return self.folder / "features"

    @property
    def number_formats(self) -> Path:
        """The folder of the number formats that trainings measured on this machine."""
        return self.folder / "number-formats"

    @property
    def backbones(self) -> Path:
        """The folder of backbones that the user has added; it does not exist when there are none."""
        from emulator.vision.backbones.registry import FOLDER_NAME

        return self.folder / FOLDER_NAME
