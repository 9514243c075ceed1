import math

import pytest
import torch

from wtal.losses.distillation import (
    among_labels_distillation,
    attention_distillation,
    class_distillation,
    contrastive_distillation,
)
from wtal.types import PseudoLabels


def labels(label, class_index):
    return PseudoLabels(torch.tensor([label], dtype=torch.int8), torch.tensor([class_index], dtype=torch.int16))


NOTHING = labels([-1, -1, -1], [-1, -1, -1])


def test_confident_snippets_count_alike_or_their_kinds_do():
    attention = torch.tensor([[0.5, 0.25, 0.75]])
    pseudo = labels([1, 0, 0], [0, -1, -1])
    fore, back = -math.log(0.5), [-math.log(0.75), -math.log(0.25)]
    torch.testing.assert_close(attention_distillation(attention, pseudo), torch.tensor((fore + sum(back)) / 3))
    balanced = attention_distillation(attention, pseudo, balanced=True)
    torch.testing.assert_close(balanced, torch.tensor(fore + sum(back) / 2))


def test_smoothed_labels_are_met_before_actionness_is_0_or_1():
    attention = torch.tensor([[0.9, 0.2, 0.5]], requires_grad=True)
    loss = attention_distillation(attention, labels([1, 0, -1], [0, -1, -1]), label_smoothing=0.1)
    at_target = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    above_it = -0.9 * math.log(0.8) - 0.1 * math.log(0.2)
    torch.testing.assert_close(loss, torch.tensor((at_target + above_it) / 2))
    loss.backward()
    assert attention.grad.tolist() == [[pytest.approx(0, abs=1e-5), pytest.approx(0.3125, rel=1e-4), 0]]


def test_class_distillation_asks_for_the_class_or_the_background():
    plain = torch.tensor([[[0.5, 0.2, 0.3], [0.25, 0.5, 0.25], [0.9, 0.05, 0.05]]]).log()
    loss = class_distillation(plain, labels([1, 0, -1], [0, -1, -1]))
    torch.testing.assert_close(loss, torch.tensor((-math.log(0.5) - math.log(0.25)) / 2))


def test_the_class_among_the_labels_is_asked_of_foreground_in_videos_of_several_labels():
    cas = torch.tensor([[[1.0, 2.0, 50.0], [0.0, 3.0, 50.0], [4.0, 0.0, 50.0], [1.0, 1.0, 50.0]]] * 2)
    of_videos = torch.tensor([[1, 1, 0], [1, 0, 0]])  # the second has one label, so nothing is open
    pseudo = PseudoLabels(torch.tensor([[1, 1, 0, -1]] * 2), torch.tensor([[0, 1, -1, -1], [0, 0, -1, -1]]))
    expected = (math.log(1 + math.exp(2 - 1)) + math.log(1 + math.exp(0 - 3))) / 2
    assert among_labels_distillation(cas, of_videos, pseudo).item() == pytest.approx(expected, rel=1e-6)
    assert among_labels_distillation(cas[1:], of_videos[1:], PseudoLabels(*(part[1:] for part in pseudo))) == 0
    assert among_labels_distillation(cas[:1], of_videos[:1], labels([1, 1, 1, 1], [2, 2, 2, 2])) == 0  # not its labels


def slow_contrast(embedding, pseudo, temperature):
    rows = torch.nn.functional.normalize(embedding.flatten(0, 1), dim=1)
    label, class_index = pseudo.label.flatten().tolist(), pseudo.class_index.flatten().tolist()
    fore = [i for i, kind in enumerate(label) if kind == 1]
    back = [i for i, kind in enumerate(label) if kind == 0]
    losses = []
    for a in fore:
        others = [i for i in fore + back if i != a]
        total = sum(math.exp(float(rows[a] @ rows[i]) / temperature) for i in others)
        losses += [
            -math.log(math.exp(float(rows[a] @ rows[p]) / temperature) / total)
            for p in fore
            if p != a and class_index[p] == class_index[a]
        ]
    return sum(losses) / max(1, len(losses))


def test_contrast_equals_the_slow_rule():
    generator = torch.Generator().manual_seed(1)
    embedding = torch.randn(2, 6, 5, generator=generator)
    pseudo = PseudoLabels(
        torch.tensor([[1, 1, 0, -1, 1, 0], [1, 0, 0, 1, -1, -1]]),
        torch.tensor([[0, 0, -1, -1, 1, -1], [1, -1, -1, 0, -1, -1]]),
    )
    expected = slow_contrast(embedding, pseudo, 0.5)
    assert contrastive_distillation(embedding, pseudo, 0.5).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("pseudo", [NOTHING, labels([1, -1, -1], [0, -1, -1]), labels([0, 0, 0], [-1, -1, -1])])
def test_a_silent_teacher_gives_finite_losses_and_gradients(pseudo):
    x = torch.rand(1, 3, 2, requires_grad=True)
    loss = attention_distillation(x[..., 0], pseudo) + class_distillation(x, pseudo)
    loss = loss + among_labels_distillation(x, torch.ones(1, 2), pseudo)
    (loss + contrastive_distillation(x, pseudo)).backward()
    assert torch.isfinite(x.grad).all()


def test_an_ignored_batch_teaches_nothing():
    x = torch.rand(1, 3, 2)
    assert attention_distillation(x[..., 0], NOTHING) == 0
    assert class_distillation(x, NOTHING) == 0
    assert among_labels_distillation(x, torch.ones(1, 2), NOTHING) == 0
    assert contrastive_distillation(x, NOTHING) == 0


def test_thinning_bounds_the_number_of_anchors():
    pseudo = PseudoLabels(torch.ones(4, 100, dtype=torch.int8), torch.zeros(4, 100, dtype=torch.int16))
    full = contrastive_distillation(torch.ones(4, 100, 3), pseudo, 1.0)
    thin = contrastive_distillation(torch.ones(4, 100, 3), pseudo, 1.0, max_snippets=50)
    assert full.item() == pytest.approx(math.log(399), rel=1e-5)  # all alike: one of 399 others
    assert thin.item() == pytest.approx(math.log(49), rel=1e-5)
