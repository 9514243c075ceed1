"""Two branches of any kind on any streams are a configuration."""

import json
import math
from pathlib import Path

import pytest
import torch
import yaml

import wtal
from wtal.branches import CBPBranch, View
from wtal.collaboration import CollaborationModule, Schedule
from wtal.errors import CheckpointError, ConfigError, FeatureError
from wtal.report.page.build import write_page
from wtal.report.page.material import gather
from wtal.report.page.training import bands
from wtal.results.scores import read_pseudo_labels
from wtal.training.cli import WTALCLI

TRAINER = {
    "max_epochs": 2,
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "default_root_dir": "runs",
}


def branch(name: str, width: int, **view: str) -> dict:
    return {
        "class_path": "CBPBranch",
        "init_args": {
            "view": {"name": name, "streams": [name], **view},
            "head": {"class_path": "AttentionMILHead", "init_args": {"in_dim": width, "hidden": 8}},
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
        },
    }


def fit(folder: Path, data: dict, first: dict, second: dict) -> Path:
    """Train and test from a configuration alone; returns the run's folder."""
    pair = {"cbp": first, "vlp": second, "schedule": {"warm_up": 0, "pattern": "BF", "from_cbp": "both"}}
    pair |= {"cbp_thresholds": {"low": 0.5, "high": 0.5}, "vlp_thresholds": {"low": 0.5, "high": 0.5}}
    model = {"class_path": "CollaborationModule", "init_args": pair}
    config = folder / "pair.yaml"
    config.write_text(yaml.safe_dump({"model": model, "data": data, "trainer": TRAINER}))
    WTALCLI(["fit", f"--config={config}", "--then_test=true"])
    return folder / "runs" / "CollaborationModule" / "version_0"


def is_complete(run: Path, names: set[str]) -> None:
    """Everything that a run leaves is named after its branches."""
    assert {path.stem for path in (run / "predictions").iterdir()} == {*names, "fused", "ground_truth"}
    assert {path.stem for path in (run / "scores").iterdir()} == {*names, "fused"}
    assert set(read_pseudo_labels(run / "pseudo_labels.npz").label) == names
    metrics = json.loads((run / "record.json").read_text())["metrics"]
    assert {name.split("/")[1] for name in metrics} == {*names, "fused"}
    assert all(0 <= metrics[f"test/{name}/mAP"] <= 1 for name in names)
    logged = (run / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {f"train/{name}/loss" for name in names} <= set(logged)
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert set(checkpoint["loops"]["fit_loop"]["state_dict"]["pseudo_labels"]) == names
    assert set(checkpoint["optimizer_states"][0]) == names


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory):
    """Two branches, each on one half of the embedded benchmark's I3D-like features."""
    folder = tmp_path_factory.mktemp("halves")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        i3d = {"path": "made/i3d", "layout": "joint"}
        streams = {"a": {**i3d, "columns": "0:10"}, "b": {**i3d, "columns": "10:16"}}
        params = {"train_videos": 8, "test_videos": 3, "i3d_dim": 16, "clip_dim": 12}
        options = {"root": "made", "params": params, "streams": streams, "num_snippets": 32, "num_workers": 1}
        data = {"class_path": "SyntheticDataModule", "init_args": options}
        run = fit(folder, data, branch("a", 10, title="First half"), branch("b", 6, colour="#cc79a7"))
        yield run


def test_two_views_of_one_file_teach_each_other(halves: Path):
    is_complete(halves, {"a", "b"})


