"""The loss of detectors: small for correct outputs, larger for worse ones, and always finite."""

import pytest
import torch

from emulator.vision.boxes.geometry import anchor_points
from emulator.vision.detection.loss import DetectionLoss, Truth

SIDE, POINTS = 64, 84


def truth(*rows: tuple[int, float, float, float, float]) -> Truth:
    """From tag, left, top, right, bottom."""
    return Truth(
        torch.tensor([row[1:] for row in rows], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([row[0] for row in rows], dtype=torch.int64),
    )


def certain(shown: Truth, sureness: float = 8.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and distances that predict the first object exactly, at all points in its middle."""
    centres, strides = (torch.from_numpy(each) for each in anchor_points(SIDE))
    (box, *_), (tag, *_) = shown.boxes, shown.tags
    ltrb_distances = torch.cat([centres - box[:2], box[2:] - centres], 1) / strides[:, None]
    middle = (box[:2] + box[2:]) / 2
    near = ((centres - middle).abs() < 2.5 * strides[:, None]).all(1) & (ltrb_distances > 0).all(1)
    logits = torch.full((1, POINTS, 2), -sureness)
    logits[0, near, tag] = sureness
    ltrb_distances = ltrb_distances.clamp(0, 9.99)
    below = ltrb_distances.long()
    share = (ltrb_distances - below)[..., None].clamp(1e-4, 1 - 1e-4)
    distances = torch.full((1, POINTS, 4, 11), -30.0)
    distances[0].scatter_(-1, below[..., None], (1 - share).log())
    distances[0].scatter_(-1, below[..., None] + 1, share.log())
    return logits, distances.reshape(1, POINTS, 44)


BOX = truth((1, 16.0, 16.0, 48.0, 48.0))


def test_right_answers_cost_less_than_wrong_ones() -> None:
    loss = DetectionLoss(SIDE)
    logits, distances = certain(BOX)

    right = loss(logits, distances, [BOX]).item()
    wrong = {
        "tag": loss(logits.flip(2), distances, [BOX]).item(),
        "place": loss(logits, distances, [truth((1, 4.0, 30.0, 28.0, 60.0))]).item(),
        "nothing there": loss(logits, distances, [truth()]).item(),
    }

    assert right >= 0
    assert {name: value for name, value in wrong.items() if value <= right} == {}


def test_points_that_answer_for_an_object_see_it_well_and_are_not_many() -> None:
    logits, distances = certain(BOX)
    exponents = distances[0].reshape(POINTS, 4, 11)

    matched, which, overlap = DetectionLoss(SIDE)._matches(logits[0], exponents, BOX)

    assert 1 <= len(matched) <= 10
    assert which.tolist() == [0] * len(matched)
    assert (overlap > 0.9).all()
    centres = torch.from_numpy(anchor_points(SIDE)[0])[matched]
    assert ((centres > 16) & (centres < 48)).all()


def test_no_objects_and_no_detections_cost_nothing() -> None:
    logits, distances = torch.full((2, POINTS, 3), -20.0), torch.zeros(2, POINTS, 44)

    assert DetectionLoss(SIDE)(logits, distances, [truth(), truth()]).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "shown",
    [
        truth((0, 10.0, 10.0, 11.0, 11.0)),
        truth((0, 0.0, 0.0, 64.0, 64.0)),
        truth((0, 63.9, 63.9, 64.0, 64.0)),
        truth((0, 0.0, 0.0, 0.01, 64.0)),
        truth((0, 20.0, 20.0, 40.0, 40.0), (1, 20.0, 20.0, 40.0, 40.0)),
        truth(*[(index % 2, index / 5, 3.0, 4 + index / 5, 9.0) for index in range(300)]),
    ],
    ids=["one pixel", "all", "corner", "line", "one place, two tags", "three hundred"],
)
def test_the_loss_and_its_slope_are_numbers(shown: Truth) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((1, POINTS, 2), generator=generator).requires_grad_()
    distances = torch.randn((1, POINTS, 44), generator=generator).requires_grad_()

    value = DetectionLoss(SIDE)(logits, distances, [shown])
    value.backward()

    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(distances.grad).all()
    assert distances.grad.abs().sum() > 0


def test_descending_leads_to_the_object() -> None:
    """Logits and distances, optimised without a network, converge to the objects."""
    from emulator.vision.boxes.geometry import detected_boxes

    logits = torch.full((1, POINTS, 2), -4.0, requires_grad=True)
    distances = torch.zeros((1, POINTS, 44), requires_grad=True)
    optimizer, loss = torch.optim.Adam([logits, distances], 0.2), DetectionLoss(SIDE)
    for _ in range(150):
        optimizer.zero_grad()
        loss(logits, distances, [BOX]).backward()
        optimizer.step()

    found = detected_boxes(logits[0].sigmoid().detach().numpy(), distances[0].detach().numpy(), SIDE)

    assert found[0].tag_index == 1
    assert found[0].probability > 0.8
    assert (found[0].left, found[0].top) == pytest.approx((0.25, 0.25), abs=0.02)
    assert (found[0].width, found[0].height) == pytest.approx((0.5, 0.5), abs=0.04)


def test_images_are_independent_of_each_other() -> None:
    """Alone or beside an image without objects, an object affects the gradients of its own image only."""
    logits = torch.zeros((2, POINTS, 2), requires_grad=True)
    distances = torch.zeros((2, POINTS, 44), requires_grad=True)

    DetectionLoss(SIDE)(logits, distances, [BOX, truth()]).backward()

    assert distances.grad[0].abs().sum() > 0
    assert distances.grad[1].abs().sum() == 0
    # Without objects, every score decreases.
    assert (logits.grad[1] > 0).all()


def test_images_without_objects_have_no_loss_of_distances() -> None:
    logits, distances = (each.requires_grad_() for each in certain(BOX))
    of_logits, of_distances = torch.autograd.grad(
        DetectionLoss(SIDE)(logits, distances, [truth()]), [logits, distances]
    )
    assert of_logits.abs().sum() > 0
    assert of_distances.abs().sum() == 0
