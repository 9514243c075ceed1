"""A mixture is the mean of heads, each on the stream of its own model."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from wtal.branches import VLPBranch
from wtal.errors import ConfigError, FeatureError
from wtal.nn.heads import AnchoredTextHead, MixtureHead, TextHead, ZeroShotHead
from wtal.nn.text import FileText
from wtal.types import SnippetBatch
from wtal.views import View

NAMES, DIMS = ["a", "b", "c"], (8, 12)


def text(dim: int) -> FileText:
    made = FileText(NAMES, None, dim=dim)
    made.features = torch.nn.functional.normalize(
        torch.randn(3, dim, generator=torch.Generator().manual_seed(dim)), dim=1
    )
    return made


def anchored(dim: int) -> AnchoredTextHead:
    return AnchoredTextHead(NAMES, lambda _: text(dim), dim=dim, width=8, heads=2, dropout=0.0)


def mixture(dims: Sequence[int] = DIMS) -> MixtureHead:
    torch.manual_seed(0)
    return MixtureHead(NAMES, [lambda _, dim=dim: anchored(dim) for dim in dims], dims)


def rows() -> list[Tensor]:
    return [torch.randn(n, sum(DIMS), generator=torch.Generator().manual_seed(n)) for n in (5, 7)]


def batch() -> tuple[Tensor, Tensor]:
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    return torch.randn(2, 6, sum(DIMS), generator=torch.Generator().manual_seed(3)), mask


def test_scores_are_the_mean_of_heads_that_see_their_stream_alone():
    head = mixture().eval()
    head.prepare(iter(rows()))
    features, mask = batch()
    out = head(features, mask)
    alone = []
    for part, own, seen in zip(
        mixture().eval().parts,
        features.split(DIMS, dim=2),
        zip(*(row.split(DIMS, dim=1) for row in rows()), strict=True),
        strict=True,
    ):
        part.prepare(iter(seen))
        alone.append(part(own, mask))
    for name in ("cas", "background", "attention"):
        first, second = (getattr(each, name) for each in alone)
        torch.testing.assert_close(getattr(out, name), (first + second) / 2)
    assert not torch.allclose(alone[0].cas, alone[1].cas)


def test_one_model_is_a_mixture_of_itself():
    head = MixtureHead(NAMES, [lambda _: anchored(8)], [8]).eval()
    single = anchored(8).eval()
    single.load_state_dict(head.parts[0].state_dict())
    features, mask = torch.randn(2, 6, 8), batch()[1]
    torch.testing.assert_close(head(features, mask).plain, single(features, mask).plain)


def test_padding_changes_nothing():
    head = mixture().eval()
    features, mask = batch()
    changed = features.masked_fill(~mask[..., None], 9.0)
    for name in ("cas", "attention"):
        one, other = (getattr(head(seen, mask), name)[mask] for seen in (features, changed))
        torch.testing.assert_close(one, other)


def test_the_loss_trains_every_head():
    head = mixture()
    features, mask = batch()
    terms = head.losses(head(features, mask), mask, torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    sum(terms.values()).backward()
    for part in head.parts:
        assert part.residual.weight.grad.abs().sum() > 0
        assert part.bias.grad.abs().sum() > 0


def test_a_branch_reads_its_streams_and_its_vanilla_is_a_mixture_of_cosines():
    branch = VLPBranch(NAMES, lambda _: mixture(), view=View("vlp", ("clip", "second"))).eval()
    features, mask = batch()
    streams = dict(zip(("clip", "second"), features.split(DIMS, dim=2), strict=True))
    place = torch.arange(6).expand(2, -1)
    seen = SnippetBatch(streams, mask, place, torch.zeros(2, 3), torch.arange(2))
    torch.testing.assert_close(branch(seen).cas, branch.average(branch.head, features, mask).cas)
    plain = branch.vanilla()
    assert [type(part) for part in plain.head.parts] == [ZeroShotHead] * 2
    unit = [torch.nn.functional.normalize(part, dim=2) for part in streams.values()]
    cosines = [image @ text(dim)().T for image, dim in zip(unit, DIMS, strict=True)]
    torch.testing.assert_close(plain(seen).cas, (cosines[0] + cosines[1]) / 0.02)


def test_what_does_not_belong_together():
    with pytest.raises(ConfigError, match="got 2 `heads` and 1 `dims`"):
        MixtureHead(NAMES, [lambda _: anchored(8)] * 2, [8])
    with pytest.raises(ConfigError, match="TextHead cannot be part of a mixture: take AnchoredTextHead"):
        MixtureHead(NAMES, [lambda _: TextHead(NAMES, lambda _: text(8), dim=8, width=8, heads=2)], [8])
    with pytest.raises(FeatureError, match=r"have 9 channels together, but .* 8 \+ 12: give one width for each"):
        mixture()(torch.zeros(1, 2, 9), torch.ones(1, 2, dtype=torch.bool))
