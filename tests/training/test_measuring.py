"""Which weights are measured, and where the numbers of a test are kept."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning import Trainer

import wtal
from wtal.branches import CBPBranch
from wtal.commands.main import main
from wtal.commands.table import run as table
from wtal.nn.heads import AttentionMILHead
from wtal.results import RunFolder, read_about, read_record
from wtal.training.outputs import ResultsTable

ROOT = Path(wtal.__file__).parents[1]
SMALL = {
    "trainer": {"max_epochs": 2, "enable_model_summary": False, "enable_progress_bar": False, "accelerator": "cpu"},
    "model": {"init_args": {"schedule": {"warm_up": 1, "pattern": "FB", "period": 1}}},
    "data": {"init_args": {"params": {"train_videos": 12, "test_videos": 6}}},
}


CONFIG = ["-c", str(ROOT / "configs" / "synthetic.yaml"), "-c", "small.yaml", "--name=a"]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a short collaboration on a small embedded benchmark, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    return CONFIG


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit with seed 3."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("once"))
        Path("small.yaml").write_text(yaml.safe_dump(SMALL))
        assert main(["fit", *CONFIG, "--seed_everything=3"]) == 0
        return Path.cwd() / "runs"


@pytest.fixture
def fitted(once: Path, words: list[str]) -> list[str]:
    """The options after a fit with seed 3."""
    shutil.copytree(once, "runs")
    return words


def run(version: int = 0) -> RunFolder:
    return RunFolder(Path("runs", "a", f"version_{version}"))


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


# Weights that were neither trained nor loaded ----------------------------------------------------------------------


@pytest.mark.parametrize("command", ["test", "predict", "validate"])
def test_random_weights_are_not_measured(command, words, capsys):
    assert main([command, *words, "--data.held_out=0.3"]) == 2
    assert f"`wtal {command}` without a checkpoint would measure random weights (cbp, vlp, fused)" in sentence(capsys)
    assert not run().path.exists()


@pytest.mark.parametrize(("command", "limit"), [("test", "test"), ("predict", "predict"), ("validate", "val")])
def test_no_video_at_all_is_refused(command, limit, words, capsys):
    option = f"trainer.limit_{limit}_batches"
    assert main([command, *words, "--data.held_out=0.3", f"--{option}=0", "--trainer.fast_dev_run=false"]) == 2
    assert f"`{option}` is 0, so `wtal {command}` would measure no video: leave it out." in sentence(capsys)
    assert not run().path.exists()


def test_a_model_of_another_kind_is_not_measured_either(toy: Path, capsys):
    assert main(["test", "-c", str(toy)]) == 2
    assert "random weights (ToyModel)" in sentence(capsys)
    assert main(["test", "-c", str(toy), "--trainer.fast_dev_run=true"]) == 0


def test_a_head_without_anything_to_train_is_measured(words):
    vlp = ["--model=wtal.branches.VLPBranch", "--model.head=wtal.nn.heads.ZeroShotHead"]
    text = ["--model.head.text=wtal.nn.text.FileText", "--model.head.text.path=runs/synthetic/text/text.npy"]
    config = ["-c", words[1], "--data.params.train_videos=12", "--data.params.test_videos=6", "--name=a"]
    assert main(["test", *config, *vlp, *text, "--trainer.enable_progress_bar=false"]) == 0
    assert read_about(run().about).checkpoint == "none, as nothing is trained"


OWN_HEAD = """
import torch
from wtal.nn.heads import AttentionMILHead


class OwnHead(AttentionMILHead):
    def __init__(self, class_names: list[str], in_dim: int = 64, path: str = ""):
        super().__init__(class_names, in_dim=in_dim, hidden=8)
        if path == "by hand":
            self.is_trained = True
        elif path:
            self.load_state_dict(torch.load(path))
