"""A sweep file in wandb's form: what is varied, how, and the command that trains."""

import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wtal.errors import ConfigError, brief
from wtal.io.bounds import read_yaml

__all__ = ["SEED", "Assignment", "Method", "Parameter", "Sweep", "read_sweep"]

Method = Literal["grid", "random", "bayes"]
Assignment = dict[str, Any]
SEED = "seed_everything"  # the option of `wtal fit` that is varied last, and that tables average over

_MOST_RUNS = 100_000  # of a grid
_RANGES = ("uniform", "log_uniform_values", "q_uniform", "int_uniform")
_KNOWN = {
    "program", "method", "metric", "parameters", "command", "name", "description", "project", "entity", "run_cap",
    "early_terminate",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One option that is varied.

    Args:
        name: As on the command line, such as ``model.init_args.schedule.pattern``.
        values: To choose from; empty for a range.
        low: Least value of a range.
        high: Largest value of a range.
        distribution: How a range is drawn from, by wandb's names.
        step: Of ``q_uniform``.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    distribution: str = ""
    step: float | None = None


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        path: The file.
        method: ``grid`` runs every combination, ``random`` draws them, ``bayes`` learns from what is finished.
        parameters: What is varied.
        command: Words of the training's command; ``${args}`` stands for the options that are varied.
        metric: Name of the logged number that ``bayes`` improves and tables are sorted by; empty if none is named.
        maximize: Whether more of it is better.
        run_cap: How many runs at most; None for all of a grid.
    """

    path: Path
    method: Method
    parameters: tuple[Parameter, ...]
    command: tuple[str, ...]
    metric: str
    maximize: bool
    run_cap: int | None

    def grid(self) -> list[Assignment]:
        """Every combination, in the order of the file, the last parameter changing fastest.

        Raises:
            ConfigError: If a parameter is a range.
        """
        for parameter in self.parameters:
            if not parameter.values:
                raise ConfigError(f"{self.path}: a grid needs `values` of {parameter.name}, not a range.")
        names = [parameter.name for parameter in self.parameters]
        combinations = itertools.product(*(parameter.values for parameter in self.parameters))
        if self.run_cap is None and math.prod(len(parameter.values) for parameter in self.parameters) > _MOST_RUNS:
            raise ConfigError(f"{self.path}: a grid of more than {_MOST_RUNS} runs: say `run_cap`, how many.")
        return [dict(zip(names, values, strict=True)) for values in itertools.islice(combinations, self.run_cap)]

    def run_name(self, assignment: Assignment) -> str:
        """A name for a run's folder: the same for the same command, values and configuration files, in any order."""
        words = [*self.command, *map(str, assignment.values())]
        files = [Path(word.partition("=")[2] or word) for word in words if word.endswith((".yaml", ".yml"))]
        texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
        said = json.dumps([self.command, texts, assignment], sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:10]

    def words(self, assignment: Assignment, extra: Sequence[str] = ()) -> list[str]:
        """The command of one run.

        Args:
            assignment: Values of the parameters.
            extra: Words after those.
        """
        flags = [f"--{name}={_text(value)}" for name, value in assignment.items()]
        known: Mapping[str, list[str]] = {
            "${env}": [],
            "${interpreter}": [sys.executable],
            "${program}": [],
            "${args}": flags,
            "${args_no_hyphens}": [flag.removeprefix("--") for flag in flags],
        }
        words = [*itertools.chain(*(known.get(word, [word]) for word in self.command)), *extra]
        return [sys.executable, "-m", *words] if words[0] == "wtal" else words  # this one, wherever it is installed


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file, which ``wandb sweep`` takes as well.

    Args:
        path: YAML with ``method``, ``parameters`` and ``command``; ``metric`` and ``run_cap`` if wanted.

    Raises:
        ConfigError: If it is no YAML, or says something that would not be run as wandb runs it.
    """
    content = read_yaml(path, ConfigError)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no sweep: it must say `method`, `parameters` and `command`.")
    for key in content.keys() - _KNOWN:
        raise ConfigError(f"{path}: {brief(key)} is nothing that a sweep says; look for a misspelling.")
    method, command, parameters = (content.get(key) for key in ("method", "command", "parameters"))
    if method not in ("grid", "random", "bayes"):
        raise ConfigError(f"{path}: `method` must be grid, random or bayes, not {brief(method)}.")
    if not isinstance(command, list) or "${args}" not in command:
        raise ConfigError(f"{path}: `command` must be a list of words with ${{args}}, such as [wtal, fit, ${{args}}].")
    if not isinstance(parameters, dict) or not parameters:
        raise ConfigError(f"{path}: `parameters` must name what is varied.")
    metric = content.get("metric") or {}
    if not isinstance(metric, dict) or not isinstance(metric.get("name", ""), str):
        raise ConfigError(f"{path}: `metric` must have a `name` and a `goal`, not be {brief(metric)}.")
    if method == "bayes" and not metric.get("name"):
        raise ConfigError(f"{path}: `bayes` needs a `metric` with `name` and `goal`.")
    cap = content.get("run_cap")
    if method != "grid" and cap is None:
        raise ConfigError(f"{path}: `{method}` has no end: say `run_cap`, how many runs.")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise ConfigError(f"{path}: `run_cap` must be a number of runs, not {brief(cap)}.")
    read = tuple(_parameter(path, name, said) for name, said in _flat(parameters))
    words = tuple(str(word) for word in command)
    return Sweep(path, method, read, words, metric.get("name", ""), metric.get("goal", "maximize") == "maximize", cap)


def _flat(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters by their full names; wandb lets them be nested."""
    for name, said in parameters.items():
        if isinstance(said, dict) and isinstance(said.get("parameters"), dict):
            yield from _flat(said["parameters"], f"{above}{name}.")
        else:
            yield f"{above}{name}", said


def _parameter(path: Path, name: str, said: object) -> Parameter:
    if isinstance(said, dict):
        if "value" in said:
            return Parameter(name, (said["value"],))
        if isinstance(said.get("values"), list) and said["values"]:
            return Parameter(name, tuple(said["values"]))
        if isinstance(said.get("min"), int | float) and isinstance(said.get("max"), int | float):
            whole = isinstance(said["min"], int) and isinstance(said["max"], int)
            distribution = said.get("distribution", "int_uniform" if whole else "uniform")
            if distribution in _RANGES and said["min"] < said["max"]:
                return Parameter(name, (), said["min"], said["max"], distribution, said.get("q"))
    raise ConfigError(
        f"{path}: the parameter {name} must have `value`, `values`, or `min` below `max` with a `distribution` of "
        f"{', '.join(_RANGES)}."
    )
