"""The same seed gives the same weights and detections, whatever loads the videos and however they are batched."""

import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from wtal.branches.scoring import score_videos
from wtal.collaboration import Schedule, Thresholds
from wtal.nn.heads import AttentionMILHead, BaSNetHead, CO2Head, DELUHead, TextHead, UMHead, ZeroShotHead
from wtal.nn.modes import evaluating
from wtal.nn.text.prompts import FileText
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

CBP = {
    "attention_mil": partial(AttentionMILHead, in_dim=16, hidden=8),
    "basnet": partial(BaSNetHead, in_dim=16, hidden=8, filter_dim=8),
    "co2": partial(CO2Head, in_dim=16, hidden=8, attention_dim=8),
    "um": partial(UMHead, in_dim=16, hidden=8),
    "delu": partial(DELUHead, in_dim=16, hidden=8, attention_dim=8, steps=9),
}


def digest(module) -> str:
    return hashlib.sha256(b"".join(v.contiguous().numpy().tobytes() for v in module.state_dict().values())).hexdigest()


SCRIPT = """
import importlib.util, sys
from pathlib import Path

def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(sys.argv[1]) / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

from wtal.collaboration import Schedule
pair, digest = load("conftest").Pair(Path(sys.argv[2])), load("test_determinism").digest
data = pair.data(num_workers=int(sys.argv[3]))
model, trainer = pair.model(data, Schedule(warm_up=1, pattern="BF")), pair.trainer(3)
trainer.fit(model, data)
found = trainer.predict(model, data)
print(digest(model))
print([(name, [column.tolist() for column in result.detections])
       for batch in found for results in batch.values() for name, result in results.items()])
"""


@pytest.mark.slow
def test_two_processes_agree_in_every_bit(pair, tmp_path: Path):
    pair.data()
    command = [sys.executable, "-c", SCRIPT, Path(__file__).parent, tmp_path]
    root = Path(__file__).parents[2]
    outs = [
        subprocess.run([*command, workers], check=True, cwd=root, capture_output=True, text=True, timeout=300).stdout
        for workers in ("0", "0", "2")
    ]
    printed = [[line for line in out.splitlines() if line.startswith("[(") or len(line) == 64] for out in outs]
    assert len(printed[0]) == 2
    assert printed[0] == printed[1] == printed[2]


def test_workers_change_nothing(pair):
    digests = set()
    for workers in (0, 1, 2, 4):
        data = pair.data(num_workers=workers)
        model = pair.model(data, Schedule(warm_up=0, pattern="B"))
        pair.trainer(1).fit(model, data)
        digests.add(digest(model))
    assert len(digests) == 1


@pytest.fixture(params=CBP)
def model(request, pair):
    data = pair.data()
    return pair.model(data, Schedule(), CBP[request.param]).eval()


def detections_of(model, data, videos=None):
    scores = score_videos(model, data, "test", videos)
    return {(name, source): one.detections(source) for name, one in scores.items() for source in one.sources}