"""


def test_a_head_that_loads_its_own_weights_is_measured(words, trained, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("own_head_of_a_test.py").write_text(OWN_HEAD)
    from own_head_of_a_test import OwnHead

    config = ["-c", words[1], "-c", "small_data.yaml", "--name=a", "--model=wtal.branches.CBPBranch"]
    Path("small_data.yaml").write_text(yaml.safe_dump({"data": SMALL["data"]}))
    config += ["--model.head=own_head_of_a_test.OwnHead", "--trainer.enable_progress_bar=false"]
    torch.save(OwnHead(trained("cbp").data.class_names).state_dict(), "own.pt")
    assert main(["predict", *config]) == 2
    assert "a head or module that fills its weights itself sets `is_trained = True`" in sentence(capsys)
    for path in ("by hand", "own.pt"):
        assert main(["predict", *config, f"--model.head.path={path}"]) == 0


def test_loading_marks_a_head_as_trained():
    def branch() -> CBPBranch:
        return CBPBranch(["a", "b"], lambda names: AttentionMILHead(names, in_dim=4, hidden=4))

    fresh, saved = branch(), branch()
    assert fresh.untrained == ("cbp",)
    fresh.load_state_dict(saved.state_dict())
    assert fresh.untrained == ()
    saved.head.load_state_dict(fresh.head.state_dict())
    assert saved.untrained == ()


def test_in_python_the_table_names_random_weights(trained, capsys):
    it = trained("cbp")
    model = CBPBranch(it.data.class_names, lambda names: AttentionMILHead(names, in_dim=64, hidden=4))
    options = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "accelerator": "cpu"}
    Trainer(callbacks=[ResultsTable()], **options).test(model, it.data, verbose=False)
    assert "untrained weights of cbp, which mean nothing" in " ".join(capsys.readouterr().out.split())


# `last` and `best` in a new process ---------------------------------------------------------------------------------


def test_last_and_best_are_found_in_the_only_run_of_the_same_settings(words, capsys):
    for word in ("last", "best"):
        assert main(["test", *words, f"--ckpt_path={word}"]) == 2
        assert "runs/a has no run: give the path of a checkpoint, such as runs/a/version_0/" in sentence(capsys)
    save = "{class_path: pytorch_lightning.callbacks.ModelCheckpoint, init_args: {monitor: val/fused/video_mAP, "
    words = [*words, f"--trainer.callbacks+={save}mode: max, filename: best}}}}", "--data.held_out=0.3"]
    assert main(["fit", *words]) == 0
    assert main(["test", *words, "--ckpt_path=last"]) == 0
    assert f"`--ckpt_path last` is {run().last}." in capsys.readouterr().err
    assert read_about(run(1).about).checkpoint == "last.ckpt"
    assert yaml.safe_load(run(1).config.read_text())["ckpt_path"] == str(run().last)
    assert main(["test", *words, "--ckpt_path=best"]) == 0
    assert read_about(run(2).about).checkpoint == "best.ckpt"
    record = read_record(run().record)
    assert record.selected is not None
    assert record.metrics.keys() >= record.selected.keys() > {"test/fused/mAP"}


def test_last_and_best_are_refused_where_they_are_not_clear(fitted, capsys):
    words = [*fitted, "--seed_everything=3"]
    assert main(["test", *words, "--ckpt_path=best"]) == 2
    assert f"has chosen no checkpoint on held-out videos: give {run().last}" in sentence(capsys)
    assert main(["test", *words, "--ckpt_path=last", "--seed_everything=1"]) == 2
    assert "1 runs, all of other settings" in sentence(capsys)
    shutil.copytree(run().path, run(1).path)
    assert main(["test", *words, "--ckpt_path=last"]) == 2
    assert f"2 runs of these settings: give the path of a checkpoint, such as {run(1).last}" in sentence(capsys)


# Where the numbers are kept -----------------------------------------------------------------------------------------


def test_a_fit_and_its_test_are_enough_for_a_table(fitted, capsys):
    assert not read_record(run().record).is_tested
    assert main(["test", *fitted, f"--ckpt_path={run().last}"]) == 0  # the seed of the training counts
    record = read_record(run().record)
    assert (record.is_tested, record.seed) == (True, 3)
    assert not run(1).record.exists()
    capsys.readouterr()
    table([Path("runs")])
    assert "seeds: 3" in capsys.readouterr().out


def test_a_test_with_other_settings_has_a_record_of_its_own(fitted):
    assert main(["test", *fitted, f"--ckpt_path={run().last}", "--model.localizer.sigma=0.9"]) == 0
    assert not read_record(run().record).is_tested
    own = read_record(run(1).record)
    assert (own.is_tested, own.seed) == (True, 3)
    assert own.config["model"]["init_args"]["localizer"]["sigma"] == 0.9


def test_a_part_of_the_videos_is_measured_by_its_own_truth_and_kept_out_of_the_record(words, capsys):
    assert main(["fit", *words, "--then_test=true", "--trainer.limit_test_batches=2"]) == 0
    out = capsys.readouterr()
    assert "only 2 of 6 videos" in " ".join(out.out.split())
    assert "Only 2 of 6 videos of test were measured" in out.err
    assert not read_record(run().record).is_tested
    assert read_about(run().about).part == "2 of 6 videos"
    assert main(["evaluate", str(run().predictions_of("fused")), f"--annotations={run().ground_truth}"]) == 0
    assert "2 videos" in " ".join(capsys.readouterr().out.split())
    assert main(["test", *words, f"--ckpt_path={run().last}", "--trainer.limit_test_batches=1"]) == 0
    assert "kept out of every record" in sentence(capsys)
    assert not read_record(run().record).is_tested


def test_a_part_of_the_held_out_videos_is_kept_out_of_the_record(words, capsys):
    held_out = ["--data.held_out=0.4", "--data.eval_batch_size=1"]
    assert main(["fit", *words, *held_out, "--trainer.limit_val_batches=1"]) == 0
    assert "; only 1 of" in capsys.readouterr().out
    assert not any(name.startswith("val/") for name in read_record(run().record).metrics)
    assert main(["fit", *words, *held_out]) == 0
    assert read_record(run(1).record).metrics["val/fused/video_mAP"] > 0


@pytest.mark.parametrize("option", ["max_epochs", "max_steps"])
def test_a_fit_of_no_epoch_is_refused_and_leaves_nothing(option, words, capsys):
    assert main(["fit", *words, f"--trainer.{option}=0"]) == 2
    assert sentence(capsys).endswith(f"`trainer.{option}` is 0, so nothing would be trained: give a higher number.")
    assert not Path("runs", "a").exists()


def test_a_refused_fit_leaves_no_folder(words, capsys):
    """The features are opened after the run has its folder."""
    Path("labels.csv").write_text("video,label\nv,run\n")
    model = ["--model=CBPBranch", "--model.head=AttentionMILHead", "--model.head.in_dim=4", "--name=a"]
    data = ["--data=CustomDataModule", "--data.annotations=labels.csv", "--data.i3d.path=nowhere"]
    assert main(["fit", *model, *data]) == 2
    assert "There are no features at nowhere" in sentence(capsys)
    assert not any(Path("runs", "a").glob("*"))


def test_a_test_after_a_fit_names_the_checkpoint(words, capsys):
    assert main(["fit", *words, "--then_test=true"]) == 0
    assert "checkpoint: last.ckpt" in " ".join(capsys.readouterr().out.split())
    assert read_about(run().about).checkpoint == "last.ckpt"
    assert main(["fit", *words, "--then_test=true", "--trainer.enable_checkpointing=false"]) == 0
    assert read_about(run(1).about).checkpoint == "none saved, 2 epochs of training"


def test_a_fit_without_a_step_leaves_no_numbers(words, capsys):
    assert main(["fit", *words, "--then_test=true", "--trainer.max_time=00:00:00:00"]) == 0
    out = capsys.readouterr()
    assert "untrained weights of cbp, vlp, fused, which mean nothing" in " ".join(out.out.split())
    assert "The weights of cbp, vlp, fused were not trained, so their numbers are kept out of the record." in out.err
    assert not read_record(run().record).is_tested
