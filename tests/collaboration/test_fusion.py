import pytest
import torch

from wtal.collaboration import Fusion
from wtal.types import SnippetScores


def scores(seed):
    generator = torch.Generator().manual_seed(seed)
    return SnippetScores(*(torch.rand(*shape, generator=generator) for shape in ((2, 5, 3), (2, 5), (2, 3))))


def test_a_branch_of_all_the_weight_is_the_answer():
    cbp, vlp = scores(0), scores(1)
    for fused, branch in ((Fusion(1, 1, 1)(cbp, vlp), cbp), (Fusion(0, 0, 0)(cbp, vlp), vlp)):
        for a, b in zip(fused, branch, strict=True):
            torch.testing.assert_close(a, b)


def test_fusion_is_a_geometric_mean_of_each_score():
    one = SnippetScores(torch.full((1, 1), 0.25), torch.tensor([0.81]), torch.tensor([1.0]))
    other = SnippetScores(torch.full((1, 1), 1.0), torch.tensor([1.0]), torch.tensor([0.16]))
    fused = Fusion(probability=0.5, attention=0.5, video=0.5)(one, other)
    torch.testing.assert_close(fused.probability, torch.tensor([[0.5]]))
    torch.testing.assert_close(fused.attention, torch.tensor([0.9]))
    torch.testing.assert_close(fused.video, torch.tensor([0.4]))


def test_one_video_of_a_batch_is_the_video():
    cbp, vlp = scores(0), scores(1)
    batch = Fusion()(cbp, vlp)
    for row in range(2):
        single = Fusion()(SnippetScores(*(t[row] for t in cbp)), SnippetScores(*(t[row] for t in vlp)))
        for a, b in zip(single, batch, strict=True):
            torch.testing.assert_close(a, b[row], rtol=1e-6, atol=0)  # powers differ by a last digit


def test_weights_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        Fusion(video=1.2)


def test_the_naive_average_is_an_arithmetic_mean():
    cbp, vlp = scores(0), scores(1)
    fused = Fusion(probability=0.5, attention=0.25, video=0.5, mean="arithmetic")(cbp, vlp)
    torch.testing.assert_close(fused.probability, (cbp.probability + vlp.probability) / 2)
    torch.testing.assert_close(fused.attention, cbp.attention / 4 + 3 * vlp.attention / 4)
