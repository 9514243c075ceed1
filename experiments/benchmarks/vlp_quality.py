"""The collaboration with three simulated VLP models of falling quality, on the embedded benchmark.

    python experiments/benchmarks/vlp_quality.py --seeds 0 1

Only the CLIP-like features and texts differ: to those of the benchmark come noise of a snippet, drift of a video (noise
that stays for a while), and noise of a class's text. The noise is fixed for a model, whatever the training seed. The
I3D-like features, the videos and all settings are those of `configs/synthetic.yaml`.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from wtal.comparison.runner import compare
from wtal.data.store import write_npy
from wtal.data.synthetic import SyntheticParams, slow_noise, unit_rows, write_synthetic

CONFIG = Path("configs/synthetic.yaml")
METHODS = ("cbp", "vlp_vanilla", "vlp", "alternation")
SHOWN = {"vlp_vanilla": "VLP vanilla", "vlp": "VLP trained", "cbp": "CBP alone", "alternation": "alternation"}


@dataclass(frozen=True)
class Model:
    """What is added to the features and texts of a simulated VLP model; lengths relative to theirs, 1.

    Args:
        name: Name in the table.
        fast: Noise from snippet to snippet.
        slow: Noise that stays for a while.
        text: Noise of the texts.
    """

    name: str
    fast: float
    slow: float
    text: float


MODELS = (Model("good", 0.0, 0.0, 0.0), Model("middling", 0.5, 0.25, 0.3), Model("poor", 1.0, 0.5, 0.6))


def write_model(root: Path, model: Model, params: SyntheticParams) -> None:
    """Write the benchmark as this model sees it."""
    write_synthetic(root, params)
    done = root / "model.json"
    if done.is_file():
        return
    rng = np.random.default_rng([params.seed, 2])
    for path in sorted((root / "clip").glob("*.npy")):
        rows = unit_rows(np.load(path))
        scale = np.sqrt(rows.shape[1])
        noise = model.fast * rng.standard_normal(rows.shape) + model.slow * slow_noise(rng, *rows.shape)
        write_npy(path, unit_rows(rows + noise / scale).astype(np.float32))
    text = unit_rows(np.load(root / "text" / "text.npy"))
    noise = model.text * rng.standard_normal(text.shape) / np.sqrt(text.shape[1])
    write_npy(root / "text" / "text.npy", unit_rows(text + noise).astype(np.float32))
    done.write_text(json.dumps(asdict(model)))


def measure(folder: Path, model: Model, seeds: list[int]) -> pd.DataFrame:
    """Train and test with one model."""
    root = folder / f"benchmark_{model.name}"
    write_model(root, model, SyntheticParams())
    changes = folder / f"{model.name}.yaml"
    text = {"init_args": {"path": str(root / "text" / "text.npy")}}
    note = f"synthetic, made up by seed 0, {model.name} VLP"
    settings = {
        "model": {"init_args": {"vlp": {"init_args": {"head": {"init_args": {"text": text}}}}}},
        "data": {"init_args": {"root": str(root), "features_note": note}},
    }
    changes.write_text(yaml.safe_dump(settings))
    table = compare([CONFIG, changes], folder / model.name, seeds, METHODS)
    return table.assign(model=model.name)


def main() -> None:
    """Measure all models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--models", nargs="+", default=[model.name for model in MODELS])
    parser.add_argument("--output", type=Path, default=Path("runs/vlp_quality"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    models = [model for model in MODELS if model.name in args.models]
    table = pd.concat([measure(args.output, model, args.seeds) for model in models])
    table.to_csv(args.output / "vlp_quality.csv", index=False)
    print("| VLP model | " + " | ".join(SHOWN.values()) + " | alternation - CBP, by seed |")
    print("| --- |" + " --- |" * (len(SHOWN) + 1))
    for model in models:
        rows = table[table["model"] == model.name].pivot_table(index="seed", columns="method", values="mAP_avg") * 100
        cells = [f"{rows[m].mean():.1f} ± {rows[m].std(ddof=0):.1f}" for m in SHOWN]
        gains = ", ".join(f"{gain:+.1f}" for gain in rows["alternation"] - rows["cbp"])
        print(f"| {model.name} | {' | '.join(cells)} | {gains} |")


if __name__ == "__main__":
    main()
