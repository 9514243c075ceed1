import math

import pytest
import torch
import torch.nn.functional as F

from wtal.nn.heads import CASEHead
from wtal.nn.heads.case import generalized_cross_entropy, transport

CLASSES = ["run", "jump", "throw"]


@pytest.mark.parametrize("share", [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
def test_transport_fills_the_groups_and_assigns_every_item(share):
    torch.manual_seed(0)
    plan = transport(torch.rand(300, 4) * 0.3, torch.tensor(share), rounds=50)
    torch.testing.assert_close(plan.sum(dim=1), torch.ones(300))
    torch.testing.assert_close(plan.mean(dim=0), torch.tensor(share), atol=1e-3, rtol=0)


def test_transport_equals_a_loop_over_items_and_groups():
    torch.manual_seed(0)
    similarity, share = torch.rand(6, 2), [0.8, 0.2]
    plan = [[math.exp(20 * s) for s in row] for row in similarity.tolist()]
    for _ in range(3):
        sums = [sum(row[k] for row in plan) for k in range(2)]
        plan = [[row[k] / sums[k] * share[k] for k in range(2)] for row in plan]
        plan = [[value / sum(row) for value in row] for row in plan]
    torch.testing.assert_close(transport(similarity, torch.tensor(share)), torch.tensor(plan))


def test_transport_without_any_item_of_a_group_is_finite():
    assert torch.isfinite(transport(torch.rand(5, 2), torch.tensor([1.0, 0.0]))).all()


def test_generalized_cross_entropy_lies_between_cross_entropy_and_absolute_error():
    probability, positive = torch.tensor([[0.3, 0.9, 0.2, 0.5]]), torch.tensor([[True, True, False, False]])
    mask = torch.tensor([[True, True, True, False]])
    right = [[0.3, 0.9], [0.8]]  # padding is left out
    for exponent, loss in ((1.0, lambda p: 1 - p), (0.7, lambda p: (1 - p**0.7) / 0.7), (1e-4, lambda p: -math.log(p))):
        slow = sum(sum(map(loss, side)) / len(side) for side in right)
        fast = generalized_cross_entropy(probability, positive, mask, exponent).item()
        assert fast == pytest.approx(slow, rel=2e-3)


def test_losses_of_a_head_equal_those_of_a_loop_over_videos():
    torch.manual_seed(0)
    head, lengths, labels = (
        CASEHead(CLASSES, 16, 8, num_clusters=4).eval(),
        [19, 3],
        torch.tensor([[1.0, 0, 1], [0, 1, 0]]),
    )
    mask = torch.arange(19) < torch.tensor(lengths)[:, None]
    out = head(torch.randn(2, 19, 16), mask)
    mil, actionness, foreground = 0.0, 0.0, []
    for row, n in enumerate(lengths):
        probability = out.logits[:, row, :n].softmax(dim=2).mean(dim=0)
        score = (probability + out.actionness[:, row, :n].sum(dim=0)[:, None]) / 3
        top = score.argsort(dim=0, descending=True)[: max(1, n // 8)]  # (k, C)
        positive = torch.zeros(n, dtype=torch.bool)
        for klass in labels[row].nonzero()[:, 0]:
            positive[top[:, klass]] = True
        foreground.append(positive)
        share = labels[row] / labels[row].sum()
        for modality in range(2):
            video = torch.stack([out.logits[modality, row, top[:, klass], klass].mean() for klass in range(3)])
            mil -= (share * video.log_softmax(dim=0)).sum().item() / 4
            a = out.actionness[modality, row, :n]
            for right in (a[positive], 1 - a[~positive]):
                actionness += ((1 - right**0.7) / 0.7).mean().item() / 2
    positive = torch.cat(foreground)
    rows = torch.cat([out.clusters[:, row, :n] for row, n in enumerate(lengths)], dim=1)  # (2, N, K)
    base = torch.cat([out.embeddings[:, row, :n] for row, n in enumerate(lengths)], dim=1)
    snippets = transport(rows.mean(dim=0) / 10)
    clusters = sum(F.cross_entropy(one, snippets) for one in rows).item()
    cosine = torch.stack(
        [
            torch.stack(
                [
                    F.cosine_similarity((snippets[:, k, None] * one).sum(0), one[side].sum(0), dim=0)
                    for side in (positive, ~positive)
                ]
            )
            for one in base
            for k in range(4)
        ]
    ).unflatten(0, (2, 4))
    kinds = transport(cosine.mean(dim=0), torch.stack([positive, ~positive], 1).float().mean(0))
    separation = sum(F.cross_entropy(10 * one, kinds) for one in cosine).item()
    terms = head.losses(out, mask, labels)
    for name, slow in (("mil", mil), ("actionness", actionness), ("clusters", clusters), ("kinds", 0.3 * separation)):
        assert terms[name].item() == pytest.approx(slow, rel=1e-4), name


def test_only_training_moves_the_kinds_and_they_move_actionness():
    torch.manual_seed(0)
    head, mask = CASEHead(CLASSES, 16, 8).eval(), torch.ones(2, 20, dtype=torch.bool)
    features, labels = torch.randn(2, 20, 16), torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    before = head(features, mask)
    head.losses(before, mask, labels)
    assert (head.kinds == 0.5).all()
    head.train().losses(head(features, mask), mask, labels)
    assert (head.kinds != 0.5).any()
    assert not torch.allclose(head.eval()(features, mask).attention, before.attention)


def test_probabilities_are_the_mean_of_the_modalities_times_actionness():
    out = CASEHead(CLASSES, 16, 8).eval()(torch.randn(1, 30, 16), torch.ones(1, 30, dtype=torch.bool))
    joint = out.logits.softmax(dim=3).mean(dim=0) * out.attention[..., None]
    torch.testing.assert_close(out.plain.softmax(dim=2)[..., :3], joint)
