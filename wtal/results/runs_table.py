"""The runs of a table, collected from records, comparisons and wandb."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wtal.errors import ConfigError, brief
from wtal.io.bounds import read_json
from wtal.io.extras import from_extra
from wtal.results.comparison import METHOD_NAMES, read_comparison
from wtal.results.record import Record, parse_record, read_record
from wtal.results.run_folder import records_below
from wtal.results.runs_summary import Row, RunsTable, present
from wtal.views import CBP, FUSED, VLP, WARM_UP_ONLY

__all__ = ["collect", "table_of_runs"]

_SOURCES = (FUSED.name, "", VLP.name, CBP.name)  # the first of them with results represents a run
_MOST_LEVELS = 6  # folders between the table of a comparison and a record of it
_VOLATILE = (
    "seed_everything", "default_root_dir", "name", "ckpt_path", "logger", "config", "then_test", "callbacks", "resume",
    "num_workers", "cache", "accelerator", "devices", "num_nodes", "enable_progress_bar",
)  # fmt: skip


def table_of_runs(
    folders: Sequence[Path],
    baseline: str | None = None,
    source: str | None = None,
    checkpoint: str = "last",
    published: bool = False,
    wandb: str | None = None,
) -> RunsTable:
    """Collect the records of runs below folders and of a project on wandb; see ``wtal table`` for the arguments.

    Raises:
        ConfigError: If there is no record with test results, or no row with the baseline's name.
    """
    records = [*_local(folders), *(_from_wandb(wandb) if wandb else ())]
    rows = [*_compared(folders), *collect(records, source, checkpoint)]
    if not rows:
        where = ", ".join(map(str, folders))
        of = f" of {source!r}" if source else ""
        raise ConfigError(f"There is no record.json with test results{of} in {where}: train with `--then_test true`.")
    return present(rows, baseline, checkpoint, published)


# Records ------------------------------------------------------------------------------------------------------------


def _local(folders: Sequence[Path]) -> list[tuple[Path, Record]]:
    """The records of runs, only the newest of those with the same identity, seed and length.

    Runs of a comparison that has its table are left out, because the table already holds their results.
    """
    found: dict[object, tuple[Path, Record]] = {}
    for folder in folders:
        if not folder.exists():
            raise ConfigError(f"{folder} does not exist: give a folder of runs.")
        for path in records_below(folder):
            record = read_record(path)
            if record is None or not record.config or (record.methods and _is_in_a_table(path)):
                continue
            key = (record.identity, record.seed, record.length)
            found.pop(key, None)
            found[key] = (path, record)
    return sorted(found.values(), key=lambda one: str(one[0]))


def _is_in_a_table(path: Path) -> bool:
    """Whether the run of a record belongs to a comparison that has its table."""
    return any((above / "comparison.csv").is_file() for above in path.parents[:_MOST_LEVELS])


def _compared(folders: Sequence[Path]) -> Iterator[Row]:
    """The rows of all comparisons."""
    for path in (found for folder in folders for found in sorted(folder.rglob("comparison.csv"))):
        table = read_comparison(path, ("seed", "mAP_avg"))
        measures = {name: name.removeprefix("mAP@") for name in map(str, table) if name.startswith("mAP@")}
        for _, row in table.iterrows():
            values = {title: float(row[name]) for name, title in measures.items()} | {"avg": float(row["mAP_avg"])}
            texts = {name: str(row[name]) for name in ("features", "benchmark")}
            name = METHOD_NAMES.get(row["method"], str(row["method"])) + _ended(str(row["weights"]))
            yield Row(name, int(row["seed"]), values, **texts, git="", path=str(path))


def _from_wandb(name: str) -> Iterator[tuple[Path, Record]]:
    """Finished runs of a project or sweep on wandb's server, as records."""
    with from_extra("wandb"):
        import wandb

    api: Any = wandb.Api()
    runs = api.sweep(name.replace("/sweeps/", "/")).runs if "/sweeps/" in name else api.runs(name)
    for run in runs:
        config, metrics = (dict(part) if isinstance(part, Mapping) else {} for part in (run.config, run.summary))
        settings = config["cli"] if isinstance(config.get("cli"), dict) else {}
        data = settings.get("data")
        content = {
            "config": settings,
            "seed": settings.get("seed_everything"),
            "metrics": {key: value for key, value in metrics.items() if str(key).startswith("test/")},
            "benchmark": str(data.get("class_path", "") if isinstance(data, dict) else "").rpartition(".")[2],
            "git": str(getattr(run, "commit", "") or ""),
        }
        yield Path(str(run.name)), parse_record(content, str(run.name))


