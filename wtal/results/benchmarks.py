"""The table of a comparison over several benchmarks: methods in rows, benchmarks in columns, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from wtal.io.files import write_text
from wtal.results.comparison import METHOD_NAMES
from wtal.results.tables import markdown, print_table

__all__ = ["PAIRS", "SideBySide"]

PAIRS = (  # methods whose difference is shown
    ("alternation", "late_fusion_best"),
    ("alternation_best", "late_fusion_best"),
    ("alternation", "late_fusion_vanilla"),
    ("alternation", "late_fusion_vanilla_best"),
    ("alternation", "f_only"),
    ("alternation", "joint"),
    ("alternation", "cbp"),
    ("vlp", "vlp_vanilla"),
)
_NONE = "–"  # noqa: RUF001
_ORIGIN = {
    "features": "features",
    "benchmark": "protocol",
    "annotations": "annotations",
    "branches": "in place of CBP and VLP",
    "weights": "weights",
}
_NUMBERS = "average mAP in %, last epoch; mean ± deviation over seeds"


@dataclass(frozen=True)
class SideBySide:
    """The results of several benchmarks.

    Args:
        rows: The rows of their comparisons, with the name of the benchmark in the column ``on``.
        reasons: Why a benchmark has no results of a method, by benchmark and method.
        pairs: Names of the benchmarks with two branches, over which the average is taken.
        command: The command that makes the tables; empty if there was none.
    """

    rows: pd.DataFrame
    reasons: Mapping[str, Mapping[str, str]]
    pairs: Sequence[str]
    command: str = ""

    @property
    def values(self) -> pd.DataFrame:
        """Average mAP in percent by method (rows, in their order) and by benchmark and seed (columns)."""
        table = 100 * self.rows.pivot_table(index="method", columns=["on", "seed"], values="mAP_avg", sort=False)
        known = [method for method in METHOD_NAMES if method in table.index]
        return table.loc[[*known, *(method for method in table.index if method not in known)]]

    @property
    def averaged(self) -> list[str]:
        """The benchmarks of the average: those with two branches or, if there is none, all."""
        names = list(dict.fromkeys(self.rows["on"]))
        return [name for name in names if name in self.pairs] or names

    def means(self) -> pd.DataFrame:
        """The table of methods and benchmarks as text, with the average in the last column."""
        values = self.values
        names = list(dict.fromkeys(self.rows["on"]))
        cells = {name: [_cell(values.loc[method, name]) for method in values.index] for name in names}
        cells["average"] = [self._average(values.loc[method]) for method in values.index]
        titles = pd.Index([METHOD_NAMES.get(method, method) for method in values.index], name="method")
        return pd.DataFrame(cells, index=titles)

    def _average(self, values: pd.Series) -> str:
        """The mean over the benchmarks, which says over how many if some are missing."""
        table = values.unstack("on")[self.averaged].dropna(axis=1, how="all")
        count, total = table.shape[1], len(self.averaged)
        text = _cell(table.mean(axis=1, skipna=False))
        return text if count == total or not count else f"{text} ({count} of {total})"

    def differences(self) -> pd.DataFrame:
        """One row per pair of methods, benchmark and seed that both have: ``method``, ``against``, ``difference``."""
        values, columns = self.values, ["method", "against", "on", "seed", "difference"]
        rows = [pd.DataFrame(columns=columns)]
        for method, other in PAIRS:
            if method in values.index and other in values.index:
                found = pd.DataFrame({"difference": values.loc[method] - values.loc[other]}).dropna().reset_index()
                rows.append(found.assign(method=method, against=other))
        return pd.concat(rows[1:] or rows)[columns].reset_index(drop=True)

    def paired(self) -> pd.DataFrame:
        """The table of paired differences as text, over all benchmarks in the last columns."""
        found, names = self.differences(), list(dict.fromkeys(self.rows["on"]))
        shown = {}
        for method, other in PAIRS:
            group = found[(found["method"] == method) & (found["against"] == other)]
            if group.empty:
                continue
            by_name = {name: group.loc[group["on"] == name, "difference"] for name in names}
            per_seed = group.pivot_table(index="seed", columns="on", values="difference").mean(axis=1, skipna=False)
            title = f"{METHOD_NAMES[method]} - {METHOD_NAMES[other]}"
            shown[title] = {name: _cell(by_name[name], "+") for name in names} | {
                "all": _cell(per_seed, "+"),
                "higher": f"{(group['difference'] > 0).sum()} of {len(group)}",
            }
        return pd.DataFrame.from_dict(shown, orient="index").rename_axis("difference")

    def origins(self) -> pd.DataFrame:
        """What each benchmark was measured on: features, protocol, annotations, branches, weights and seeds."""
        shown = {}
        for name in dict.fromkeys(self.rows["on"]):
            rows = self.rows[self.rows["on"] == name]
            texts = {title: "; ".join(dict.fromkeys(filter(None, rows[of]))) for of, title in _ORIGIN.items()}
            shown[name] = texts | {"seeds": ", ".join(map(str, sorted(set(rows["seed"]))))}
        table = pd.DataFrame.from_dict(shown, orient="index").rename_axis("benchmark")
        return table.loc[:, (table != "").any()]

    def chosen(self) -> pd.DataFrame:
        """The weights of the late fusion that suited held-out training videos best, by benchmark and seed."""
        rows = self.rows[self.rows["chosen"] != ""]
        return (
            rows.pivot_table(index=["on", "method"], columns="seed", values="chosen", aggfunc="first", sort=False)
            .rename(columns="seed {}".format)
            .fillna("")
            .reset_index("method")
            .rename_axis(index="benchmark")
        )

    def missing(self) -> pd.DataFrame:
        """Why cells are empty, by benchmark."""
        rows = []
        for name, reasons in self.reasons.items():
            for reason in dict.fromkeys(reasons.values()):
                methods = [method for method in reasons if reasons[method] == reason]
                rows.append({"benchmark": name, "without": ", ".join(methods), "reason": reason})
        return pd.DataFrame(rows, columns=["benchmark", "without", "reason"]).set_index("benchmark")

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by their caption, without empty ones."""
        about = f"average over the benchmarks with two branches ({', '.join(self.averaged)})" if self.pairs else ""
        captions = {
            "; ".join(filter(None, [_NUMBERS, about])): self.means(),
            "paired differences in points, mean ± deviation over seeds; higher in so many of all pairs": self.paired(),
            "what was measured": self.origins(),
            "weights of the late fusion that suited held-out training videos best": self.chosen(),
            "cells without a number": self.missing(),
        }
        return {caption: table for caption, table in captions.items() if len(table)}

    def save(self, folder: Path) -> None:
        """Write ``benchmarks.csv`` (all rows, as fractions), ``differences.csv`` (in points) and ``benchmarks.md``."""
        rows = self.rows[["on", *self.rows.columns.drop("on")]]
        empty = [
            {"on": name, "method": method, "reason": reason}
            for name, reasons in self.reasons.items()
            for method, reason in reasons.items()
        ]
        write_text(folder / "benchmarks.csv", pd.concat([rows, pd.DataFrame(empty)]).to_csv(index=False))
        write_text(folder / "differences.csv", self.differences().to_csv(index=False))
        parts = [f"{markdown(table)}\n{caption}\n" for caption, table in self.tables().items()]
        write_text(folder / "benchmarks.md", "\n".join([*parts, f"    {self.command}\n"] if self.command else parts))

    def print(self, console: Console | None = None) -> None:
        """Print all tables."""
        for caption, table in self.tables().items():
            print_table(table, caption, console)


def _cell(values: pd.Series, sign: str = "") -> str:
    """The mean, and the deviation of several values."""
    values = values.dropna()
    if values.empty:
        return _NONE
    text = f"{values.mean():{sign}.1f}"
    return text if len(values) == 1 else f"{text} ± {values.std():.1f}"
