"""Settings by the command line as a whole: own heads, both spellings of options, files written before version 0.2."""

import sys
from pathlib import Path

import pytest
import yaml

from wtal.commands.main import main
from wtal.training.checkpoint import load

OWN_HEADS = '''
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from wtal.functional.pooling import topk_pool
from wtal.nn.heads import Head
from wtal.nn.heads.head import joint_background
from wtal.types import BranchOutput


@dataclass(frozen=True)
class OwnWeights:
    mil: float = 1.0
    sparsity: float = 0.1


class OwnHead(Head):
    """A head with a dataclass of weights of its own.

    Args:
        class_names: Names of the classes.
        in_dim: Width of the features.
        hidden: Width of the embedding.
        ratio: Snippets per vote.
        weights: Weights of the loss terms.
    """

    def __init__(self, class_names: Sequence[str], in_dim: int = 2048, hidden: int = 8, ratio: int = 3,
                 weights: OwnWeights = OwnWeights()) -> None:
        super().__init__(ratio)
        self.weights = weights
        self.body = nn.Linear(in_dim, hidden)
        self.classes, self.actionness = nn.Linear(hidden, len(class_names)), nn.Linear(hidden, 1)

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        embedding = self.body(features).relu()
        cas, attention = self.classes(embedding), self.actionness(embedding)[..., 0].sigmoid()
        return BranchOutput(cas, joint_background(cas, attention), attention, embedding)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        video = topk_pool(out.cas, mask, self.ratio)
        return {
            "mil": -self.weights.mil * (labels * video.log_softmax(1)).mean(),
            "sparsity": self.weights.sparsity * out.attention[mask].mean(),
        }


class NarrowHead(OwnHead):
    """The same with other defaults, and without weights."""

    def __init__(self, class_names: Sequence[str], in_dim: int = 64, hidden: int = 4, ratio: int = 5) -> None:
        super().__init__(class_names, in_dim, hidden, ratio)
'''
DATA = "data: {class_path: wtal.data.SyntheticDataModule, init_args: {params: {train_videos: 6, test_videos: 4}}}\n"
SHORT = ("--trainer.max_epochs=1", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu")


@pytest.fixture
def own_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with heads in ``own_heads.py`` and data in ``data.yaml``."""
    (tmp_path / "own_heads.py").write_text(OWN_HEADS)
    (tmp_path / "data.yaml").write_text(DATA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_heads", raising=False)
    return tmp_path


def settings_of(folder: str) -> dict:
    return yaml.safe_load(Path("runs", folder, "version_0", "config.yaml").read_text())


# Own heads ------------------------------------------------------------------------------------------------------------


def test_an_own_head_with_own_weights_trains_and_loads(own_heads: Path):
    Path("own.yaml").write_text(
        "model:\n  class_path: wtal.branches.CBPBranch\n  init_args:\n"
        "    head: {class_path: own_heads.OwnHead, init_args: {in_dim: 64, weights: {mil: 1.0, sparsity: 0.2}}}\n"
    )
    assert main(["fit", "-c", "data.yaml", "-c", "own.yaml", "--name=own", *SHORT]) == 0
    head = settings_of("own")["model"]["init_args"]["head"]["init_args"]
    assert head == {"in_dim": 64, "hidden": 8, "ratio": 3, "weights": {"mil": 1.0, "sparsity": 0.2}}
    loaded = load("runs/own", trust=["own_heads"]).model.head
    assert (type(loaded).__name__, loaded.weights.sparsity, loaded.ratio) == ("OwnHead", 0.2, 3)


def test_an_own_head_without_any_file_has_its_own_defaults(own_heads: Path):
    words = ["--model=CBPBranch", "--model.head=own_heads.NarrowHead", "-c", "data.yaml", "--name=narrow"]
    assert main(["fit", *words, *SHORT]) == 0
    head = settings_of("narrow")["model"]["init_args"]["head"]
    assert head == {"class_path": "own_heads.NarrowHead", "init_args": {"in_dim": 64, "hidden": 4, "ratio": 5}}


@pytest.mark.parametrize("head", ["own_heads.OwnHead", "UMHead"])
def test_features_of_another_width_are_one_sentence(head, own_heads: Path, capsys):
    assert main(["fit", "-c", "data.yaml", "--model=CBPBranch", f"--model.head={head}", *SHORT]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("wtal: error: ")
    assert "2048" in error
    assert "`in_dim`" in error


# Spelling -------------------------------------------------------------------------------------------------------------


def test_options_are_taken_with_dashes_and_with_underscores(toy: Path):
    words = ["--then-test", "--seed-everything", "3", "--trainer.max-epochs=1", "--name", "my-run"]
    assert main(["fit", "-c", str(toy), *words, "--data.workers", "0", "--trainer.log-every-n-steps=2"]) == 0
    settings = settings_of("my-run")
    assert (settings["then_test"], settings["seed_everything"], settings["name"]) == (True, 3, "my-run")
    assert (settings["trainer"]["max_epochs"], settings["trainer"]["log_every_n_steps"]) == (1, 2)


def test_a_training_does_not_write_to_an_address(toy: Path, capsys):
    assert main(["fit", "-c", str(toy), "--trainer.default_root_dir", "s3://bucket/runs"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "wtal: error: trainer.default_root_dir: s3://bucket/runs is an address: train into a folder, and `wtal push` "
        "the run there."
    )
    assert not Path("s3:").exists()


def test_dashes_reach_the_settings_of_classes(capsys):
    words = ["--model=CBPBranch", "--model.head=UMHead", "--data=SyntheticDataModule"]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *words, "--data.held-out", "0.25", "--model.head.in-dim=64", "--print-config"])
    assert stop.value.code in (0, None)
    settings = yaml.safe_load(capsys.readouterr().out)
    assert settings["data"]["init_args"]["held_out"] == 0.25
    assert settings["model"]["init_args"]["head"]["init_args"]["in_dim"] == 64


# Files written before version 0.2 ---------------------------------------------------------------------------------


def test_a_configuration_from_before_version_0_2_is_tested(trained, tmp_path: Path, monkeypatch):
    it = trained("collaboration")
    config = next(it.folder.rglob("config.yaml")).read_text()
    old = config.replace("wtal.nn.text.", "wtal.nn.prompts.")
    assert old != config
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(old)
    words = [f"--ckpt_path={it.checkpoint}", f"--trainer.default_root_dir={tmp_path / 'runs'}", "--name=again"]
    assert main(["test", "-c", "old.yaml", *words]) == 0
    text = settings_of("again")["model"]["init_args"]["vlp"]["init_args"]["head"]["init_args"]["text"]
    assert text["class_path"] == "wtal.nn.text.FileText"
