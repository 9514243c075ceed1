"""Configurations by name: listed, printed, and taken by every command, from any folder."""

from pathlib import Path

import pytest
import yaml

from wtal.commands.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_lists_all_with_one_line_each(capsys):
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(CONFIGS.rglob("*.yaml")))
    assert ["synthetic.yaml", "The", "collaboration", "on", "the", "embedded", "benchmark"] in map(str.split, lines)
    assert not [line for line in lines if "constraints" in line]


def test_prints_one(capsys):
    assert main(["configs", "thumos14/cbp.yaml"]) == 0
    assert capsys.readouterr().out == (CONFIGS / "thumos14" / "cbp.yaml").read_text()
    assert main(["configs", "thumos14/cpb.yaml"]) == 2
    assert "did you mean thumos14/cbp.yaml" in capsys.readouterr().err


def test_fit_takes_a_configuration_and_overlays_by_name(capsys):
    words = ["-c", "thumos14/collaboration.yaml", "--config=configs/ablations/b_only.yaml"]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *words, "--print_config"])
    assert stop.value.code == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert settings["model"]["init_args"]["schedule"]["pattern"] == "B"
    assert settings["data"]["class_path"] == "wtal.data.THUMOS14DataModule"


def test_settings_given_as_text_are_no_name(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "-c", "synthetic.yaml", "--config", "{trainer: {max_epochs: 3}}", "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out)["trainer"]["max_epochs"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "-c", "sythetic.yaml"],
        ["compare", "--config", "sythetic.yaml"],
        ["compare", "--config", "synthetic.yaml", "--ablations", "sythetic.yaml"],
        ["data", "check", "sythetic.yaml"],
        ["data", "check", "synthetic.yaml", "--also", "sythetic.yaml"],
        ["sweep", "sythetic.yaml"],
    ],
)
def test_every_command_suggests_what_is_meant(words, capsys):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wtal: error: sythetic.yaml does not exist, and no shipped configuration has this name")
    assert "synthetic.yaml" in line


def test_data_check_and_sweep_take_names(capsys, monkeypatch):
    assert main(["data", "check", "synthetic.yaml", "--no-such-option", "1"]) == 2
    assert "no-such-option" in capsys.readouterr().err
    assert main(["sweep", "sweeps/synthetic.yaml", "--seeds", "0", "--output", "runs", "--jobs", "x"]) == 2
    assert "jobs" in capsys.readouterr().err
    assert main(["data", "check", "configs/synthetic.yaml"]) == 0
    assert "A training can run." in capsys.readouterr().out
