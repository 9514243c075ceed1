"""Everything that was trained, in one table: configuration, numbers, cost, digest and command of each run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.errors import ConfigError
from wtal.results.record import Record, read_record
from wtal.results.run_folder import records_below
from wtal.results.tables import markdown

__all__ = ["described", "measured", "zoo", "zoo_page"]

_SHOWN = ("mAP@0.5", "mAP", "auc", "ap", "AUC", "AP")  # of each source, where a task has them
_SPLITS = ("test", "val")


def measured(record: Record) -> dict[str, dict[str, float]]:
    """The measures of a run's last checkpoint by source, on the test videos if it was tested, else the held-out ones.

    >>> measured(Record({"test/cbp/mAP": 0.5, "test/fused/mAP": 0.6, "val/mAP": 0.9}))
    {'cbp': {'mAP': 0.5}, 'fused': {'mAP': 0.6}}
    >>> measured(Record({"val/mAP": 0.9}))
    {'': {'mAP': 0.9}}
    """
    for split in _SPLITS:
        found: dict[str, dict[str, float]] = {}
        for name, value in record.metrics.items():
            if name.startswith(f"{split}/"):
                source, _, measure = name.removeprefix(f"{split}/").rpartition("/")
                found.setdefault(source, {})[measure] = value
        if found:
            return found
    return {}


def described(config: Mapping[str, Any]) -> str:
    """The model of a configuration: its class, the head of each branch, and the schedule.

    >>> cbp = {"class_path": "wtal.branches.CBPBranch", "init_args": {"head": {"class_path": "wtal.nn.heads.CO2Head"}}}
    >>> described({"model": cbp})
    'CBPBranch (CO2Head)'
    """
    model = _part(config, "model")
    arguments = _part(model, "init_args")
    heads = [
        _class(_part(part, "head")) for part in (arguments, *(_part(_part(arguments, b), "init_args") for b in _PAIR))
    ]
    schedule = _part(arguments, "schedule")
    details = [" + ".join(filter(None, heads))]
    if schedule:
        details.append(f"warm-up {schedule.get('warm_up')}, {schedule.get('pattern')}")
    epochs = _part(config, "trainer").get("max_epochs")
    details.append(f"{epochs} epochs" if epochs else "")
    inside = "; ".join(filter(None, details))
    return f"{_class(model)} ({inside})" if inside else _class(model)


_PAIR = ("cbp", "vlp")


def zoo(folders: Sequence[Path]) -> pd.DataFrame:
    """One row for each run that was measured, of those with the same identity, seed and length only the newest.

    Args:
        folders: Folders of runs, at any depth.

    Raises:
        ConfigError: If a folder does not exist or is a file, or there is no run that was measured.
    """
    newest: dict[object, tuple[Path, Record]] = {}
    for folder in folders:
        if not folder.exists():
            raise ConfigError(f"{folder} does not exist: give a folder of runs.")
        if folder.is_file():
            raise ConfigError(f"{folder} is a file: give the folder of a run, or one that holds runs.")
        for path in records_below(folder):
            record = read_record(path)
            if record is not None and any(map(_numbers, measured(record).values())):
                key = (record.identity, record.seed, record.length, tuple(record.methods))
                newest.pop(key, None)
                newest[key] = (path, record)
    if not newest:
        raise ConfigError(f"There is no measured run in {', '.join(map(str, folders))}: train with `--then_test true`.")
    rows = [row for one in newest.values() for row in _rows(*one)]
    return pd.DataFrame(rows).sort_values(["benchmark", "method", "seed"], kind="stable").reset_index(drop=True)


def _rows(path: Path, record: Record) -> Iterator[dict[str, str]]:
    """One row for each method that a run stands for; its own answer if it is no part of a comparison."""
    sources = {name: measures for name, measures in measured(record).items() if _numbers(measures)}
    answers = record.methods or {record.model or path.parent.name: next(reversed(sources))}
    for method, source in answers.items():
        numbers = _numbers(sources.get(source) or sources.get("") or {})
        yield {
            "method": method,
            "configuration": described(record.config),
            "benchmark": record.benchmark,
            "features": record.features,
            "numbers": numbers if record.is_tested else f"{numbers} (held-out videos)",
            "seed": _stated(record.seed),
            "seconds": f"{record.seconds:.0f}",
            "memory": "" if record.memory_mib is None else f"{record.memory_mib:.0f} MiB",
            "digest": record.identity,
            "command": f"`{record.command}`" if record.command else "not recorded",
        }


def _numbers(measures: Mapping[str, float]) -> str:
    shown = [name for name in _SHOWN if name in measures] or [name for name in measures if name.startswith("mAP")]
    return ", ".join(f"{name} {100 * measures[name]:.1f}" for name in shown)


def _stated(value: object) -> str:
    return "" if value is None else str(value)


def zoo_page(table: pd.DataFrame, command: str) -> str:
    """The table as a page in Markdown.

    Args:
        table: Table of :func:`zoo`.
        command: The command that makes the page.
    """
    return (
        "# Everything that was trained\n\n"
        f"Generated from the runs' `record.json` by `{command}`; do not edit it. mAP and the like are percentages of "
        "the last checkpoint on the test videos. Each row is one seed, so differences between rows are no differences "
        "between methods. Seconds are those of the training on the machine of that run, a shared one, and memory is "
        "its peak. The digest is that of all settings and the seed that decide a result: equal digests, equal runs.\n\n"
        + markdown(table.set_index("method"))
    )


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _class(part: Mapping[str, Any]) -> str:
    return str(part.get("class_path", "")).rpartition(".")[2]
