import math

import pytest
import torch

from wtal.nn.heads import ACMHead

CLASSES = ["run", "jump", "throw"]


def slow_cross_entropy(logits, wanted):
    peak = max(logits)
    total = peak + math.log(sum(math.exp(value - peak) for value in logits))
    return sum(y / sum(wanted) * (total - value) for value, y in zip(logits, wanted, strict=True))


def test_losses_equal_those_of_a_loop_over_videos():
    torch.manual_seed(0)
    head, lengths, labels = ACMHead(CLASSES, 16, 8, margin=0.2).eval(), [19, 3], [[1.0, 0, 1], [0, 1, 0]]
    out = head(torch.randn(2, 19, 16), torch.arange(19) < torch.tensor(lengths)[:, None])
    expected = dict.fromkeys(("mil_suppressed", "mil_context", "mil_background", "sparsity", "guidance"), 0.0)
    separation = 0.0
    for row, n in enumerate(lengths):
        y, plain = labels[row], out.plain[row, :n]
        shares = (out.attention[row, :n], out.context[row, :n], out.rest[row, :n])
        length = []
        for name, share, ratio, wanted in zip(
            expected, shares, (8, 3, 3), ([*y, 0.0], [*y, 1.0], [0.0, 0, 0, 1]), strict=False
        ):
            k = max(1, n // ratio)
            video = [sum(sorted((share * plain[:, c]).tolist())[-k:]) / k for c in range(4)]
            expected[name] += slow_cross_entropy(video, wanted) / 2
            best = sorted(range(n), key=lambda i, share=share: -share[i])[:k]
            length.append((out.embedding[row, best].mean(0).norm() / head.margin).item())
        action, context, rest = length
        separation += (max(0, 1 - action + context) + max(0, 1 - context + rest) + rest) ** 2 / 2
        expected["sparsity"] += 0.075 * (shares[0] + shares[1]).mean().item() / 2
        background = plain.softmax(1)[:, 3]
        expected["guidance"] += 1.5 * (1 - background - shares[0]).abs().mean().item() / 2
    terms = head.losses(out, torch.arange(19) < torch.tensor(lengths)[:, None], torch.tensor(labels))
    expected["separation"] = 0.125 * separation
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_a_snippet_is_shared_among_action_context_and_background():
    out = ACMHead(CLASSES, 16, 8).eval()(torch.randn(1, 9, 16), torch.ones(1, 9, dtype=torch.bool))
    torch.testing.assert_close(out.attention + out.context + out.rest, torch.ones(1, 9))


def test_guidance_teaches_the_classifier_and_not_the_attention():
    head, mask = ACMHead(CLASSES, 16, 8), torch.ones(1, 9, dtype=torch.bool)
    terms = head.losses(head(torch.randn(1, 9, 16), mask), mask, torch.tensor([[1.0, 0, 0]]))
    terms["guidance"].backward()
    assert head.attend.weight.grad is None
    assert head.classifier.weight.grad.abs().max() > 0


def test_a_dropped_snippet_shows_the_classifier_nothing():
    torch.manual_seed(0)
    head = ACMHead(CLASSES, 16, 8, dropout=0.0, drop_snippets=0.5).train()
    out = head(torch.randn(1, 40, 16), torch.ones(1, 40, dtype=torch.bool))
    dropped = (out.plain == head.classifier.bias).all(dim=2)
    assert 8 < dropped.sum() < 32
    assert out.attention.unique().numel() > 30
