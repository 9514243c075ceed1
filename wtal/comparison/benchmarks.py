"""One comparison over several benchmarks, which a YAML file lists."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from wtal.comparison.methods import SINGLE, is_pair, without_method
from wtal.comparison.runner import compare, settings_of
from wtal.errors import ConfigError, brief
from wtal.io.bounds import is_file_name, read_text, read_yaml
from wtal.io.shipped import find_config
from wtal.results.benchmarks import SideBySide
from wtal.results.comparison import Method

__all__ = ["DATA_FOLDER", "BenchmarkEntry", "compare_benchmarks", "read_benchmarks"]

DATA_FOLDER = "WTAL_DATA"  # the variable that stands for the folder of the data in shipped benchmarks


@dataclass(frozen=True)
class BenchmarkEntry:
    """One benchmark of a comparison.

    Args:
        name: Its name in the table, and of its folder.
        config: Its configurations, each merged over the ones before.
        set: Options that change the files' values, as on the command line without dashes: ``data.held_out: 0.1``.
        without: Why it is not measured with some methods, by method.
    """

    name: str
    config: tuple[Path, ...]
    set: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The options as words of a command line."""
        return [
            f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in self.set.items()
        ]


def read_benchmarks(path: Path) -> list[BenchmarkEntry]:
    """Read a file that lists benchmarks.

    Args:
        path: YAML of ``NAME: {config: [FILES], set: {OPTION: VALUE}, without: {METHOD: REASON}}``; a file lies beside
            this one or has the name of a shipped configuration, and only ``config`` is required.

    Raises:
        ConfigError: If it has another form; the message names the benchmark.
    """
    content = read_yaml(path, ConfigError)
    if not isinstance(content, Mapping) or not content:
        raise ConfigError(f"{path} lists no benchmarks: write `NAME: {{config: [FILE.yaml]}}` for each.")
    return [_entry(path, name, given) for name, given in content.items()]


def _entry(path: Path, name: Any, given: Any) -> BenchmarkEntry:  # noqa: ANN401  what YAML gives
    place = f"{path}: the benchmark {brief(name)}"
    if not isinstance(name, str) or not is_file_name(name):
        raise ConfigError(f"{place} needs a name that a folder can have.")
    config = given.get("config") if isinstance(given, Mapping) else None
    if not isinstance(config, list) or not config:
        raise ConfigError(f"{place} has no `config`: list its files there.")
    for key in given.keys() - {"config", "set", "without"}:
        raise ConfigError(f"{place} has {brief(key)}: it may have `config`, `set` and `without`.")
    options, without = _values(place, "set", given.get("set")), _values(place, "without", given.get("without"))
    for key in without.keys() - set(get_args(Method)):
        raise ConfigError(f"{place}: {brief(key)} in `without` is no method: use {', '.join(get_args(Method))}.")
    return BenchmarkEntry(name, tuple(_beside(path, str(file)) for file in config), options, without)


def _values(place: str, part: str, given: Any) -> dict[Any, Any]:  # noqa: ANN401
    if not isinstance(given, Mapping | None):
        raise ConfigError(f"{place}: `{part}` is {brief(given)}: give values by name.")
    return dict(given or {})


def _beside(path: Path, file: str) -> Path:
    beside = path.parent / file
    return beside if beside.is_file() else find_config(Path(file))


