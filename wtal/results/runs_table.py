"""``wtal table``: the records of many runs as a paper's table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from wtal.errors import ConfigError, brief
from wtal.io.bounds import read_json
from wtal.io.files import write_text
from wtal.results.comparison import METHOD_NAMES, read_comparison
from wtal.results.published import PUBLISHED
from wtal.results.tables import markdown, print_table
from wtal.views import CBP, FUSED, VLP

__all__ = ["Row", "collect", "summarize_runs", "table"]

_SOURCES = (FUSED.name, "", VLP.name, CBP.name)  # which answer stands for a run, the first that it has
_LARGEST = 1e12  # more no measure is
_VOLATILE = ("seed_everything", "default_root_dir", "name", "ckpt_path", "logger", "config", "then_test", "callbacks")


@dataclass(frozen=True)
class Row:
    """One run.

    Args:
        variant: What distinguishes it from the others beside the seed.
        seed: Of weights, order and crops.
        values: mAP by threshold, range, and ``avg``, as fractions.
        features: What the features are.
        benchmark: Its name.
        git: Revision of the code.
        path: Of the record.
    """

    variant: str
    seed: int
    values: dict[str, float]
    features: str
    benchmark: str
    git: str
    path: str


def table(
    folders: Sequence[Path],
    output: Path | None = None,
    baseline: str | None = None,
    source: str | None = None,
    checkpoint: Literal["last", "selected"] = "last",
    published: bool = False,
    wandb: str | None = None,
) -> None:
    """Collect the records of runs into a table: mean and deviation over seeds, the best one marked.

    Args:
        folders: Where the runs are, such as the output of `wtal sweep` or `wtal compare`; everything below is looked
            through.
        output: Write the table as .csv (fractions), .md or .tex.
        baseline: Name of the row that the others are compared with, by a paired t-test over common seeds.
        source: Which answer of a collaboration, by the branch's name; by default the fused one.
        checkpoint: The last one, or the one that was chosen on held-out videos.
        published: Add the rows of the literature, which are on real features, and marked so.
        wandb: Also the runs of this `entity/project` or `entity/project/sweeps/id` on wandb's server.

    Raises:
        ConfigError: If there is no record, or no row of the baseline's name, or the output ends otherwise.
    """
    if output is not None and output.suffix.lower() not in {".csv", ".md", ".tex"}:
        raise ConfigError(f"{output} must end in .csv, .md or .tex: tables are written in these forms.")
    records = [*_local(folders), *(_from_wandb(wandb) if wandb else ())]
    rows = [*_compared(folders), *collect(records, source, checkpoint)]
    if not rows:
        where = ", ".join(map(str, folders))
        of = f" of {source!r}" if source else ""
        raise ConfigError(f"No record.json with test results{of} is in {where}: train with `--then_test true`.")
    summary = summarize_runs(rows, baseline)
    text = _as_text(summary, baseline)
    if published:
        text = pd.concat([text, _published({row.benchmark for row in rows}, list(text.columns))])
    caption = _caption(rows, checkpoint, baseline)
    if output is not None:
        kind = output.suffix.lower()
        content = {
            ".csv": lambda: summary.to_csv(),
            ".md": lambda: f"{markdown(text)}\n{caption}\n",
            ".tex": lambda: _latex(text, caption),
        }[kind]()
        write_text(output, content)
    print_table(text.map(lambda cell: cell.replace("**", "")), caption)


# Records ------------------------------------------------------------------------------------------------------------


def _local(folders: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for folder in folders:
        if not folder.exists():
            raise ConfigError(f"{folder} does not exist: give the folder of runs.")
        for path in sorted(folder.rglob("record.json")):
            record = read_json(path, ConfigError)
            if isinstance(record, dict) and isinstance(record.get("config"), dict):
                yield path, record


def _compared(folders: Sequence[Path]) -> Iterator[Row]:
    """The rows of every comparison."""
    for path in (found for folder in folders for found in sorted(folder.rglob("comparison.csv"))):
        table = read_comparison(path, ("seed", "mAP_avg"))
        measures = {name: name.removeprefix("mAP@") for name in map(str, table) if name.startswith("mAP@")}
        for _, row in table.iterrows():
            values = {title: float(row[name]) for name, title in measures.items()} | {"avg": float(row["mAP_avg"])}
            said = {name: str(row[name]) for name in ("features", "benchmark")}
            name = METHOD_NAMES.get(row["method"], str(row["method"]))
            yield Row(name, int(row["seed"]), values, **said, git="", path=str(path))


def _from_wandb(name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Finished runs of a project or sweep, as records."""
    import wandb

    api: Any = wandb.Api()
    runs = api.sweep(name.replace("/sweeps/", "/")).runs if "/sweeps/" in name else api.runs(name)
    for run in runs:
        config, metrics = (dict(part) if isinstance(part, Mapping) else {} for part in (run.config, run.summary))
        settings = config["cli"] if isinstance(config.get("cli"), dict) else {}
        data = settings.get("data")
        yield (
            Path(str(run.name)),
            {
                "config": settings,
                "seed": settings.get("seed_everything"),
                "metrics": {key: value for key, value in metrics.items() if str(key).startswith("test/")},
                "selected": None,
                "features": "",
                "benchmark": str(data.get("class_path", "") if isinstance(data, dict) else "").rpartition(".")[2],
                "git": str(getattr(run, "commit", "") or ""),
            },
        )


