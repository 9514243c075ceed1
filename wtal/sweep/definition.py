"""A sweep file in wandb's format: the options that are varied, the method, and the command that trains."""

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
SEED = "seed_everything"  # the option of `wtal fit` that varies last and that tables average over

_MOST_RUNS = 100_000  # in a grid
_RANGES = ("uniform", "log_uniform_values", "q_uniform", "int_uniform")
_KNOWN = {
    "program", "method", "metric", "parameters", "command", "name", "description", "project", "entity", "run_cap",
}  # fmt: skip
_GOALS = {"maximize": True, "max": True, "minimize": False, "min": False}
_MACROS = ("${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}")


@dataclass(frozen=True)
class Parameter:
    """One option that is varied.

    Args:
        name: Name as on the command line, such as ``model.init_args.schedule.pattern``.
        values: The values to choose from; empty for a range.
        low: Smallest value of a range.
        high: Largest value of a range.
        distribution: Distribution over a range, by wandb's names.
        step: Step of ``q_uniform``.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    distribution: str = ""
    step: float | None = None


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep file.

    Args:
        path: The file.
        method: ``grid`` runs every combination, ``random`` draws them, ``bayes`` learns from finished runs.
        parameters: The options that are varied.
        command: Words of the command that trains; ``${args}`` stands for the varied options.
        metric: Name of the logged metric that ``bayes`` improves; empty if none is named.
        maximize: Whether a larger metric is better; as in wandb a smaller one is, unless ``goal`` says so.
        run_cap: Largest number of runs; None runs all of a grid.
        program: What ``${program}`` in the command stands for.
    """

    path: Path
    method: Method
    parameters: tuple[Parameter, ...]
    command: tuple[str, ...]
    metric: str
    maximize: bool
    run_cap: int | None
    program: str = ""

    def grid(self) -> list[Assignment]:
        """Every combination, in the order of the file, the last parameter changing fastest.

        Raises:
            ConfigError: If a parameter is a range.
        """
        for parameter in self.parameters:
            if not parameter.values:
                raise ConfigError(f"{self.path}: a grid needs `values` for {parameter.name}, not a range.")
        names = [parameter.name for parameter in self.parameters]
        combinations = itertools.product(*(parameter.values for parameter in self.parameters))
        if self.run_cap is None and math.prod(len(parameter.values) for parameter in self.parameters) > _MOST_RUNS:
            raise ConfigError(f"{self.path}: the grid has more than {_MOST_RUNS} runs; limit them with `run_cap`.")
        return [dict(zip(names, values, strict=True)) for values in itertools.islice(combinations, self.run_cap)]

    def run_name(self, assignment: Assignment) -> str:
        """Name of a run's folder: a digest of command, values in any order, and contents of configuration files."""
        words = [*self.command, *map(str, assignment.values())]
        files = [Path(word.partition("=")[2] or word) for word in words if word.endswith((".yaml", ".yml"))]
        texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
        content = json.dumps([self.command, texts, assignment], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    def words(self, assignment: Assignment, extra: Sequence[str] = ()) -> list[str]:
        """The command of one run.

        Args:
            assignment: Values of the parameters.
            extra: Words to append.
        """
        flags = [f"--{name}={_text(value)}" for name, value in assignment.items()]
        known: Mapping[str, list[str]] = {
            "${env}": [],
            "${interpreter}": [sys.executable],
            "${program}": [self.program],
            "${args}": flags,
            "${args_no_hyphens}": [flag.removeprefix("--") for flag in flags],
        }
        words = [*itertools.chain(*(known.get(word, [word]) for word in self.command)), *extra]
        return [sys.executable, "-m", *words] if words[0] == "wtal" else words  # by this interpreter


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file, which ``wandb sweep`` takes as well.

    Args:
        path: YAML with ``method``, ``parameters`` and ``command``, and optionally ``metric`` and ``run_cap``.

    Raises:
        ConfigError: If it is not YAML, or holds something that could not be run as wandb runs it.
    """
    content = read_yaml(path, ConfigError)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a sweep: it must have `method`, `parameters` and `command`.")
    if content.get("early_terminate") is not None:
        raise ConfigError(
            f"{path}: `early_terminate` needs wandb's server, as no run is ended early here: remove it, or use "
            "`wandb sweep` and `wandb agent`."
        )
    for key in content.keys() - _KNOWN - {"early_terminate"}:
        raise ConfigError(f"{path}: {brief(key)} is not a key of sweeps; look for a misspelling.")
    method = content.get("method")
    if method not in ("grid", "random", "bayes"):
        raise ConfigError(f"{path}: `method` must be grid, random or bayes, not {brief(method)}.")
    name, maximize = _metric(path, content.get("metric") or {}, method)
    parameters, program = _parameters(path, content.get("parameters")), str(content.get("program") or "")
    command, cap = _command(path, content.get("command"), program), _run_cap(path, content.get("run_cap"), method)
    return Sweep(path, method, parameters, command, name, maximize, cap, program)


def _command(path: Path, command: object, program: str) -> tuple[str, ...]:
    if not isinstance(command, list) or not {"${args}", "${args_no_hyphens}"} & {*map(str, command)}:
        raise ConfigError(f"{path}: `command` must be a list of words with ${{args}}, such as [wtal, fit, ${{args}}].")
    words = tuple(map(str, command))
    unknown = [word for word in words if "${" in word and word not in _MACROS]
    if unknown:
        raise ConfigError(f"{path}: {unknown[0]} in `command` is not known here: use {', '.join(_MACROS)}.")
    if "${program}" in words and not program:
        raise ConfigError(f"{path}: `command` has ${{program}}, but the file has no `program`: name it.")
    return words


def _metric(path: Path, metric: object, method: Method) -> tuple[str, bool]:
    """Name of the metric, and whether a larger value is better."""
    if not isinstance(metric, dict) or not isinstance(metric.get("name", ""), str) or metric.keys() - {"name", "goal"}:
        raise ConfigError(f"{path}: `metric` must have a `name` and a `goal` and nothing else, not be {brief(metric)}.")
    name, goal = metric.get("name", ""), metric.get("goal")
    if goal is not None and str(goal).lower() not in _GOALS:
        raise ConfigError(f"{path}: `goal` of the metric must be maximize or minimize, not {brief(goal)}.")
    if method == "bayes" and not (name and goal):
        raise ConfigError(
            f"{path}: `bayes` needs a `metric` with `name` and `goal`: without a goal wandb minimizes, and a large mAP "
            "needs `goal: maximize`."
        )
    return name, _GOALS[str(goal or "minimize").lower()]


def _run_cap(path: Path, cap: object, method: Method) -> int | None:
    if cap is None and method != "grid":
        raise ConfigError(f"{path}: `{method}` has no end; limit the number of runs with `run_cap`.")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise ConfigError(f"{path}: `run_cap` must be a number of runs, not {brief(cap)}.")
    return cap


def _parameters(path: Path, parameters: object) -> tuple[Parameter, ...]:
    if not isinstance(parameters, dict) or not parameters:
        raise ConfigError(f"{path}: `parameters` must name the options that are varied.")
    return tuple(_parameter(path, name, given) for name, given in _flat(parameters))


def _flat(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters by their full names; wandb allows nesting."""
    for name, given in parameters.items():
        if isinstance(given, dict) and given.keys() == {"parameters"} and isinstance(given["parameters"], dict):
            yield from _flat(given["parameters"], f"{above}{name}.")
        else:
            yield f"{above}{name}", given


def _parameter(path: Path, name: str, given: object) -> Parameter:
    if isinstance(given, dict):
        distribution = str(given.get("distribution", ""))
        if "value" in given and distribution in ("", "constant"):
            _refuse_others(path, name, given, "value", "distribution")
            return Parameter(name, (given["value"],))
        if isinstance(given.get("values"), list) and given["values"] and distribution in ("", "categorical"):
            _refuse_others(path, name, given, "values", "distribution")
            return Parameter(name, tuple(given["values"]))
        low, high = _number(given.get("min")), _number(given.get("max"))
        if low is not None and high is not None and low < high:
            return _range(path, name, given, low, high)
    raise ConfigError(
        f"{path}: the parameter {name} must have `value`, `values`, or `min` below `max` with a `distribution` of "
        f"{', '.join(_RANGES)}."
    )


def _range(path: Path, name: str, given: Mapping[str, Any], low: float, high: float) -> Parameter:
    whole = isinstance(low, int) and isinstance(high, int)
    distribution = given.get("distribution", "int_uniform" if whole else "uniform")
    is_stepped = distribution == "q_uniform"
    _refuse_others(path, name, given, "min", "max", "distribution", *(["q"] if is_stepped else []))
    step = _number(given.get("q", 1)) if is_stepped else None
    problems = {
        f"its `distribution` is {brief(distribution)}": distribution not in _RANGES,
        "`int_uniform` needs whole numbers": distribution == "int_uniform" and not whole,
        "`log_uniform_values` needs a `min` above 0": distribution == "log_uniform_values" and low <= 0,
        "`q` must be a number above 0": is_stepped and (step is None or step <= 0),
    }
    problem = next((text for text, applies in problems.items() if applies), "")
    if problem:
        raise ConfigError(
            f"{path}: the parameter {name} cannot be drawn, as {problem}; known are {', '.join(_RANGES)}."
        )
    return Parameter(name, (), low, high, distribution, step)


def _number(value: object) -> float | None:
    """A finite number, also as text: YAML reads ``1e-4`` as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None  # type: ignore[return-value]


def _refuse_others(path: Path, name: str, given: Mapping[str, Any], *known: str) -> None:
    """Refuse what would be ignored, such as the ``probabilities`` of values.

    Raises:
        ConfigError: If there is such a key.
    """
    for key in given.keys() - set(known):
        raise ConfigError(
            f"{path}: {brief(key)} of the parameter {name} is not supported beside {known[0]!r}: remove it, or use "
            "`wandb sweep` and `wandb agent`."
        )
