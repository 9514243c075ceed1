import math

import pytest
import torch

from wtal.student.losses import distance_iou_loss, focal_loss, spread_loss


def test_focal_loss_of_a_sure_and_right_element_nearly_vanishes():
    loss = focal_loss(torch.tensor([5.0, -5.0, -5.0]), torch.tensor([1.0, 0.0, 1.0]))
    assert loss[0] < 1e-5
    assert loss[1] < 1e-5
    error = 1 / (1 + math.exp(-5))
    assert loss[2].item() == pytest.approx(0.25 * error**2 * -math.log(1 - error), rel=1e-4)


def test_bounds_that_do_not_touch_still_have_a_gradient():
    bounds = torch.tensor([[0.0, 1.0]], requires_grad=True)
    distance_iou_loss(bounds, torch.tensor([[5.0, 6.0]])).sum().backward()
    assert bounds.grad is not None
    assert bounds.grad.sum() < 0  # together they move to the right


@pytest.mark.parametrize(("kind", "best"), [("laplace", 3.0), ("gaussian", 3.0)])
def test_the_spread_that_suits_an_error_is_the_error_itself(kind, best):
    error = torch.tensor([[3.0, -3.0]])
    losses = {
        spread: spread_loss(error, torch.full((1, 2), math.log(spread)), kind).item() for spread in (1.0, best, 9)
    }
    assert min(losses, key=losses.get) == best