def collect(records: Sequence[tuple[Path, Record]], source: str | None = None, checkpoint: str = "last") -> list[Row]:
    """Make one row per record with test results; of records with the same variant and seed, the last one counts.

    Args:
        records: Paths and contents of the records.
        source: Name of the source; see ``wtal table``.
        checkpoint: ``last`` or ``selected``; see ``wtal table``.
    """
    rows: dict[tuple[str, int], Row] = {}
    settings = [_flat(record.config) for _, record in records]
    varied = _varied(settings)
    for (path, record), flat in zip(records, settings, strict=True):
        values = _values((record.metrics if checkpoint == "last" else record.selected) or {}, source)
        if values:
            name = (
                _swept(path) or ", ".join(f"{_short(key)}={flat.get(key)}" for key in varied) or record.model or "run"
            )
            name, seed = name + _ended(record.weights), record.seed or 0
            rows[name, seed] = Row(name, seed, values, record.features, record.benchmark, record.git, str(path))
    return list(rows.values())


def _ended(weights: str) -> str:
    """What the name of a collaboration adds whose training ended within the warm-up."""
    return ", warm-up only" if WARM_UP_ONLY in weights else ""


def _varied(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of the settings that differ between the runs, apart from those that never distinguish variants."""
    keys = {key for flat in settings for key in flat if not set(_VOLATILE) & set(key.split("."))}
    return sorted(key for key in keys if len({flat.get(key) for flat in settings}) > 1)


def _values(measured: Mapping[str, float], source: str | None) -> dict[str, float]:
    """The mAP of one source, by default the first that has any, by threshold or range."""
    for name in [source] if source is not None else _SOURCES:
        prefix = f"test/{name}/" if name else "test/"
        found = {key.removeprefix(prefix): value for key, value in measured.items() if key.startswith(f"{prefix}mAP")}
        if found:
            return {"avg" if key == "mAP" else key.removeprefix("mAP@"): float(value) for key, value in found.items()}
    return {}


def _swept(path: Path) -> str:
    """The settings that a sweep varied for this run, apart from the seed; empty for other runs."""
    for folder in list(path.parents)[:6]:
        try:
            assignment = dict(read_json(folder / "outcome.json", ConfigError)["assignment"].items())
        except (ConfigError, KeyError, TypeError, AttributeError):
            continue
        varied = [_brief_setting(key, value) for key, value in assignment.items() if key != "seed_everything"]
        return ", ".join(varied) or "run"
    return ""


def _brief_setting(key: str, value: object) -> str:
    text = str(value)
    if text.endswith((".yaml", ".yml")):
        return Path(text).stem
    return f"{_short(key)}={text.rpartition('.')[2] if key.endswith('class_path') else text}"


def _short(key: str) -> str:
    words = [word for word in key.split(".") if word not in {"init_args", "class_path", "model"}]
    return ".".join(words[-2:])


def _flat(settings: object) -> dict[str, str]:
    flat: dict[str, str] = {}
    waiting: list[tuple[str, object]] = [("", settings)]
    while waiting:
        above, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{above}.{key}" if above else str(key), part) for key, part in value.items()]
        else:
            try:
                flat[above] = str(value)
            except RecursionError:
                flat[above] = brief(value)
    return flat
