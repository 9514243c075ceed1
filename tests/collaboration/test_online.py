"""Scores of a stream while it comes are those of the whole video."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.branches import CBPBranch, LocalizationModule, VLPBranch
from wtal.collaboration import CollaborationModule, OnlineScorer
from wtal.errors import ConfigError, FeatureError
from wtal.functional.pooling import topk_pool
from wtal.localization import Localizer
from wtal.nn.heads import AnchoredTextHead, AttentionMILHead
from wtal.nn.text.prompts import FileText
from wtal.types import SnippetBatch, TimeGrid, Video

CLASSES, DIMS = ["run", "jump", "throw"], {"i3d": 6, "clip": 5}


def branches(folder, causal=True):
    mil = partial(AttentionMILHead, in_dim=6, hidden=8, causal=causal, ratio=4)
    np.save(folder / "text.npy", np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32))
    texts = partial(FileText, path=folder / "text.npy")
    text = partial(AnchoredTextHead, text=texts, dim=5, width=8, heads=2, causal=causal, attended=3, ratio=4)
    return partial(CBPBranch, head=mil, average=0.9), partial(VLPBranch, head=text, average=0.9)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pair whose weights, and whose averages of them, are neither zero nor equal."""
    torch.manual_seed(0)
    made = CollaborationModule(CLASSES, *branches(tmp_path_factory.mktemp("texts"))).eval()
    for branch in made.branches.values():
        for parameter in branch.head.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        branch.average.update(branch.head)
    return made


def features(length, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(length, dim, generator=generator) for name, dim in DIMS.items()}


def offline(model, streams):
    length = len(streams["i3d"])
    return model.all_scores(
        SnippetBatch(
            {name: rows[None] for name, rows in streams.items()},
            torch.ones(1, length, dtype=torch.bool),
            torch.arange(length)[None],
            torch.zeros(1, len(CLASSES)),
            torch.zeros(1, dtype=torch.long),
        )
    )


def in_chunks(scorer, streams, sizes):
    found, begin = [], 0
    for size in sizes:
        found.append(scorer.push({name: rows[begin : begin + size] for name, rows in streams.items()}))
        begin += size
    return {
        source: [torch.cat(parts) for parts in zip(*(piece[source] for piece in found), strict=True)]
        for source in scorer.model.sources
    }


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(sum))
def test_any_chunks_give_the_scores_of_the_whole_video(model, sizes):
    streams = features(sum(sizes))
    with torch.no_grad():
        whole = offline(model, streams)
    found = in_chunks(OnlineScorer(model), streams, sizes)
    assert found.keys() == whole.keys() == {"cbp", "vlp", "fused"}
    for source, (probability, attention, video) in found.items():
        torch.testing.assert_close(probability, whole[source].probability[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(attention, whole[source].attention[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(video[-1], whole[source].video[0], rtol=0, atol=1e-5)


def test_the_video_score_is_that_of_the_snippets_seen_so_far_and_within_the_horizon(model):
    streams, horizon = features(30), 11
    with torch.no_grad():
        out = model.cbp(
            SnippetBatch(
                {name: rows[None] for name, rows in streams.items()},
                torch.ones(1, 30, dtype=torch.bool),
                torch.arange(30)[None],
                torch.zeros(1, 3),
                torch.zeros(1, dtype=torch.long),
            )
        )
    found = in_chunks(OnlineScorer(model, horizon), streams, [7, 1, 12, 10])["cbp"][2]
    for last in range(30):
        seen = out.suppressed[:, max(0, last - horizon + 1) : last + 1]
        expected = topk_pool(seen, torch.ones(seen.shape[:2], dtype=torch.bool), 4).softmax(dim=1)[0, :-1]
        torch.testing.assert_close(found[last], expected, rtol=0, atol=1e-5)


def test_what_is_kept_does_not_grow(model):
    scorer = OnlineScorer(model, horizon=20)
    sizes = []
    for _ in range(15):
        scorer.push(features(3))
        kept = [part._logits for part in scorer._parts] + [r for p in scorer._parts for r in p._rows.values()]
        sizes.append(sum(rows.untyped_storage().nbytes() for rows in kept))
    assert sizes[-1] == sizes[-2] == sizes[8] > sizes[0]
    assert scorer.past == 4 + 3 + 2


def test_many_snippets_at_once_are_scored_in_pieces(model):
    streams = features(70)
    together, single = OnlineScorer(model).push(streams), in_chunks(OnlineScorer(model), streams, [30, 40])
    for source, scores in together.items():
        for one, other in zip(scores, single[source], strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_a_branch_alone_scores_a_stream_of_its_own_features(model):
    found = OnlineScorer(model.cbp).push({"i3d": features(9)["i3d"]})
    pair = OnlineScorer(model).push(features(9))
    torch.testing.assert_close(found["cbp"].probability, pair["cbp"].probability)


def test_causal_scores_of_whole_videos_are_put_back_in_time(tmp_path):
    """With the same weights, a causal head finds what the usual one finds, at the same times."""
    torch.manual_seed(0)
    rows = torch.zeros(40, DIMS["i3d"])
    rows[12:22] = torch.randn(10, DIMS["i3d"])
    batch = SnippetBatch(
        {"i3d": rows[None]},
        torch.ones(1, 40, dtype=torch.bool),
        torch.arange(40)[None],
        torch.zeros(1, 3),
        torch.zeros(1, dtype=torch.long),
    )
    video, found = Video("a", 40, TimeGrid(), 25.6), {}
    usual, causal = (branches(tmp_path, is_causal)[0](CLASSES).eval() for is_causal in (False, True))
    for parameter in usual.head.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    usual.average.update(usual.head)
    causal.load_state_dict(usual.state_dict())
    for module in (usual, causal):
        module.localizer = Localizer(thresholds=(0.4, 0.5, 0.6), min_score=0.05, video_power=0)
        (found[module],) = module.localize(module.all_scores(batch), batch, [video])["cbp"]
    inside = [np.stack([f.start_s, f.end_s, f.score], 1)[(f.start_s > 3) & (f.end_s < 20)] for f in found.values()]
    assert len(inside[0]) > 3
    np.testing.assert_allclose(*inside, atol=1e-5)


class Whole(LocalizationModule):
    """Any other model."""


def test_what_cannot_score_a_stream_is_refused_with_the_way_out(model, tmp_path):
    torch.manual_seed(0)
    _, vlp = branches(tmp_path)
    cbp, _ = branches(tmp_path, causal=False)
    with pytest.raises(ConfigError, match=r"AttentionMILHead of 'cbp' looks at what comes after.*profiles/causal.yaml"):
        OnlineScorer(CollaborationModule(CLASSES, cbp, vlp))
    with pytest.raises(ConfigError, match=r"Whole sees a whole video.*profiles/causal.yaml"):
        OnlineScorer(Whole(CLASSES, Localizer()))
    with pytest.raises(FeatureError, match=r"\[2, 3\] snippets"):
        OnlineScorer(model).push({"i3d": features(2)["i3d"], "clip": features(3)["clip"]})
    with pytest.raises(FeatureError, match="reads the stream 'i3d'"):
        OnlineScorer(model.cbp).push({"clip": features(2)["clip"]})