def collect(
    records: Sequence[tuple[Path, dict[str, Any]]], source: str | None = None, checkpoint: str = "last"
) -> list[Row]:
    """A row a record that has test results; of the same variant and seed the newest one.

    Args:
        records: Paths and contents.
        source: See :func:`table`.
        checkpoint: See :func:`table`.
    """
    rows: dict[tuple[str, int], Row] = {}
    flat = [_flat(record["config"]) for _, record in records]
    varied = {
        key
        for one in flat
        for key in one
        if not any(word in _VOLATILE for word in key.split(".")) and len({other.get(key) for other in flat}) > 1
    }
    for (path, record), settings in zip(records, flat, strict=True):
        values = _values(path, record.get("metrics" if checkpoint == "last" else "selected") or {}, source)
        if values:
            name = _swept(path) or ", ".join(f"{_short(key)}={settings.get(key)}" for key in sorted(varied)) or "run"
            seed = record.get("seed") or 0
            if not isinstance(seed, int):
                raise ConfigError(f"{path} is damaged: its seed is {brief(seed)}; delete it, or run it again.")
            record.setdefault("benchmark", record.get("protocol", ""))  # its name before version 0.2
            said = {key: str(record.get(key, "")) for key in ("features", "benchmark", "git")}
            rows[name, seed] = Row(name, seed, values, **said, path=str(path))
    return list(rows.values())


def _values(path: Path, metrics: object, source: str | None) -> dict[str, float]:
    """Of the first source that the metrics have.

    Raises:
        ConfigError: If they are no numbers.
    """
    measured: dict[Any, Any] = metrics if isinstance(metrics, dict) else {"": metrics}
    for key, value in measured.items():
        if not isinstance(value, int | float) or abs(value) > _LARGEST:
            raise ConfigError(f"{path} is damaged: {brief(key)} is {brief(value)}; delete it, or run it again.")
    for name in [source] if source is not None else _SOURCES:
        prefix = f"test/{name}/" if name else "test/"
        found = {key.removeprefix(prefix): value for key, value in measured.items() if key.startswith(f"{prefix}mAP")}
        if found:
            return {{"mAP": "avg"}.get(key, key.removeprefix("mAP@")): float(value) for key, value in found.items()}
    return {}


def _swept(path: Path) -> str:
    """What a sweep says that it varied for this run, without the seed."""
    for folder in list(path.parents)[:6]:
        try:
            assignment = dict(read_json(folder / "outcome.json", ConfigError)["assignment"].items())  # else it has none
        except (ConfigError, KeyError, TypeError, AttributeError):
            continue
        told = {key: value for key, value in assignment.items() if key != "seed_everything"}
        return ", ".join(_told(key, value) for key, value in told.items()) or "run"
    return ""


def _told(key: str, value: object) -> str:
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


# Table --------------------------------------------------------------------------------------------------------------