def compare_benchmarks(
    path: Path,
    output: Path,
    seeds: Sequence[int],
    methods: Sequence[Method],
    ablations: Sequence[Path] = (),
    overlays: Sequence[Path] = (),
    only: Sequence[str] = (),
    command: str = "",
    jobs: int = 1,
) -> SideBySide:
    """Train and test methods on several benchmarks; see ``wtal compare`` for the arguments.

    Args:
        path: See :func:`read_benchmarks`.
        output: Folder of the tables, and of one folder per benchmark.
        seeds: See ``wtal compare``.
        methods: See ``wtal compare``.
        ablations: See ``wtal compare``.
        overlays: Configurations that are merged over those of every benchmark.
        only: Names of the benchmarks to take; empty for all.
        command: The command that makes the tables, which they state.
        jobs: See ``wtal compare``.

    Raises:
        ConfigError: If a benchmark is unknown, or its settings are wrong; nothing has been trained then.
    """
    plans = [_plan(entry, overlays, methods, ablations) for entry in _chosen(path, only)]
    reasons = {plan.entry.name: plan.without for plan in plans}
    pairs = [plan.entry.name for plan in plans if plan.is_pair]
    tables: list[pd.DataFrame] = []
    for plan in plans:
        if plan.methods or plan.ablations:
            here, options = output / plan.entry.name, plan.entry.options
            rows = compare(plan.config, here, seeds, plan.methods, plan.ablations, options, command, jobs)
            tables.append(rows.assign(on=plan.entry.name))
            SideBySide(pd.concat(tables, ignore_index=True), reasons, pairs, command).save(output)
    if not tables:
        raise ConfigError(f"{path}: no benchmark has any of the methods that were asked for: name others.")
    return SideBySide(pd.concat(tables, ignore_index=True), reasons, pairs, command)


class _Plan(NamedTuple):
    """What is trained on one benchmark, and why it is not more."""

    entry: BenchmarkEntry
    config: list[Path]
    is_pair: bool
    methods: list[Method]
    ablations: list[Path]
    without: dict[str, str]  # reasons by method or ablation


def _plan(
    entry: BenchmarkEntry, overlays: Sequence[Path], methods: Sequence[Method], ablations: Sequence[Path]
) -> _Plan:
    config = [*entry.config, *overlays]
    settings = _checked(entry, config)
    pair = is_pair(settings, config[0])
    without: dict[str, str] = {**without_method(settings, config[0]), **entry.without}
    without |= {} if pair else {path.stem: SINGLE for path in ablations}
    asked = [*methods, *(path.stem for path in ablations)]
    left = [method for method in methods if method not in without]
    changes = [path for path in ablations if path.stem not in without]
    return _Plan(entry, config, pair, left, changes, {name: without[name] for name in asked if name in without})


def _chosen(path: Path, only: Sequence[str]) -> list[BenchmarkEntry]:
    """The benchmarks of a file that were asked for, or all."""
    entries = read_benchmarks(path)
    names = [entry.name for entry in entries]
    for name in only:
        if name not in names:
            raise ConfigError(f"{path} has no benchmark {name!r}, but {', '.join(names)}.")
    return [entry for entry in entries if not only or entry.name in only]


def _checked(entry: BenchmarkEntry, config: Sequence[Path]) -> dict[str, Any]:
    """The settings of a benchmark, so that a mistake in the last one is reported before the first is trained.

    Raises:
        ConfigError: If its data lie in a folder that was not named, or are missing.
    """
    words = [read_text(file, ConfigError) for file in config] + entry.options
    if DATA_FOLDER not in os.environ and any(f"${DATA_FOLDER}" in text for text in words):
        raise ConfigError(
            f"The benchmark {entry.name} reads ${DATA_FOLDER}: name the folder of the data by `--data`, or leave the "
            "benchmark out by `--only`."
        )
    settings = settings_of(config, entry.options)
    missing = next((path for path in _paths(settings["data"].get("init_args") or {}) if not path.exists()), None)
    if missing is not None:
        raise ConfigError(
            f"The benchmark {entry.name} needs {missing}, which does not exist: put its data there, or leave the "
            "benchmark out by `--only`."
        )
    return settings


def _paths(data: Mapping[str, Any]) -> list[Path]:
    """Annotations and features that the settings of a data module name."""
    given = [data.get("annotations"), data.get("i3d"), data.get("clip"), *(data.get("streams") or {}).values()]
    paths = [one.get("path") if isinstance(one, Mapping) else one for one in given]
    return [Path(path) for path in paths if isinstance(path, str)]
