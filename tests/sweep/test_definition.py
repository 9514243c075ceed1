import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml

from wtal.errors import ConfigError
from wtal.sweep.definition import read_sweep
from wtal.training.cli import WTALCLI

GRID = {
    "program": "wtal",
    "method": "grid",
    "metric": {"name": "test/mAP", "goal": "maximize"},
    "command": ["wtal", "fit", "--config", "c.yaml", "${args}"],
    "parameters": {
        "a": {"values": [1, 2]},
        "model": {"parameters": {"b": {"values": ["x", True]}}},
        "c": {"value": 0.5},
    },
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def one(**changes):
        path = tmp_path / "sweep.yaml"
        path.write_text(
            yaml.safe_dump({k: v for k, v in {**GRID, **changes}.items() if v is not None}, sort_keys=False)
        )
        return path

    return one


def test_a_grid_is_every_combination_and_its_command(write):
    sweep = read_sweep(write())
    grid = sweep.grid()
    assert grid[1] == {"a": 1, "model.b": True, "c": 0.5}
    assert len(grid) == 4
    assert sweep.words(grid[1], ["--end"]) == [
        *(sys.executable, "-m", "wtal", "fit", "--config", "c.yaml", "--a=1", "--model.b=true", "--c=0.5", "--end"),
    ]


def test_a_run_is_named_by_its_command_and_settings(write, tmp_path):
    sweep = read_sweep(write())
    one = sweep.run_name({"a": 1, "model.b": "x"})
    assert one == sweep.run_name({"model.b": "x", "a": 1})
    assert one != sweep.run_name({"a": 2, "model.b": "x"})
    (tmp_path / "c.yaml").write_text("max_epochs: 3")
    changed = sweep.run_name({"a": 1, "model.b": "x"})
    assert changed != one
    (tmp_path / "c.yaml").write_text("max_epochs: 4")
    assert sweep.run_name({"a": 1, "model.b": "x"}) not in (one, changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "all"}, "must be grid, random or bayes"),
        ({"methods": "grid"}, "'methods' is not a key of sweeps"),
        ({"command": ["wtal", "fit"]}, r"words with \$\{args\}"),
        ({"parameters": {}}, "must name the options"),
        ({"parameters": {"a": {"min": 2, "max": 1}}}, "parameter a must have"),
        ({"parameters": {"a": {"values": []}}}, "parameter a must have"),
        ({"method": "random"}, "with `run_cap`"),
        ({"method": "bayes", "metric": None, "run_cap": 2}, "needs a `metric`"),
        ({"method": "bayes", "metric": {"name": "test/mAP"}, "run_cap": 2}, "without a goal wandb minimizes"),
        ({"metric": {"name": "test/mAP", "goal": "best"}}, "must be maximize or minimize, not 'best'"),
        ({"metric": {"name": "test/mAP", "goal": "maximize", "target": 0.9}}, "and nothing else"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "`early_terminate` needs wandb's server"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": [0.9, 0.1]}}}, "'probabilities' of the parameter a"),
        ({"parameters": {"a": {"values": [1, 2], "distribution": "uniform"}}}, "parameter a must have"),
        ({"parameters": {"a": {"min": 0.1, "max": 1.0, "mu": 0.5}}}, "'mu' of the parameter a"),
        ({"parameters": {"a": {"min": 0.1, "max": 1.0, "q": 0.5}}}, "'q' of the parameter a"),
        ({"parameters": {"a": {"min": 0.1, "max": 1.0, "distribution": "normal"}}}, "its `distribution` is 'normal'"),
        ({"parameters": {"a": {"min": 0, "max": 1, "distribution": "log_uniform_values"}}}, "`min` above 0"),
        ({"parameters": {"a": {"min": 0.5, "max": 3, "distribution": "int_uniform"}}}, "whole numbers"),
        ({"parameters": {"a": {"parameters": {"b": {"value": 1}}, "value": 2}}}, "'parameters' of the parameter a"),
        ({"command": ["wtal", "fit", "${args}", "${args_json}"]}, r"\$\{args_json\} in `command` is not known"),
        ({"program": None, "command": ["python", "${program}", "${args}"]}, "has no `program`"),
    ],
)
def test_refuses_a_sweep_that_would_not_run(write, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_sweep(write(**changes))


@pytest.mark.parametrize(
    ("metric", "maximize"),
    [
        ({"name": "loss"}, False),  # as in wandb
        ({"name": "loss", "goal": "minimize"}, False),
        ({"name": "test/mAP", "goal": "max"}, True),
        ({"name": "test/mAP", "goal": "Maximize"}, True),
    ],
)
def test_the_goal_is_that_of_wandb(write, metric, maximize):
    assert read_sweep(write(metric=metric)).maximize == maximize


def test_ranges_are_drawn_as_wandb_draws_them(write):
    (lr, share) = read_sweep(
        write(
            method="random",
            run_cap=2,
            parameters={
                "lr": {"min": "1e-4", "max": 0.1, "distribution": "log_uniform_values"},  # text to YAML
                "share": {"min": 0, "max": 4, "distribution": "q_uniform"},
            },
        )
    ).parameters
    assert (lr.low, lr.high) == (0.0001, 0.1)
    assert share.step == 1


def test_the_program_is_part_of_the_command(write):
    sweep = read_sweep(write(program="train.py", command=["python", "${program}", "${args}"]))
    assert sweep.words({"a": 1}) == ["python", "train.py", "--a=1"]


def test_a_grid_of_ranges_is_refused(write):
    with pytest.raises(ConfigError, match="needs `values` for a"):
        read_sweep(write(parameters={"a": {"min": 0.0, "max": 1.0}})).grid()


SHIPPED = sorted((Path(__file__).resolve().parents[2] / "configs" / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_sweeps_can_be_run(path):
    sweep = read_sweep(path)
    assert sweep.words(sweep.grid()[0] if sweep.method == "grid" else {})[:4] == [sys.executable, "-m", "wtal", "fit"]
    assert sweep.metric.startswith("val/" if "--data.held_out=0.3" in sweep.command else "test/")


class Parsed(WTALCLI):
    """Reads and checks all options, and makes nothing."""

    def instantiate_classes(self) -> None:
        pass


def check_that_they_fit(path, assignments, monkeypatch):
    monkeypatch.chdir(path.parents[2])
    sweep = read_sweep(path)
    for assignment in assignments:
        config = Parsed(sweep.words(assignment)[4:], run=False).config
        for name, value in assignment.items():
            assert name == "config" or config[name] == value


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_value_of_a_shipped_sweep_fits_its_configuration(path, monkeypatch):
    """Values do not depend on each other: that all combinations fit is checked by the slow tests."""
    seen, chosen = set(), []
    for assignment in read_sweep(path).grid():
        if assignment.items() - seen:
            chosen.append(assignment)
            seen |= assignment.items()
    check_that_they_fit(path, chosen, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_combination_of_a_shipped_sweep_fits_its_configuration(path, monkeypatch):
    check_that_they_fit(path, read_sweep(path).grid(), monkeypatch)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_sweeps_are_what_wandb_takes(path):
    """By wandb's own schema; the package that has it imports more than is wanted here."""
    package = importlib.util.find_spec("sweeps")
    if package is None or package.origin is None:
        pytest.skip("`pip install --no-deps sweeps` brings wandb's schema")
    schema = json.loads((Path(package.origin).parent / "config" / "schema.json").read_text())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
