import math

import torch
import torch.nn.functional as F

from wtal.losses.video import co_activity_loss, guidance_loss, mil_loss, sparsity_loss, with_background


def test_mil_loss_shares_the_label_among_the_classes_of_a_video():
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    one = mil_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(one, F.cross_entropy(logits, torch.tensor([0])))
    two = mil_loss(logits, torch.tensor([[1.0, 1.0, 0.0]]))
    log_sum = math.log(math.exp(2) + 2)
    torch.testing.assert_close(two, torch.tensor((log_sum - 2 + log_sum) / 2))


def test_a_video_without_label_adds_nothing():
    assert mil_loss(torch.randn(1, 4), torch.zeros(1, 4)) == 0


def test_background_class_is_appended():
    labels = torch.tensor([[1.0, 0.0]])
    assert with_background(labels, present=True).tolist() == [[1, 0, 1]]
    assert with_background(labels, present=False).tolist() == [[1, 0, 0]]


def test_only_background_is_left_where_there_is_no_action():
    nothing = torch.zeros(1, 2)
    assert with_background(nothing, present=True).tolist() == [[0, 0, 1]]
    assert with_background(nothing, present=False).tolist() == [[0, 0, 1]]


def test_sparsity_and_guidance_read_real_snippets_only():
    attention = torch.tensor([[0.2, 0.4, 0.9]])
    background = torch.tensor([[0.8, 0.4, 0.9]])
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(sparsity_loss(attention, mask), torch.tensor(0.3))
    torch.testing.assert_close(guidance_loss(attention, background, mask), torch.tensor(0.1))
    emphasis = torch.tensor([[0.5, 1.5, 9.0]])
    torch.testing.assert_close(guidance_loss(attention, background, mask, emphasis), torch.tensor(0.15))


def slow_co_activity(embedding, cas, labels, mask, margin=0.5):
    """The rule of W-TALC, one pair and one class at a time, on unpadded videos."""
    total, count = 0.0, 0
    for i in range(len(cas)):
        for j in range(len(cas)):
            for c in range(cas.shape[2]):
                if i == j or not (labels[i, c] and labels[j, c]):
                    continue
                high, low = [], []
                for v in (i, j):
                    n = int(mask[v].sum())
                    weight = cas[v, :n, c].softmax(0)
                    high.append(weight @ embedding[v, :n])
                    low.append(((1 - weight) / max(1, n - 1)) @ embedding[v, :n])
                near = 1 - F.cosine_similarity(high[0], high[1], dim=0)
                far = 1 - F.cosine_similarity(high[0], low[1], dim=0)
                total += max(0.0, float(near - far + margin))
                count += 1
    return total / max(1, count)


def test_co_activity_equals_the_slow_rule():
    generator = torch.Generator().manual_seed(0)
    embedding, cas = torch.randn(4, 7, 6, generator=generator), torch.randn(4, 7, 3, generator=generator)
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
    mask = torch.arange(7) < torch.tensor([7, 5, 3, 7])[:, None]
    expected = slow_co_activity(embedding, cas, labels, mask)
    torch.testing.assert_close(co_activity_loss(embedding, cas, labels, mask).item(), expected, rtol=1e-5, atol=1e-6)


def test_co_activity_takes_an_embedding_in_half_precision():
    cas, labels, mask = torch.randn(2, 4, 3), torch.ones(2, 3), torch.ones(2, 4, dtype=torch.bool)
    assert torch.isfinite(co_activity_loss(torch.randn(2, 4, 5).bfloat16(), cas, labels, mask))


def test_co_activity_without_a_shared_class_is_zero():
    labels = torch.eye(3)
    mask = torch.ones(3, 4, dtype=torch.bool)
    assert co_activity_loss(torch.randn(3, 4, 5), torch.randn(3, 4, 3), labels, mask) == 0