def summarize_runs(rows: Sequence[Row], baseline: str | None = None) -> pd.DataFrame:
    """A row a variant: ``seeds``, mean and ``sd`` of every measure, and the difference to the baseline.

    Args:
        rows: Of all runs.
        baseline: Name of a variant; adds ``difference`` of the average and ``p`` of a paired t-test over the seeds that
            both have; NaN for fewer than two.

    Raises:
        ConfigError: If the baseline is not among the variants.
    """
    runs = pd.DataFrame([{"variant": row.variant, "seed": row.seed, **row.values} for row in rows])
    measures = [name for name in runs.columns if name not in {"variant", "seed"}]
    groups = runs.groupby("variant", sort=False)
    summary = pd.DataFrame({"seeds": groups["seed"].nunique()})
    for name in measures:
        summary[name], summary[f"{name} sd"] = groups[name].mean(), groups[name].std()
    if baseline is None:
        return summary
    if baseline not in summary.index:
        raise ConfigError(f"No row is called {baseline!r}; the rows are: {'; '.join(summary.index)}.")
    average = runs.pivot_table(index="seed", columns="variant", values="avg")
    for name in summary.index:
        both = average[[name, baseline]].dropna() if name != baseline else average[[name]].iloc[:0]
        if name != baseline:
            summary.loc[name, "difference"] = (both[name] - both[baseline]).mean()
            summary.loc[name, "p"] = _paired(both[name].to_numpy(), both[baseline].to_numpy())
    return summary


def _paired(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of Student's t-test for pairs."""
    from scipy.stats import ttest_rel

    return float(ttest_rel(a, b).pvalue) if len(a) > 1 else float("nan")


def _as_text(summary: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """In percent, mean and deviation; the best of each column in bold."""
    measures = [str(name) for name in summary if f"{name} sd" in summary]
    ranges = [name for name in measures if ":" in name]
    shown = [name for name in measures if name not in ranges]
    text = pd.DataFrame(index=summary.index)
    for name in shown:
        best = summary[name].max()
        cells = []
        for mean, sd in zip(summary[name], summary[f"{name} sd"], strict=True):
            cell = f"{100 * mean:.1f}" + (f" ± {100 * sd:.1f}" if name == "avg" and np.isfinite(sd) else "")
            cells.append(f"**{cell}**" if mean == best and len(summary) > 1 else cell)
        text[name] = cells
    text["seeds"] = summary["seeds"].astype(str)
    if baseline is not None:
        text["gain"] = summary["difference"].map(lambda value: "" if pd.isna(value) else f"{100 * value:+.1f}")
        text["p"] = summary["p"].map(_p_value)
    return text.rename_axis("run")


def _p_value(value: float) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _published(benchmarks: set[str], columns: list[str]) -> pd.DataFrame:
    rows = {}
    for one in PUBLISHED:
        if any(benchmark.startswith(one.benchmark) for benchmark in benchmarks):
            cells = {name: f"{one.values[name]:.1f}" if name in one.values else "" for name in columns}
            rows[f"{one.name} (published, real features; {one.source})"] = cells
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("run")


def _caption(rows: Sequence[Row], checkpoint: str, baseline: str | None) -> str:
    parts = []
    for name in ("features", "benchmark", "git"):
        parts.append(f"{name}: {', '.join(sorted({getattr(row, name) for row in rows} - {''})) or 'unknown'}")
    chosen = "last checkpoint" if checkpoint == "last" else "checkpoint chosen on held-out training videos"
    parts += [f"seeds: {', '.join(map(str, sorted({row.seed for row in rows})))}", chosen, "mAP in %"]
    if baseline is not None:
        parts.append(f"gain of avg over {baseline}, p of a paired t-test over seeds")
    return "; ".join(parts)


def _latex(text: pd.DataFrame, caption: str) -> str:
    """A booktabs table."""

    def cell(value: object) -> str:
        words = str(value)
        for special in "\\&%$#_{}":
            words = words.replace(special, "\\textbackslash{}" if special == "\\" else f"\\{special}")
        if words.startswith("**"):
            words = f"\\textbf{{{words.strip('*')}}}"
        return words.replace("±", "$\\pm$")

    lines = [[text.index.name, *text.columns], *([index, *row] for index, *row in text.itertuples())]
    body = [" & ".join(map(cell, line)) + " \\\\" for line in lines]
    return "\n".join(
        [
            f"% {caption}",
            f"\\begin{{tabular}}{{l{'r' * text.shape[1]}}}",
            "\\toprule",
            body[0],
            "\\midrule",
            *body[1:],
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )
