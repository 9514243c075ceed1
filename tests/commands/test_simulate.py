"""From annotations to a trained pair, before any feature is extracted."""

from pathlib import Path

import pytest
import yaml

from wtal.commands.main import main
from wtal.data import read_annotations
from wtal.data.thumos14_lists import THUMOS14_CLASSES
from wtal.results.record import read_record
from wtal.simulation.overlay import base_config

TINY = ["--params.i3d.dim=24", "--params.i3d.nuisances=4", "--params.clip.dim=16"]
LINES = [
    f"{subset}_{number},{label},{start},{start + 6},{subset},40"
    for subset in ("train", "test")
    for number in range(4)
    for label, start in (("run", 4 + number), (("run", "jump")[number % 2], 20))
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with labels."""
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("\n".join(["video,label,start,end,subset,duration", *LINES]) + "\n")
    return tmp_path


def test_simulated_features_are_trained_on_at_once(place: Path, capsys):
    assert main(["simulate", "--annotations", "own.csv", "--output", "sim", *TINY]) == 0
    out = capsys.readouterr().out
    assert "sim: 8 videos, 496 snippets, simulated, seed 0, other parameters than the defaults, over own.csv" in out
    command = out.splitlines()[-1].split()
    assert command == ["wtal", "fit", "-c", "custom.yaml", "-c", "sim/data.yaml", "-c", "sim/texts.yaml"]
    small = {"cbp": {"init_args": {"head": {"init_args": {"hidden": 8}}}}}
    small["vlp"] = {"init_args": {"head": {"init_args": {"width": 8, "heads": 2}}}}
    model = {"schedule": {"warm_up": 1, "period": 1}, **small}
    trainer = {"max_epochs": 3, "accelerator": "cpu", "enable_model_summary": False}
    Path("small.yaml").write_text(yaml.safe_dump({"trainer": trainer, "model": {"init_args": model}}))
    assert main([*command[1:], "-c", "small.yaml", "--then-test"]) == 0
    record = read_record(Path("runs/CollaborationModule/version_0/record.json"))
    assert record is not None
    assert record.features.startswith("simulated, seed 0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--annotations", "none.csv"], "none.csv"),
        (["--annotations", "own.csv", "--videos", "train_9"], "1 of the --videos are not annotated (train_9)"),
        (["--annotations", "own.csv", "--subset", "val"], "No video is of the subset 'val'"),
        (["--annotations", "own.csv", "--layout", "mine"], "layout"),
        (
            ["--annotations", "own.csv", "--params.movement.hidden", "2"],
            "`params.movement.hidden` is 2: give a number in",
        ),
        (["--annotations", "own.csv", "--params.hiden", "2"], "params.hiden"),
        (["--annotations", "own.csv", "--seed", "-1"], "`seed` is -1: give a whole number of 0 or more"),
    ],
)
def test_bad_input_is_one_sentence(words, message, place: Path, capsys):
    assert main(["simulate", "--output", "sim", *words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wtal: error: ")]
    assert message in line
    assert not Path("sim").exists()


def test_parameters_come_from_a_file_too(place: Path):
    Path("hard.yaml").write_text("clip: {dim: 16, context: 0.9}\ni3d: {dim: 24, flow: {movement: 5}}\n")
    words = ["simulate", "--annotations", "own.csv", "--output", "sim", "--params", "hard.yaml", "--videos", "train_0"]
    assert main([*words, "--params.clip.inside", "0.9"]) == 0
    params = yaml.safe_load(Path("sim/simulation.json").read_text())["params"]
    assert params["clip"]["context"] == params["clip"]["inside"] == 0.9
    assert params["i3d"]["dim"] == 24
    assert params["i3d"]["flow"] == {"movement": 5.0, "motion": 4.0, "scene": 0.5}
    assert params["i3d"]["variants"] == 3


def test_the_configuration_suits_the_annotations(place: Path):
    def annotations(*lines: str):
        Path("a.csv").write_text("\n".join(["video,label,subset", *lines]))
        return read_annotations(Path("a.csv"))

    assert base_config(annotations("a,run,train")) == "custom.yaml"
    thumos = [f"video_{('test', 'validation')[n % 2]}_{n},{name}," for n, name in enumerate(THUMOS14_CLASSES)]
    assert base_config(annotations(*thumos)) == "thumos14/collaboration.yaml"
    other = [f"clip_{n},{name}," for n, name in enumerate(THUMOS14_CLASSES)]
    assert base_config(annotations(*other)) == "custom.yaml"
    hundred = [f"v_{n},class {n},{'training' if n % 2 else 'validation'}" for n in range(100)]
    assert base_config(annotations(*hundred)) == "activitynet12/collaboration.yaml"
