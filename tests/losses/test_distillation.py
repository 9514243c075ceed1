import math

import pytest
import torch

from wtal.losses.distillation import attention_distillation, class_distillation, contrastive_distillation
from wtal.types import PseudoLabels


def labels(label, klass):
    return PseudoLabels(torch.tensor([label], dtype=torch.int8), torch.tensor([klass], dtype=torch.int16))


NOTHING = labels([-1, -1, -1], [-1, -1, -1])


def test_each_kind_of_snippet_weighs_the_same_however_many_there_are():
    attention = torch.tensor([[0.5, 0.25, 0.25]])
    loss = attention_distillation(attention, labels([1, 0, 0], [0, -1, -1]))
    torch.testing.assert_close(loss, torch.tensor(-math.log(0.5) - math.log(0.75)))


def test_class_distillation_asks_for_the_class_and_against_the_videos_own_classes():
    probability = torch.tensor([[[0.5, 0.2], [0.25, 0.9], [0.9, 0.9]]])
    pseudo = labels([1, 0, -1], [0, -1, -1])
    loss = class_distillation(probability, torch.tensor([[1.0, 0.0]]), pseudo)
    torch.testing.assert_close(loss, torch.tensor(-math.log(0.5) - math.log(0.75)))


def slow_contrast(embedding, pseudo, temperature):
    rows = torch.nn.functional.normalize(embedding.flatten(0, 1), dim=1)
    label, klass = pseudo.label.flatten().tolist(), pseudo.klass.flatten().tolist()
    fore = [i for i, kind in enumerate(label) if kind == 1]
    back = [i for i, kind in enumerate(label) if kind == 0]
    losses = []
    for a in fore:
        others = [i for i in fore + back if i != a]
        total = sum(math.exp(float(rows[a] @ rows[i]) / temperature) for i in others)
        losses += [
            -math.log(math.exp(float(rows[a] @ rows[p]) / temperature) / total)
            for p in fore
            if p != a and klass[p] == klass[a]
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
    video = torch.tensor([[1.0, 0.0]])
    loss = attention_distillation(x[..., 0], pseudo) + class_distillation(x, video, pseudo)
    (loss + contrastive_distillation(x, pseudo)).backward()
    assert torch.isfinite(x.grad).all()


def test_an_ignored_batch_teaches_nothing():
    x = torch.rand(1, 3, 2)
    assert attention_distillation(x[..., 0], NOTHING) == 0
    assert class_distillation(x, torch.ones(1, 2), NOTHING) == 0
    assert contrastive_distillation(x, NOTHING) == 0


def test_thinning_bounds_the_number_of_anchors():
    pseudo = PseudoLabels(torch.ones(4, 100, dtype=torch.int8), torch.zeros(4, 100, dtype=torch.int16))
    full = contrastive_distillation(torch.ones(4, 100, 3), pseudo, 1.0)
    thin = contrastive_distillation(torch.ones(4, 100, 3), pseudo, 1.0, max_snippets=50)
    assert full.item() == pytest.approx(math.log(399), rel=1e-5)  # all alike: one of 399 others
    assert thin.item() == pytest.approx(math.log(49), rel=1e-5)
