"""Exported models answer as the trained ones do, and say who they are; ONNX needs no torch."""

import json
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import wtal
from wtal.branches import CBPBranch, VLPBranch
from wtal.collaboration import CollaborationModule, Fusion
from wtal.deployment import Description, ExportedModule, Scorer, ScoringNetwork, export_model
from wtal.deployment.network import made_up
from wtal.errors import CheckpointError, ConfigError, FeatureError
from wtal.functional import pooling
from wtal.nn.heads import ACMHead, AttentionMILHead, BaSNetHead, CO2Head, DELUHead, TextHead, UMHead, ZeroShotHead
from wtal.nn.text import FileText
from wtal.training.checkpoint import Run
from wtal.types import SnippetBatch

CLASSES = ["run", "jump", "swim"]
onnx = pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime", "onnxscript"))),
    reason="needs wtal[onnx]",
)


@pytest.fixture(scope="module")
def run(trained) -> Run:
    return wtal.load(trained("collaboration").folder)


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collaboration in ONNX."""
    return export_model(run, tmp_path_factory.mktemp("exported") / "model.onnx", "onnx").path


def batch_of(streams: dict[str, int], lengths: tuple[int, ...]) -> SnippetBatch:
    features, mask = made_up(streams, lengths, seed=7)
    empty = mask.new_zeros(0)
    return SnippetBatch(dict(zip(streams, features, strict=True)), mask, empty, empty, empty)


def test_pooling_in_an_exported_graph_is_pooling(monkeypatch: pytest.MonkeyPatch):
    cas = torch.randn(3, 40, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(40)[None] < torch.tensor([[40], [17], [1]])
    expected = pooling.topk_pool(cas, mask, 8)
    monkeypatch.setattr(pooling, "_is_exporting", lambda: True)
    torch.testing.assert_close(pooling.topk_pool(cas, mask, 8), expected)


def test_the_network_alone_answers_as_the_model_with_its_averages(run: Run):
    streams = {"clip": 48, "i3d": 64}
    batch = batch_of(streams, (9, 30))
    assert run.model.cbp.average is not None
    with torch.no_grad():
        found = ScoringNetwork(run.model, tuple(streams))(tuple(batch.streams.values()), batch.mask)
        expected = [part for scores in run.model.all_scores(batch).values() for part in scores]
    assert run.model.cbp.average is not None  # the model itself is as it was
    assert len(found) == 9
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.slow
def test_a_program_of_torch_takes_any_length(run: Run, tmp_path: Path):
    made = export_model(run, tmp_path / "model.pt2", "torch_export")
    assert made.difference < 1e-5
    module = ExportedModule(made.path)
    batch = batch_of(dict(made.description.streams), (3, 211))
    for source, scores in run.model.all_scores(batch).items():
        for ours, theirs in zip(module.all_scores(batch)[source], scores, strict=True):
            torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)


@onnx
def test_onnx_answers_as_the_model_for_all_sources(run: Run, made: Path):
    module = ExportedModule(made)
    assert (module.sources, module.class_names, module.views) == (run.model.sources, run.class_names, run.model.views)
    assert (module.localizer, module.floors) == (run.model.localizer, run.model.floors)
    for lengths in ((1,), (50, 8, 2)):
        batch = batch_of({"clip": 48, "i3d": 64, "audio": 5}, lengths)  # one stream more than it reads
        for source, scores in run.model.all_scores(batch).items():
            probability, attention, video = module.all_scores(batch)[source]
            torch.testing.assert_close(
                probability[batch.mask], scores.probability[batch.mask].detach(), atol=1e-4, rtol=0
            )
            torch.testing.assert_close(attention[batch.mask], scores.attention[batch.mask].detach(), atol=1e-4, rtol=0)
            torch.testing.assert_close(video, scores.video.detach(), atol=1e-4, rtol=0)


@onnx
def test_padding_changes_nothing(made: Path):
    scorer, batch = Scorer.open(made), batch_of({"clip": 48, "i3d": 64}, (20, 60))
    together = scorer.scores({n: part.numpy() for n, part in batch.streams.items()}, batch.mask.numpy())
    alone = scorer.scores({n: part[:1, :20].numpy() for n, part in batch.streams.items()}, batch.mask[:1, :20].numpy())
    for source, (probability, attention, video) in alone.items():
        np.testing.assert_allclose(together[source][0][:1, :20], probability, atol=2e-5)
        np.testing.assert_allclose(together[source][1][:1, :20], attention, atol=2e-5)
        np.testing.assert_allclose(together[source][2][:1], video, atol=2e-5)


@onnx
def test_onnx_needs_no_torch(made: Path):
    code = (
        "import sys; from pathlib import Path; import numpy as np; from wtal.deployment.scorer import Scorer\n"
        f"s = Scorer.open(Path({str(made)!r}))\n"
        "x = {n: np.zeros((1, 5, w), np.float32) for n, w in s.description.streams.items()}\n"
        "print(s.scores(x, np.ones((1, 5), bool))['fused'][0].shape, 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["(1,", "5,", "6)", "False"], ended.stderr


@onnx
def test_wrong_features_are_refused_with_one_sentence(made: Path):
    scorer, mask = Scorer.open(made), np.ones((1, 5), bool)
    with pytest.raises(FeatureError, match="reads the stream 'i3d', but there are clip"):
        scorer.scores({"clip": np.zeros((1, 5, 48), np.float32)}, mask)
    with pytest.raises(FeatureError, match="reads 64 channels of 'i3d'"):
        scorer.scores({"clip": np.zeros((1, 5, 48), np.float32), "i3d": np.zeros((1, 5, 32), np.float32)}, mask)


@onnx
def test_a_foreign_or_damaged_file_is_refused(made: Path, tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(made.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="no ONNX model, or a damaged one"):
        Scorer.open(tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match="does not exist: give a file of `wtal export-model`"):
        Scorer.open(tmp_path / "none.onnx")
    (tmp_path / "last.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"ends in none of \.onnx"):
        Scorer.open(tmp_path / "last.ckpt")


@onnx
def test_a_file_that_answers_otherwise_is_not_written(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    writers = {"onnx": lambda network, description, path: shutil.copyfile(made, path)}
    monkeypatch.setattr("wtal.deployment.export._WRITERS", writers)
    monkeypatch.setattr(run.model, "fusion", Fusion(probability=0.1))
    with pytest.raises(CheckpointError, match=r"differs from torch by .*it was not written"):
        export_model(run, tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_path_of_another_format_is_refused(run: Run, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"must end in \.onnx, which is the format onnx"):
        export_model(run, tmp_path / "model.pt", "onnx")


def test_a_description_survives_its_text():
    described = Description(("a",), {"i3d": 4}, ("cbp",), {"sigma": 0.2}, floors={"cbp": {"a": 0.1}}, digest="12")
    assert Description.from_json(described.to_json(), "x") == described
    for text in ("{}", "[]", "nonsense", json.dumps({**json.loads(described.to_json()), "floors": {"a": 1}})):
        with pytest.raises(CheckpointError, match=r"x is no model of `wtal export-model`"):
            Description.from_json(text, "x")


@pytest.mark.slow
@onnx
@pytest.mark.parametrize("head", [ACMHead, AttentionMILHead, BaSNetHead, CO2Head, DELUHead, UMHead])
def test_every_head_of_cbp_is_exported(head, tmp_path: Path):
    torch.manual_seed(0)
    model = CBPBranch(CLASSES, partial(head, in_dim=16)).eval()
    run = Run(Path("x"), model, CLASSES, {}, 0, None, None)
    assert export_model(run, tmp_path / "model.onnx", "onnx").difference < 1e-4


@pytest.mark.slow
@onnx
@pytest.mark.parametrize("head", [partial(TextHead, dim=16, width=8, heads=2), ZeroShotHead])
def test_every_head_of_vlp_is_exported(head, tmp_path: Path):
    torch.manual_seed(0)
    np.save(tmp_path / "text.npy", np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32))
    model = VLPBranch(CLASSES, partial(head, text=partial(FileText, path=tmp_path / "text.npy"))).eval()
    both = CollaborationModule(CLASSES, partial(CBPBranch, head=partial(AttentionMILHead, in_dim=8)), lambda _: model)
    run = Run(Path("x"), both.eval(), CLASSES, {}, 0, None, None)
    made = export_model(run, tmp_path / "model.onnx", "onnx")
    assert made.difference < 1e-4
    assert made.description.streams == {"clip": 16, "i3d": 8}


@pytest.mark.slow
def test_openvino_answers_as_the_model(run: Run, tmp_path: Path):
    pytest.importorskip("openvino", reason="needs wtal[openvino]")
    made = export_model(run, tmp_path / "model.xml", "openvino")
    assert made.difference < 1e-4
    assert ExportedModule(made.path).sources == run.model.sources
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.json", "model.xml"]
