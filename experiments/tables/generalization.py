"""The gain of the collaboration over each CBP method, from the folders that `wtal compare` wrote.

python experiments/tables/generalization.py "BaS-Net=runs/head_basnet" "attention-MIL=runs/thumos14,runs/warm_up"

One row per method: CBP alone after the warm-up and trained as long as in the collaboration, late fusion at both times,
the collaboration, and its gain over the better of each, as means over the seeds that all of them have.
"""

import argparse
from pathlib import Path

import pandas as pd

from wtal.results.tables import markdown

COLUMNS = {
    "cbp_warm_up": "CBP, warm-up",
    "cbp": "CBP",
    "late_fusion_warm_up": "late fusion, warm-up",
    "late_fusion": "late fusion",
    "alternation": "collaboration",
}


def read(folders: str) -> tuple[pd.DataFrame, str]:
    """Average mAP in percent of each seed (row) and method (column), and the features and benchmark behind it."""
    runs = pd.concat([pd.read_csv(Path(folder) / "comparison.csv") for folder in folders.split(",")])
    measured_on = "; ".join(sorted(set(runs["features"] + ", " + runs["benchmark"])))
    table = runs.pivot_table(index="seed", columns="method", values="mAP_avg")
    return 100 * table[[name for name in COLUMNS if name in table]].dropna(), measured_on


def cell(values: pd.Series, sign: str = "") -> str:
    """The mean and, for several seeds, the deviation."""
    text = f"{values.mean():{sign}.1f}"
    return text if len(values) == 1 else f"{text} ± {values.std():.1f}"


def row(average: pd.DataFrame) -> dict[str, str]:
    """The cells of one method; a gain is over the better of two means, its deviation that of the differences."""
    shown = {title: cell(average[name]) if name in average else "" for name, title in COLUMNS.items()}
    for title, pair in (
        ("over CBP", ["cbp_warm_up", "cbp"]),
        ("over late fusion", ["late_fusion_warm_up", "late_fusion"]),
    ):
        best = average[[name for name in pair if name in average]].mean().idxmax()
        shown[title] = cell(average["alternation"] - average[best], "+")
    return shown | {"seeds": str(len(average))}


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="NAME=FOLDER[,FOLDER]")
    read_all = {name: read(folders) for name, folders in (one.split("=") for one in parser.parse_args().methods)}
    table = pd.DataFrame.from_dict({name: row(average) for name, (average, _) in read_all.items()}, orient="index")
    print(markdown(table.rename_axis("CBP method")))
    print("; ".join(sorted({measured_on for _, measured_on in read_all.values()})) + "; mAP in %, 0.1:0.7, last epoch")


if __name__ == "__main__":
    main()