def test_such_a_checkpoint_rebuilds_its_model(halves: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(halves.parents[2])
    run = wtal.load(halves)
    assert run.model.sources == ("a", "b", "fused")
    assert [view.title for view in run.model.views] == ["First half", "b", "ours"]
    name = run.data.videos("test")[0].video_id
    scores = wtal.predict(run, videos=[name])
    figure = wtal.plot(scores[name], truth=run.data)
    axes = [axis for part in figure.subfigs for axis in part.axes]
    assert [axis.get_ylabel() for axis in axes] == ["ground truth", "First half", "b", "ours"]
    assert [axis.lines[0].get_color() for axis in axes[1:]] == ["#0072b2", "#cc79a7", "#009e73"]


def test_the_page_names_and_colours_the_branches(halves: Path, tmp_path: Path):
    material = gather([halves])
    assert [(method.name, method.colour) for method in material.methods] == [
        ("First half", "p0"),
        ("b", "p3"),
        ("collaboration", "fused"),
    ]
    assert [band.letter for band in bands(material.training[0])] == ["B", "F"]
    write_page([halves], tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text()
    assert "What First half teaches b" in page


def test_hand_and_arm_sensors_teach_each_other(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Five channels per sensor, four statistics of each: the hand is the first sensor, the arm the other two."""
    monkeypatch.chdir(tmp_path)
    recordings = shared / "data" / "real" / "gestures_imu"
    sensors = {"path": str(recordings / "imu"), "layout": "joint", "fps": 4, "stride": 1, "window": 1}
    columns = {"hand": "0:5, 15:20, 30:35, 45:50", "arm": "5:15, 20:30, 35:45, 50:60"}
    streams = {name: {**sensors, "columns": chosen} for name, chosen in columns.items()}
    options = {"annotations": str(recordings / "gt.json"), "streams": streams, "name": "gestures"}
    run = fit(tmp_path, {"class_path": "CustomDataModule", "init_args": options}, branch("hand", 20), branch("arm", 40))
    is_complete(run, {"hand", "arm"})


# What may be wrong --------------------------------------------------------------------------------------------------


def test_branches_need_names_of_their_own():
    for view in (View("cbp"), View("fused")):
        with pytest.raises(ConfigError, match=r"give each a `view.name` of its own"):
            CollaborationModule(["run"], CBPBranch, lambda names, view=view: CBPBranch(names, view=view))


def test_a_stream_that_the_data_lack_is_named(pair):
    data = pair.data()
    model = CBPBranch(data.class_names, view=View("pose", ("pose",), "Pose"))
    with pytest.raises(FeatureError, match="reads the stream 'pose', but the data have i3d, clip"):
        pair.trainer(1).fit(model, data)
    with pytest.raises(FeatureError, match="Pose reads the stream 'pose', but the data have i3d, clip"):
        model(next(iter(data.test_dataloader())))


def test_a_checkpoint_of_branches_of_other_names_is_refused(pair, tmp_path):
    data = pair.data()
    trainer = pair.trainer(2)
    trainer.fit(pair.model(data, Schedule(warm_up=1)), data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    other = pair.model(data, Schedule(warm_up=1))
    other.cbp.name = "hand"
    with pytest.raises(
        CheckpointError, match="trained with the branches cbp and vlp, but here they are called hand and vlp"
    ):
        pair.trainer(3).fit(other, data, ckpt_path=tmp_path / "a.ckpt")


def test_the_command_line_gives_a_branch_any_source_of_labels(halves: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(halves.parents[2])
    config = yaml.safe_load((halves.parents[2] / "pair.yaml").read_text())
    base = tmp_path / "base.yaml"
    base.write_text(yaml.safe_dump({"data": config["data"], "trainer": {**TRAINER, "max_epochs": 1}}))
    arguments = ["--model=CBPBranch", "--model.head=AttentionMILHead", "--model.head.in_dim=16"]
    arguments += ["--model.labels=FileLabels", f"--model.labels.path={halves / 'pseudo_labels.npz'}"]
    cli = WTALCLI(["fit", f"--config={base}", *arguments, "--model.labels.student=a", "--name=alone"])
    assert "train/distil_attention" in cli.trainer.callback_metrics
    assert not math.isnan(float(cli.trainer.callback_metrics["train/loss"]))
    again = wtal.load(halves.parents[1] / "alone")
    assert again.model.labels.student == "a"
