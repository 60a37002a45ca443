"""The search for the best classifier: its state, and candidates with frozen networks.

Axes: N images, T tags.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.backbones.registry import (
    BackboneDamaged,
    names,
    network_bytes,
    open_session,
    parse_network,
    read_manifest,
)
from emulator.vision.classification.candidates import (
    Candidate,
    CandidateComparison,
    frozen_candidate,
)
from emulator.vision.classification.cross_validation import TrainingSet, folds_of
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    check_every_tag_has_images,
    regular_images,
    targets_of,
)
from emulator.vision.classification.features import (
    ComputedOutside,
    Features,
    FeatureWork,
    compute_features,
    compute_features_outside,
    keep_features,
    seconds_for_features,
    training_views,
)
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.usual_side import usual_side
from emulator.vision.networks.ensembles import concatenate_backbones, concatenate_features
from emulator.vision.networks.graph import Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import AdvancedRecipe, ClassifierRecipe
from emulator.vision.training.attempts import AttemptLog, Measure, Outcome
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.pieces import Results, Work, current_pieces
from emulator.vision.training.progress import ProgressReporter

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Array = NDArray[numpy.floating]

_log = logging.getLogger(__name__)

# Fraction of the budget for other frozen networks.
_FROZEN_FRACTION = 0.35
# Fraction of the then remaining budget for the user's own networks.
_REGISTERED_FRACTION = 0.5


@dataclass
class Search:
    """The data and settings of a search, and the best candidate so far.

    Attributes:
        images: those that can be read.
        targets_NT: 1 where the image has the tag, else 0.
        folds_N: the fold of each image, from 0.
        quick: that of quick training.
        start: the network of another training, as a candidate and the start of fine-tuning.
        registered: folder of the user's own networks (`backbones.registry`).
        best_registered: the name of the user's network with the best candidate that uses it alone, and the
            candidate's log loss; None if none was tried.
        quick_loss: log loss of quick training.
        attempts: what was tried so far.
    """

    dataset: ClassificationDataset
    images: list[LabelledImage]
    targets_NT: Array  # noqa: N815 - the suffix names the axes
    folds_N: NDArray[numpy.int8]  # noqa: N815
    recipe: ClassifierRecipe
    advanced: AdvancedRecipe
    start: Network | None
    seed: int
    cache: Path
    reporter: ProgressReporter
    comparison: CandidateComparison
    quick: Candidate
    best: Candidate
    attempts: AttemptLog
    registered: Path | None = None
    best_registered: tuple[str, float] | None = None
    quick_loss: float = math.inf

    @classmethod
    def begin(
        cls,
        dataset: ClassificationDataset,
        images: list[LabelledImage],
        recipe: ClassifierRecipe,
        advanced: AdvancedRecipe,
        *,
        start: Network | None,
        seed: int,
        cache: Path,
        reporter: ProgressReporter,
        registered: Path | None = None,
    ) -> Search:
        """Start with quick training, which is not limited by the budget.

        Raises:
            TrainingFailed: no image of a tag can be read.
            BaseWeightsMissing: the network of quick training is not installed.
        """
        reporter()
        attempts = AttemptLog(Measure.LOG_LOSS, reporter.budget.clock)
        backbone = backbone_network(recipe.backbone, recipe.resolution)
        features = compute_features(
            images,
            backbone=recipe.backbone,
            resolution=recipe.resolution,
            views=training_views(recipe, len(images)),
            cache_folder=cache,
            progress=reporter,
        )
        readable = [image for image in images if image.key in features.plain]
        targets_NT = targets_of(dataset, readable)
        check_every_tag_has_images(dataset, targets_NT)
        folds_N = folds_of(
            readable,
            features,
            targets_NT,
            seed=seed,
            held_out=dataset.held_out,
            cache_folder=cache,
            progress=reporter,
        )
        reporter.step = "Quick training"
        regular_N = regular_images(dataset, targets_NT)
        quick_set = TrainingSet.of(
            features,
            [image.key for image in readable],
            targets_NT,
            multilabel=dataset.multilabel,
            inverse_regularisation=recipe.inverse_regularisation(len(readable)),
            roots=not dataset.multilabel,
        )
        comparison = CandidateComparison(targets_NT, multilabel=dataset.multilabel)
        quick = frozen_candidate("quick", quick_set, folds_N, regular_N, backbone, reporter)
        quick_loss = comparison.loss(quick)
        attempts.add(
            quick.name,
            "The head of quick training; others must be better by more than the standard error.",
            figure=quick_loss,
            image_count=len(readable),
        )
        return cls(
            dataset=dataset,
            images=readable,
            targets_NT=targets_NT,
            folds_N=folds_N,
            recipe=recipe,
            advanced=advanced,
            start=start,
            seed=seed,
            cache=cache,
            reporter=reporter,
            comparison=comparison,
            quick=quick,
            best=quick,
            attempts=attempts,
            registered=registered,
            quick_loss=quick_loss,
        )

    def consider(self, challengers: Iterable[Candidate], plan: str | None = None) -> None:
        """Keep the best of the challengers that replace the best so far.

        Challengers are compared one by one, so that at most two of their networks are in memory.

        Args:
            plan: how they were trained, for people.
        """
        champion = self.best
        for each in challengers:
            loss = self.comparison.loss(each)
            _log.info("%s: log loss %.4f", each.name, loss)
            gain = str(self.comparison.gain(each, champion))
            self.attempts.add(each.name, gain, figure=loss, image_count=len(each.rows), plan=plan)
            if self.comparison.replaces(each, champion) and (
                self.best is champion or loss < self.comparison.loss(self.best)
            ):
                self.best = each

    def try_frozen(self) -> None:
        """Compare other networks and strengths of regularisation, by cross-validation over all images."""
        self.reporter.step = "Comparing networks"
        self.consider(self._pretrained_candidates())
        if self.registered is not None and self.advanced.backbones is not None:
            self.consider(self._registered_candidates(self.registered))

    def _pretrained_candidates(self) -> Iterator[Candidate]:
        budget = self.reporter.budget.part(_FROZEN_FRACTION)
        name = "other networks"
        try:
            networks = [(self.recipe.backbone, self.recipe.resolution)]
            if self.advanced.backbones is not None:
                networks.append((self.advanced.backbones, self.advanced.resolution))
                if usual_side(self.images) >= self.advanced.large_resolution:
                    networks.append((self.recipe.backbone, self.advanced.large_resolution))
            if self.start is not None:
                # The user chose it: it is a candidate even if there is no time.
                unlimited = Budget(math.inf, self.reporter.budget.clock)
                data = onnx_bytes(self.start, {})
                name = "the base model"
                view = f"model {hashlib.sha256(data).hexdigest()}"
                session = inference_session(data, threads=1)
                features = self._features(view, self.start.resolution, unlimited, session)
                yield from self._heads(name, self.start, features, unlimited)
            with closing(self._features_of_all(networks, budget)) as results:
                for name, resolution in networks:
                    found = results.next()
                    if isinstance(found, ComputedOutside):
                        keep_features(self._feature_work(), (name, resolution), found.features)
                        found = found.features
                    yield from self._heads(name, backbone_network(name, resolution), found, budget)
        except OutOfTime:
            part = f"{_FROZEN_FRACTION:.0%} of the budget that quick training left"
            self.out_of_time(name, f"Frozen networks may take {part}, and this was used up.")
        except (BaseWeightsMissing, ImageRejected, OSError) as error:
            self.failed(name, f"No more networks are tried: {error}")
        except LossNotFinite:
            self.failed(name, "The scores of the network are NaN or infinite.")

    def _registered_candidates(self, folder: Path) -> Iterator[Candidate]:
        """The user's own networks, each alone and joined with the network of quick training."""
        budget = self.reporter.budget.part(_REGISTERED_FRACTION)
        try:
            known = names(folder)
        except OSError as error:
            self.failed("your own networks", f"The folder {folder} cannot be read: {error}")
            known = []
        for name in known:
            try:
                yield from self._with_registered(folder, name, budget)
            except BackboneDamaged as problem:
                self.failed(name, f"The network cannot be used: {problem}; remove it and add it again.")
            except MemoryError:
                self.failed(name, "There is not enough memory for the network.")
            except OutOfTime as stop:
                self.out_of_time(name, str(stop))
            except (BaseWeightsMissing, ImageRejected, OSError) as error:
                self.failed(name, f"The network is not tried: {error}")
            except LossNotFinite:
                self.failed(name, "The scores of the network are NaN or infinite.")

    def out_of_time(self, name: str, reason: str = "") -> None:
        """Note that there was no time for a model."""
        reason = reason or "Its part of the budget was used up."
        _log.info("No time for %s: %s", name, reason)
        self.attempts.add(name, reason, outcome=Outcome.OUT_OF_TIME)

    def failed(self, name: str, reason: str) -> None:
        """Note that a model could not be made."""
        _log.warning("%s: %s", name, reason)
        self.attempts.add(name, reason, outcome=Outcome.FAILED)

    def _with_registered(self, folder: Path, name: str, budget: Budget) -> Iterator[Candidate]:
        budget.check()
        backbone = read_manifest(folder, name)
        data = network_bytes(folder, backbone)
        network, session = parse_network(data), open_session(data)
        del data
        view, side = f"registered {backbone.sha256}", backbone.resolution
        features = self._features(view, side, budget, session)
        del session
        for candidate in self._heads(name, network, features, budget):
            loss = self.comparison.loss(candidate)
            if self.best_registered is None or loss < self.best_registered[1]:
                self.best_registered = name, loss
            yield candidate
        pretrained = self._features(self.recipe.backbone, side, budget)
        both = concatenate_backbones([backbone_network(self.recipe.backbone, side), network], side)
        both_features = Features(
            concatenate_features(pretrained.plain, features.plain),
            concatenate_features(pretrained.augmented, features.augmented),
        )
        yield from self._heads(f"{self.recipe.backbone}+{name}", both, both_features, budget)

    def registered_to_tune(self) -> Network | None:
        """The user's network that is worth fine-tuning: frozen, its log loss is below that of quick training.

        Returns:
            None if there is none, or its file cannot be read any more.
        """
        if self.best_registered is None or self.registered is None:
            return None
        name, loss = self.best_registered
        if loss >= self.quick_loss:
            return None
        try:
            return parse_network(network_bytes(self.registered, read_manifest(self.registered, name)))
        except (BackboneDamaged, OSError) as problem:
            _log.warning("The network %s cannot be fine-tuned: %s", name, problem)
            return None

    def frozen_at(self, resolution: int) -> Candidate:
        """The network of quick training at another input size, with a head of its own.

        Raises:
            OutOfTime: the budget is used up.
        """
        name, budget = self.recipe.backbone, self.reporter.budget
        features = self._features(name, resolution, budget)
        return next(self._heads(name, backbone_network(name, resolution), features, budget))

    def _feature_work(self) -> FeatureWork:
        return FeatureWork(self.images, training_views(self.recipe, len(self.images)), self.cache)

    def _features_of_all(
        self, networks: Sequence[tuple[str, int]], budget: Budget
    ) -> Results[Features | ComputedOutside]:
        """The features of all images of each bundled network, which may be computed by other machines."""
        work = Work[tuple[str, int], Features | ComputedOutside](
            here=lambda network: self._features(*network, budget),
            outside=compute_features_outside,
            shared=self._feature_work,
            seconds=lambda network: budget.left,
            waiting=lambda: self.reporter.until(budget)(0.0),
        )
        return current_pieces().start(work, networks)

    def _features(
        self, backbone: str, resolution: int, budget: Budget, session: InferenceSession | None = None
    ) -> Features:
        """The features of all images.

        Args:
            session: a network that is not bundled; `backbone` is then its unique name in the cache.

        Raises:
            OutOfTime: it would exceed the budget, or did.
        """
        budget.check()
        views = training_views(self.recipe, len(self.images))
        if session is not None and math.isfinite(budget.seconds):
            seconds = seconds_for_features(
                self.images,
                backbone=backbone,
                views=views,
                cache_folder=self.cache,
                session=session,
                clock=budget.clock,
            )
            if seconds > budget.left:
                raise OutOfTime(f"It would take {seconds:.0f} s; {budget.left:.0f} s were left for it.")
        return compute_features(
            self.images,
            backbone=backbone,
            resolution=resolution,
            views=views,
            cache_folder=self.cache,
            progress=self.reporter.until(budget),
            session=session,
        )

    def _heads(self, name: str, network: Network, features: Features, budget: Budget) -> Iterator[Candidate]:
        """Heads on the features of a network, with each strength of regularisation."""
        strength = self.recipe.inverse_regularisation(len(self.images))
        training_set = TrainingSet.of(
            features,
            [image.key for image in self.images],
            self.targets_NT,
            multilabel=self.dataset.multilabel,
            inverse_regularisation=strength,
            # Only the features of the bundled networks are known not to be negative.
            roots=not (network.has_nodes or self.dataset.multilabel),
        )
        for factor in self.advanced.regularisations:
            yield frozen_candidate(
                f"{name}, C x {factor}",
                replace(training_set, inverse_regularisation=factor * strength),
                self.folds_N,
                regular_images(self.dataset, self.targets_NT),
                network,
                self.reporter.until(budget),
            )
