"""One comparison over several benchmarks, which a YAML file lists."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from wtal.comparison.methods import is_pair, without_method
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
    without: Mapping[Method, str] = field(default_factory=dict)

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
    given = {"config": given} if isinstance(given, str | list) else given
    if not isinstance(given, Mapping) or not given.get("config"):
        raise ConfigError(f"{place} has no `config`: name its files there.")
    unknown = given.keys() - {"config", "set", "without"}
    if unknown:
        raise ConfigError(f"{place} has {brief(min(map(str, unknown)))}: it may have `config`, `set` and `without`.")
    files = given["config"] if isinstance(given["config"], list) else [given["config"]]
    options, without = given.get("set") or {}, given.get("without") or {}
    for part, values in (("set", options), ("without", without)):
        if not isinstance(values, Mapping):
            raise ConfigError(f"{place}: `{part}` is {brief(values)}: give values by name.")
    strange = [method for method in without if method not in get_args(Method)]
    if strange:
        raise ConfigError(f"{place}: {brief(strange[0])} in `without` is no method: use {', '.join(get_args(Method))}.")
    found = tuple(_beside(path, str(file)) for file in files)
    return BenchmarkEntry(name, found, dict(options), {method: str(reason) for method, reason in without.items()})


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

    Raises:
        ConfigError: If a benchmark is unknown, or its settings are wrong; nothing has been trained then.
    """
    entries = read_benchmarks(path)
    unknown = [name for name in only if name not in {entry.name for entry in entries}]
    if unknown:
        raise ConfigError(f"{path} has no benchmark {unknown[0]!r}, but {', '.join(entry.name for entry in entries)}.")
    entries = [entry for entry in entries if not only or entry.name in only]
    configs = {entry.name: [*entry.config, *overlays] for entry in entries}
    settings = {entry.name: _checked(entry, configs[entry.name]) for entry in entries}
    tables: list[pd.DataFrame] = []
    reasons: dict[str, dict[str, str]] = {}
    pairs: list[str] = []
    for entry in entries:
        known, here = settings[entry.name], output / entry.name
        pairs += [entry.name] if is_pair(known, entry.config[0]) else []
        without = without_method(known, entry.config[0]) | {str(name): text for name, text in entry.without.items()}
        changes = ablations if entry.name in pairs else ()
        reasons[entry.name] = {method: reason for method, reason in without.items() if method in methods}
        reasons[entry.name] |= {path.stem: "there is a single branch" for path in ablations if not changes}
        wanted = [method for method in methods if method not in without]
        if wanted or changes:
            rows = compare(configs[entry.name], here, seeds, wanted, changes, entry.options, command)
            tables.append(rows.assign(on=entry.name))
            found = SideBySide(pd.concat(tables, ignore_index=True), reasons, pairs, command)
            found.save(output)  # also what there is before an interruption
    if not tables:
        raise ConfigError(f"{path}: no benchmark has any of the methods {', '.join(methods)}.")
    return found


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
