import math

import pytest
import torch

from wtal.nn.heads import UMHead
from wtal.nn.heads.um import UMOutput, entropy_loss, magnitude_loss, softmax_bce

CLASSES = ["run", "jump", "throw"]


def slow_bce(logits, target):
    total = 0.0
    for row, wanted in zip(logits.tolist(), target.tolist(), strict=True):
        exponentials = [math.exp(value) for value in row]
        for value, y in zip(exponentials, wanted, strict=True):
            p = value / sum(exponentials)
            total -= y * math.log(p) + (1 - y) * math.log(1 - p)
    return total / logits.numel()


def test_classification_and_entropy_equal_a_loop_over_classes():
    logits, target = torch.randn(4, 3), torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert softmax_bce(logits, target).item() == pytest.approx(slow_bce(logits, target), rel=1e-5)
    assert entropy_loss(logits).item() == pytest.approx(slow_bce(logits, torch.full((4, 3), 1 / 3)), rel=1e-5)


def test_entropy_is_least_for_equal_logits():
    assert entropy_loss(torch.full((1, 3), 4.0)) < entropy_loss(torch.tensor([[4.0, 4.0, 4.2]]))


def test_magnitude_wants_long_actions_and_short_backgrounds():
    action, background = torch.tensor([[3.0, 4.0], [0.3, 0.4]]), torch.tensor([[0.0, 0.2], [0.0, 0.0]])
    assert magnitude_loss(action, background).item() == pytest.approx((0.2**2 + 0.5**2) / 2)


def test_losses_of_a_head_equal_those_of_a_loop_over_videos():
    torch.manual_seed(0)
    head, lengths, labels = UMHead(CLASSES, 16, 8, margin=0.7).eval(), [19, 3], torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    mask = torch.arange(19) < torch.tensor(lengths)[:, None]
    out = head(torch.randn(2, 19, 16), mask)
    video, magnitude, even = [], [], []
    for row, n in enumerate(lengths):
        embedding, cas = out.embedding[row, :n], out.cas[row, :n]
        order = embedding.norm(dim=1).argsort()  # shortest first
        long, short = order[-max(1, n // 9) :], order[: max(1, n // 4)]
        video.append(cas.sort(0, descending=True)[0][: max(1, n // 9)].mean(0))
        gap = max(0.0, head.margin - embedding[long].mean(0).norm()) + embedding[short].mean(0).norm()
        magnitude.append(0.0005 * 100**2 * (gap / head.margin) ** 2)
        even.append(cas[short].mean(0))
    terms = head.losses(out, mask, labels)
    share = labels / labels.sum(1, keepdim=True)
    assert terms["mil"].item() == pytest.approx(slow_bce(torch.stack(video), share), rel=1e-4)
    assert terms["magnitude"].item() == pytest.approx(torch.stack(magnitude).mean().item(), rel=1e-4)
    assert terms["entropy"].item() == pytest.approx(slow_bce(torch.stack(even), torch.full((2, 3), 1 / 3)), rel=1e-4)


def test_probabilities_are_those_of_the_paper():
    head = UMHead(CLASSES, 16, 8, margin=0.4).eval()
    out = head(torch.randn(1, 30, 16), torch.ones(1, 30, dtype=torch.bool))
    length = out.embedding.norm(dim=2) / head.margin
    torch.testing.assert_close(out.attention, length.clamp(max=1))
    inside = (out.attention > 1e-3) & (out.attention < 0.999)
    joint = out.cas.softmax(dim=2) * out.attention[..., None]
    torch.testing.assert_close(out.plain.softmax(dim=2)[..., :3][inside], joint[inside])
    torch.testing.assert_close(out.suppressed.softmax(dim=2)[..., :3], out.cas.softmax(dim=2))


def test_dropped_snippets_are_not_pseudo_snippets():
    torch.manual_seed(0)
    head, mask = UMHead(CLASSES, 2, 2, margin=1.0, drop_snippets=1.0), torch.ones(1, 18, dtype=torch.bool)
    embedding = torch.rand(1, 18, 2, requires_grad=True)
    out = UMOutput(torch.zeros(1, 18, 3), torch.zeros(1, 18), torch.zeros(1, 18), embedding, embedding.norm(dim=2))
    labels = torch.tensor([[1.0, 0, 0]])
    everything_dropped = head.losses(out, mask, labels)["magnitude"]
    torch.testing.assert_close(everything_dropped, head.eval().losses(out, mask, labels)["magnitude"])
    head.train().drop_snippets = 0.6
    draws = {head.losses(out, mask, labels)["magnitude"].item() for _ in range(9)}
    assert len(draws) > 3
