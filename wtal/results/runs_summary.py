"""Runs as a table for a paper: mean and deviation over seeds, in text, Markdown, CSV and LaTeX."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.io.files import write_text
from wtal.results.published import PUBLISHED
from wtal.results.tables import markdown, print_table

__all__ = ["Row", "RunsTable", "present", "summarize_runs", "with_other_benchmarks_named"]


@dataclass(frozen=True)
class Row:
    """One run.

    Args:
        variant: What distinguishes the run from others, apart from the seed.
        seed: Seed of the training.
        values: mAP by threshold, by range, and ``avg``, as fractions.
        features: Description of the features.
        benchmark: Name of the benchmark.
        git: Revision of the code.
        path: File of the record.
    """

    variant: str
    seed: int
    values: dict[str, float]
    features: str
    benchmark: str
    git: str
    path: str


@dataclass(frozen=True)
class RunsTable:
    """Runs summarized with one row per variant.

    Args:
        summary: See :func:`summarize_runs`.
        text: The cells as shown: percentages, the best of each column in bold.
        caption: Features, benchmark, code, seeds and checkpoint of the runs.
    """

    summary: pd.DataFrame
    text: pd.DataFrame
    caption: str

    def save(self, output: Path) -> None:
        """Write the table as ``.csv`` (fractions), ``.md`` or ``.tex``, depending on the extension of the path."""
        kind = output.suffix.lower()
        content = {
            ".csv": lambda: self.summary.to_csv(),
            ".md": lambda: f"{markdown(self.text)}\n{self.caption}\n",
            ".tex": lambda: _latex(self.text, self.caption),
        }[kind]()
        write_text(output, content)

    def show(self) -> None:
        """Print the table."""
        print_table(self.text.map(lambda cell: cell.replace("**", "")), self.caption)


def present(rows: Sequence[Row], baseline: str | None, checkpoint: str, published: bool) -> RunsTable:
    """Summarize runs; see ``wtal table`` for the arguments.

    Raises:
        ConfigError: If the baseline is not among the variants.
    """
    rows = with_other_benchmarks_named(rows)
    summary = summarize_runs(rows, baseline)
    text = _as_text(summary, baseline)
    if published:
        text = pd.concat([text, _published({row.benchmark for row in rows}, list(text.columns))])
    return RunsTable(summary, text, _caption(rows, checkpoint, baseline))


def with_other_benchmarks_named(rows: Sequence[Row]) -> list[Row]:
    """Name the benchmark in the variant of every run that was not measured on the most frequent one.

    Numbers of different benchmarks are then neither averaged nor mistaken for each other.

    >>> row = Row("F only", 0, {}, "", "toy", "", "")
    >>> [r.variant for r in with_other_benchmarks_named([row, row, replace(row, benchmark="toy, supervised")])]
    ['F only', 'F only', 'F only [toy, supervised]']
    """
    ((usual, _),) = Counter(row.benchmark for row in rows).most_common(1)
    return [row if row.benchmark == usual else replace(row, variant=f"{row.variant} [{row.benchmark}]") for row in rows]


def summarize_runs(rows: Sequence[Row], baseline: str | None = None) -> pd.DataFrame:
    """Summarize runs with one row per variant: ``seeds``, mean and ``sd`` of every measure.

    Args:
        rows: The runs.
        baseline: Name of a variant; adds the ``difference`` of the average from it, and ``p`` of a paired t-test over
            their common seeds, NaN for fewer than two.

    Raises:
        ConfigError: If the baseline is not among the variants.
    """
    runs = pd.DataFrame([{"variant": row.variant, "seed": row.seed, **row.values} for row in rows])
    measures = [name for name in runs.columns if name not in {"variant", "seed"}]
    groups = runs.groupby("variant", sort=False)
    summary = pd.DataFrame({"seeds": groups["seed"].nunique()})
    for name in measures:
        summary[name] = groups[name].agg(_mean)
        summary[f"{name} sd"] = groups[name].std()
    if baseline is None:
        return summary
    if baseline not in summary.index:
        raise ConfigError(f"No row is named {baseline!r}; the rows are: {'; '.join(summary.index)}.")
    average = runs.pivot_table(index="seed", columns="variant", values="avg")
    summary["difference"], summary["p"] = np.nan, np.nan
    for name in summary.index.drop(baseline):
        both = average[[name, baseline]].dropna()
        summary.loc[name, "difference"] = (both[name] - both[baseline]).mean()
        summary.loc[name, "p"] = _paired(both[name].to_numpy(), both[baseline].to_numpy())
    return summary


def _mean(values: pd.Series) -> float:
    """The mean; NaN if a value is missing, as otherwise it would be that of fewer seeds than the table says."""
    return float(values.mean(skipna=False))


def _paired(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of Student's paired t-test; NaN for fewer than two pairs."""
    with from_extra("stats"):
        from scipy.stats import ttest_rel

    return float(ttest_rel(a, b).pvalue) if len(a) > 1 else float("nan")


def _as_text(summary: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """The cells in percent, with the deviation of the average; the best of each column in bold."""
    text = pd.DataFrame(index=summary.index)
    for name in map(str, summary):
        if f"{name} sd" in summary and ":" not in name:  # ranges of thresholds are in the files
            text[name] = _cells(summary[name], summary[f"{name} sd"] if name == "avg" else None)
    text["seeds"] = summary["seeds"].astype(str)
    if baseline is not None:
        text["gain"] = summary["difference"].map(lambda value: "" if pd.isna(value) else f"{100 * value:+.1f}")
        text["p"] = summary["p"].map(_p_value)
    return text.rename_axis("run")


def _cells(means: pd.Series, deviations: pd.Series | None) -> list[str]:
    """One column as text, its best cell in bold."""
    cells = ["–" if np.isnan(mean) else f"{100 * mean:.1f}" for mean in means]  # noqa: RUF001
    if deviations is not None:
        known = zip(cells, deviations, strict=True)
        cells = [f"{cell} ± {100 * sd:.1f}" if np.isfinite(sd) else cell for cell, sd in known]
    best = means == means.max() if len(means) > 1 else np.zeros(len(means), bool)
    return [f"**{cell}**" if is_best else cell for cell, is_best in zip(cells, best, strict=True)]


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
        parts.append(f"{name}: {' and '.join(sorted({getattr(row, name) for row in rows} - {''})) or 'unknown'}")
    chosen = "last checkpoint" if checkpoint == "last" else "checkpoint chosen on held-out training videos"
    seeds: dict[str, set[int]] = {}
    for row in rows:
        seeds.setdefault(row.variant, set()).add(row.seed)
    every = set().union(*seeds.values())
    some = "" if all(of_row == every for of_row in seeds.values()) else " (not all of them for every row)"
    parts += [f"seeds: {', '.join(map(str, sorted(every)))}{some}", chosen, "mAP in %"]
    if baseline is not None:
        parts.append(f"gain of avg over {baseline}, p of a paired t-test over seeds")
    return "; ".join(parts)


def _latex(text: pd.DataFrame, caption: str) -> str:
    """The table in LaTeX, with booktabs."""

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