def assert_same_detections(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, found in ours.items():
        for a, b in zip(found, theirs[key], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_video_is_localized_the_same_alone_and_in_a_batch(model, pair):
    alone = detections_of(model, pair.data(eval_batch_size=1))
    assert sum(len(found.score) for found in alone.values()) > 0
    assert_same_detections(alone, detections_of(model, pair.data(eval_batch_size=3)))
    names = [video.video_id for video in pair.data().videos("test")]
    assert_same_detections(
        {k: v for k, v in alone.items() if k[0] == names[2]}, detections_of(model, pair.data(), names[2:])
    )


@torch.no_grad()
def test_the_order_of_a_batch_changes_nothing(model, pair):
    dataset = pair.data().dataset("test")
    straight, turned = dataset.collate([dataset[i] for i in range(3)]), dataset.collate([dataset[i] for i in (2, 0, 1)])
    a, b = model.all_scores(straight), model.all_scores(turned)
    for source in model.sources:
        for ours, theirs in zip(a[source], b[source], strict=True):
            torch.testing.assert_close(ours[[2, 0, 1]], theirs, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_fused_scores_are_the_parts_by_hand(model, pair):
    dataset = pair.data().dataset("test")
    batch, fusion = dataset.collate([dataset[0], dataset[1]]), model.fusion
    cbp, vlp, fused = model.cbp.scores(batch), model.vlp.scores(batch), model.all_scores(batch)["fused"]
    for name in SnippetScores._fields:
        weight = getattr(fusion, name)
        parts = [getattr(part, name).double().numpy() for part in (cbp, vlp)]
        with np.errstate(divide="ignore"):
            by_hand = np.exp(weight * np.log(parts[0]) + (1 - weight) * np.log(parts[1]))
        np.testing.assert_allclose(getattr(fused, name).numpy(), by_hand, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("branch", ["cbp", "vlp"])
def test_padding_adds_nothing_to_any_loss(pair, branch):
    """The head's own losses and those of distillation, even if the padding is full of rubbish and labels."""
    model = getattr(pair.model(pair.data(), Schedule()), branch)
    model.distillation = type(model.distillation)(attention=1.0, classes=1.0, contrast=1.0)
    torch.manual_seed(0)

    def terms(length):
        def padded(part, value):
            rest = torch.full((1, length - 9, *part.shape[2:]), value, dtype=part.dtype)
            return torch.cat([part, rest], dim=1)

        mask = torch.arange(length)[None] < 9
        streams = {"i3d": padded(i3d, 50.0), "clip": padded(clip, 50.0)}
        batch = SnippetBatch(streams, mask, mask.long(), labels, torch.zeros(1).long())
        out = model.eval()(batch)
        pseudo = PseudoLabels(padded(label, 1), padded(class_index, 2))
        return {**model.head.losses(out, mask, labels), **model.distillation_losses(out, batch, pseudo)}

    i3d, clip = torch.randn(1, 9, 16), torch.randn(1, 9, 12)
    labels = torch.tensor([[1.0, 0, 1, 0, 0, 0]])
    label = torch.tensor([[1, 0, -1, 1, 0, 1, 1, -1, 0]], dtype=torch.int8)
    class_index = torch.where(label == 1, 2, -1).to(torch.int16)
    torch.testing.assert_close(terms(20), terms(9), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [*CBP, "text", "zero_shot"])
@torch.no_grad()
def test_classes_in_another_order_come_out_in_that_order(name, tmp_path: Path):
    """The order of the files and labels decides; the weights of a class move with it."""
    names, order = ["run", "jump", "throw"], [2, 0, 1]
    np.save(tmp_path / "text.npy", np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32))
    (tmp_path / "classes.txt").write_text("\n".join(names))
    text = partial(FileText, path=tmp_path / "text.npy")
    vlp = {
        "text": partial(TextHead, text=text, dim=16, width=8, heads=2),
        "zero_shot": partial(ZeroShotHead, text=text),
    }
    head = {**CBP, **vlp}[name]
    torch.manual_seed(0)
    one, other = head(names).eval(), head([names[place] for place in order]).eval()
    for residual in one.parameters():
        residual.add_(torch.randn_like(residual) * 0.1)
    weights = one.state_dict()
    for key, value in weights.items():
        if key.startswith(("classifier", "text.", "bias")):
            weights[key] = value[[*order, 3] if len(value) == 4 else order]
        elif key == "temporal.reduce.weight":
            weights[key] = value[:, [*range(16), *(16 + place for place in order)]]
    other.load_state_dict(weights)
    features, mask = torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool)
    a, b = one(features, mask), other(features, mask)
    torch.testing.assert_close(a.cas[..., order], b.cas, rtol=1e-4, atol=1e-5)
    for part in ("background", "attention", "embedding"):
        torch.testing.assert_close(getattr(a, part), getattr(b, part), rtol=1e-4, atol=1e-5)
    if name != "zero_shot":
        labels = torch.tensor([[1.0, 1, 0], [0, 1, 0]])
        torch.testing.assert_close(
            other.losses(b, mask, labels[:, order]), one.losses(a, mask, labels), rtol=1e-4, atol=1e-5
        )


# Labels that say nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thresholds", "warning"),
    [
        (
            Thresholds(high=1.0, low=0.0),
            "CBP is confident about no snippet, so VLP learns from video labels alone in this turn",
        ),
        (Thresholds(high=1.0, low=1.0), None),
    ],
)
def test_a_turn_without_labels_continues_with_a_warning(pair, thresholds, warning, recwarn):
    data = pair.data()
    model = pair.model(data, Schedule(warm_up=1, pattern="BF"), cbp_thresholds=thresholds)
    pair.trainer(3).fit(model, data)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    messages = [str(one.message) for one in recwarn if "is confident about no snippet" in str(one.message)]
    assert [warning in message for message in messages] == ([True] if warning else [])


@pytest.mark.parametrize(("kind", "value"), [("foreground", 1), ("background", 0)])
def test_a_teacher_of_only_one_kind_of_label_causes_a_warning(pair, kind, value, monkeypatch):
    import wtal.collaboration.loop as loop

    def alike(scores, labels, mask, *_):
        label = torch.full(mask.shape, value, dtype=torch.int8)
        return PseudoLabels(label, torch.where(label == 1, 0, -1).to(torch.int16))

    monkeypatch.setattr(loop, "pseudo_labels", alike)
    data = pair.data()
    model = pair.model(data, Schedule(warm_up=0, pattern="B"))
    with pytest.warns(UserWarning, match=f"CBP labels every snippet of every video as {kind}, from which VLP"):
        pair.trainer(1).fit(model, data)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_a_frozen_answer_is_the_same_twice(model, pair):
    with evaluating(model):
        first, second = detections_of(model, pair.data()), detections_of(model, pair.data())
    for key, found in first.items():
        assert all(torch.equal(a, b) for a, b in zip(found, second[key], strict=True))
