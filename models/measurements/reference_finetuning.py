"""A baseline: fine-tuning with the defaults of torchvision's reference training of classifiers.

Starts from EfficientNet-Lite0: stochastic gradient descent with momentum 0.9, weight decay 1e-4 and a
learning rate of 0.01 for a batch of 256 (here 32, so 0.00125), divided by ten after each third of the time;
random crops of 8% to 100% of an image, resized to 224 x 224, and flips; cross-entropy. Tested on the central
224 of 256 pixels. At most 90 epochs, or as many as the time allows. Differences: batch norms are folded into
the convolutions, as everywhere in the emulator; sets with several tags per image have a sigmoid for each tag;
and the learning rate is a tenth of torchvision's, with which the pretrained network without batch norms
collapses (12% right on `clothing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy
import torch
from PIL import Image

from emulator.vision.classification.head import probabilities
from emulator.vision.concurrency import processor_count
from emulator.vision.imaging.decode import ImageRejected, open_rgb
from emulator.vision.library.datasets import Dataset, Sample, image_bytes
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.networks.weights import backbone_network
from emulator.vision.training.number_formats import NumberFormat, fastest_format

BACKBONE, SIDE, RESIZED = "efficientnet-lite0", 224, 256
BATCH, RATE_OF_256, MOMENTUM, WEIGHT_DECAY = 32, 0.01, 0.9, 1e-4
MOST_EPOCHS = 90
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Tuned:
    """Scores of the test images, (N, T), and the number of epochs."""

    scores_NT: numpy.ndarray  # noqa: N815 - the suffix names the axes
    epochs: float


def fine_tuned(
    learned: Dataset, tested: Dataset, *, budget_seconds: float, seed: int, clock: Callable[[], float]
) -> Tuned:
    """Train on one set and predict another."""
    started = clock()
    pictures = [(sample, picture) for sample in learned.samples if (picture := decoded(sample)) is not None]
    targets = torch.tensor([[float(tag in each.tags) for tag in learned.tags] for each, _ in pictures])
    random = numpy.random.default_rng(seed)
    torch.manual_seed(seed)
    network = Network(len(learned.tags))
    batch = min(BATCH, len(pictures))
    rate = RATE_OF_256 * batch / 256
    optimiser = torch.optim.SGD(network.parameters, lr=rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    steps = MOST_EPOCHS * max(1, len(pictures) // batch)
    order: list[int] = []
    done = 0
    with ThreadPoolExecutor(processor_count()) as pool:
        while done < steps:
            used = max(done / steps, (clock() - started) / max(budget_seconds, 1e-9))
            if used >= 1:
                break
            if len(order) < batch:
                order = random.permutation(len(pictures)).tolist()
            chosen, order = order[:batch], order[batch:]
            crops = [random_crop(pictures[each][1].size, random) for each in chosen]
            views = list(
                pool.map(view, [pictures[each][1] for each in chosen], crops, random.random(batch) < 0.5)
            )
            logits = network.logits(numpy.stack(views))
            loss = loss_of(logits, targets[chosen], learned.multilabel)
            for group in optimiser.param_groups:
                group["lr"] = rate * 0.1 ** math.floor(3 * used)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
    return Tuned(predicted(network, tested.samples, learned.multilabel), done * batch / len(pictures))


class Network:
    """The pretrained network with a new linear layer."""

    def __init__(self, tag_count: int) -> None:
        backbone = backbone_network(BACKBONE, SIDE)
        self._operations, self._features = backbone.operations, backbone.operations[-1].output
        self._weights = {
            name: torch.from_numpy(numpy.array(weight, numpy.float32)).requires_grad_()
            for name, weight in backbone.weights.items()
        }
        (width,) = backbone.outputs[self._features]
        self._head = torch.nn.Linear(width, tag_count)
        self.parameters = [*self._weights.values(), *self._head.parameters()]
        self._bfloat16 = False
        pictures = numpy.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), numpy.uint8)

        def run(number_format: NumberFormat) -> None:
            self._bfloat16 = number_format.bfloat16
            torch.autograd.grad(self.logits(pictures).sum(), list(self._weights.values()))

        layers = f"{BACKBONE}, all layers, {SIDE} pixels"
        self._bfloat16 = fastest_format(layers, run, channels_first=False).bfloat16

    def logits(self, pictures: numpy.ndarray) -> torch.Tensor:
        """Scores (N, T) before softmax, of images (N, side, side, 3), uint8."""
        tensors = {"image": torch.from_numpy(pictures)}
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            run_operations(self._operations, self._weights, tensors)
        return self._head(tensors[self._features].float())


def loss_of(logits: torch.Tensor, targets: torch.Tensor, multilabel: bool) -> torch.Tensor:
    if multilabel:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    return torch.nn.functional.cross_entropy(logits, targets)


def predicted(network: Network, samples: Sequence[Sample], multilabel: bool) -> numpy.ndarray:
    """Probabilities (N, T); equal for all tags if the scores are not finite."""
    views = []
    for sample in samples:
        picture = decoded(sample)
        assert picture is not None
        left, top = ((side - SIDE) // 2 for side in picture.size)
        views.append(numpy.asarray(picture.crop((left, top, left + SIDE, top + SIDE))))
    with torch.no_grad():
        logits = torch.cat(
            [
                network.logits(numpy.stack(views[first : first + BATCH]))
                for first in range(0, len(views), BATCH)
            ]
        )
    return probabilities(numpy.nan_to_num(logits.double().numpy()), multilabel=multilabel)


def decoded(sample: Sample) -> Image.Image | None:
    """The image, its shorter side 256 pixels; None if it cannot be read."""
    with suppress(ImageRejected):
        picture = open_rgb(image_bytes(sample.image), target=RESIZED)
        scale = RESIZED / min(picture.size)
        size = tuple(max(RESIZED, round(side * scale)) for side in picture.size)
        return picture.resize(size, Image.Resampling.BILINEAR)
    return None


def random_crop(size: tuple[int, int], random: numpy.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a crop of random area and aspect ratio; the largest one as fallback."""
    width, height = size
    for _ in range(10):
        area = width * height * random.uniform(*AREA)
        aspect = math.exp(random.uniform(*(math.log(limit) for limit in ASPECT)))
        wide, high = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if wide <= width and high <= height:
            left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
            return left, top, left + wide, top + high
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def view(
    picture: Image.Image, crop: tuple[float, float, float, float], mirrored: numpy.bool_
) -> numpy.ndarray:
    part = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=crop)
    pixels = numpy.asarray(part)
    return pixels[:, ::-1] if mirrored else pixels
