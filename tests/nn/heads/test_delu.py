import math

import pytest
import torch

from wtal.functional.pooling import masked_mean
from wtal.nn.heads import CO2Head, DELUHead
from wtal.nn.heads.delu import DELUWeights, easy_to_hard, evidential_loss, uncertainty

CLASSES = ["run", "jump", "throw"]


def slow_evidential(logits, labels):
    losses = []
    for row, wanted in zip(logits.tolist(), labels.tolist(), strict=True):
        alpha = [math.exp(max(-10, min(10, value))) + 1 for value in row]
        missing = [y / a for y, a in zip(wanted, alpha, strict=True)]
        loss = 0.0
        for a, share in zip(alpha, missing, strict=True):
            if share:
                loss += sum(wanted) * share / sum(missing) * (math.log(sum(alpha)) - math.log(a))
        losses.append(loss * (1 - len(alpha) / sum(alpha)))
    return sum(losses) / len(losses)


def test_evidential_loss_equals_a_loop_over_classes():
    logits, labels = torch.randn(4, 3) * 6, torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]])
    assert evidential_loss(logits, labels).item() == pytest.approx(slow_evidential(logits, labels), rel=1e-5)


def test_evidence_has_bounds():
    assert torch.isfinite(evidential_loss(torch.tensor([[1e9, -1e9]]), torch.tensor([[0.0, 1.0]])))
    assert 0 < uncertainty(torch.full((5,), 1e9)) < uncertainty(torch.full((5,), -1e9)) < 1


def test_a_clearer_video_is_less_uncertain():
    assert uncertainty(torch.tensor([4.0, 0.0])) < uncertainty(torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.5, 1.0, 7.0])
def test_weights_move_from_certain_to_uncertain_snippets(progress):
    uncertain = torch.tensor([[0.3, 0.1, 0.9, 0.5, 0.0], [0.2, 0.1, 0.7, 0.0, 0.0]])
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    weights = easy_to_hard(uncertain, mask, progress, amplitude=0.7)
    torch.testing.assert_close(masked_mean(weights, mask), torch.ones(2))
    trend = 2 * min(progress, 1) - 1
    for row, n in ((0, 5), (1, 3)):
        ranked = weights[row, :n][uncertain[row, :n].argsort()]
        expected = [1 + 0.7 * math.tanh(trend * (2 * (place + 0.5) / n - 1)) for place in range(n)]
        torch.testing.assert_close(ranked, torch.tensor(expected))


def test_terms_of_co2_net_stay_and_those_of_the_video_use_its_most_active_snippets():
    torch.manual_seed(0)
    weights = DELUWeights(evidence=2.0, progressive=0.0)
    head, mask = DELUHead(CLASSES, 16, 8, 8, weights=weights).eval(), torch.ones(2, 20, dtype=torch.bool)
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0]])
    out = head(torch.randn(2, 20, 16), mask)
    terms = head.losses(out, mask, labels)
    for name, value in CO2Head.losses(head, out, mask, labels).items():
        torch.testing.assert_close(terms[name], value)
    top = out.attention.argsort(dim=1, descending=True)[:, :2]
    video = torch.stack([out.suppressed[row, top[row], :3].mean(0) for row in range(2)])
    assert terms["evidence"].item() == pytest.approx(2 * slow_evidential(video, labels), rel=1e-4)
    assert terms["progressive"] == 0


def test_only_training_counts_steps_and_a_checkpoint_keeps_them():
    head, mask = DELUHead(CLASSES, 16, 8, 8), torch.ones(1, 9, dtype=torch.bool)
    labels, features = torch.tensor([[1.0, 0, 0]]), torch.randn(1, 9, 16)
    for mode in (True, False, True):
        head.train(mode)
        head.losses(head(features, mask), mask, labels)
    other = DELUHead(CLASSES, 16, 8, 8)
    other.load_state_dict(head.state_dict())
    assert other.step == 2
