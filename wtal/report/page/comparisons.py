"""Reading the folder of a comparison for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from wtal.errors import PredictionError
from wtal.report.page.contents import Material, Method, Training
from wtal.report.page.runs import numbered_folders, read_epochs, read_run
from wtal.report.style import COMPARED_COLOURS, COMPARED_LANES, LANE_METHODS
from wtal.results.comparison import read_comparison
from wtal.results.pseudo_instances import PseudoInstances
from wtal.results.run_folder import RunFolder

__all__ = ["first_seed", "read_compared"]

_MAIN = "alternation"
_TRAINED = ("warm_up", "apart", _MAIN)  # the first of them that was trained holds the shared warm-up


def first_seed(source: Path) -> Path | None:
    """The first seed's folder in a comparison, or the source if it is a seed's folder; None for other folders."""
    if any((source / run).is_dir() for run in ("apart", _MAIN)):
        return source
    return next(iter(numbered_folders(source, "seed")), None)


def read_compared(source: Path, seed: Path) -> Material:
    """Read a comparison: the alternation of one seed beside the branches that were trained alone.

    Args:
        source: Folder of the comparison, or of one seed of it.
        seed: Folder of the seed whose errors, curves and timelines are shown.

    Raises:
        PredictionError: If no run has predictions, or a file is damaged.
    """
    versions = {run: _versions(seed / run) for run, *_ in COMPARED_LANES}
    runs = {run: read_run(found[-1], run) for run, found in versions.items() if found}
    if not any(run.methods for run in runs.values()):
        raise PredictionError(
            f"{source} holds no predictions of `apart` or `{_MAIN}`: run `wtal compare` again into an empty folder."
        )
    main = runs.get(_MAIN, next(iter(runs.values())))
    files = [folder / "comparison.csv" for folder in (source, source.parent)]
    table = next((read_comparison(file) for file in files if file.is_file()), None)
    return replace(
        main,
        methods=_lanes(runs),
        training=_with_warm_up(main.training, [read_epochs(v) for run in _TRAINED for v in _versions(seed / run)]),
        instances=_instances(runs),
        comparison=table,
        notes=_notes(table, seed),
    )


def _instances(runs: Mapping[str, Material]) -> PseudoInstances | None:
    """Those that the student learned from."""
    return next((run.instances for run in runs.values() if run.instances is not None), None)


def _lanes(runs: Mapping[str, Material]) -> list[Method]:
    lanes = []
    for run, source, name, leading in COMPARED_LANES:
        for method in runs[run].methods if run in runs else ():
            if method.source == source:
                colour = COMPARED_COLOURS.get(LANE_METHODS.get(name, ""), method.colour)
                lanes.append(replace(method, name=name, colour=colour, leading=leading))
    return lanes


def _notes(table: pd.DataFrame | None, seed: Path) -> list[str]:
    if table is None or table["seed"].nunique() == 1:
        return []
    return [f"The table averages over seeds; errors, curves and timelines are of {seed.name.replace('_', ' ')}."]


def _versions(run: Path) -> list[RunFolder]:
    """Version folders of a run of a comparison, the newest one last."""
    return [RunFolder(path) for model in sorted(run.glob("*/")) for path in numbered_folders(model, "version")]


def _with_warm_up(trainings: Sequence[Training], logged: Sequence[pd.DataFrame]) -> list[Training]:
    """Put the warm-up, which the runs of a comparison share and only the first has logged, before each training."""
    whole = []
    for training in trainings:
        first = int(training.epochs.index.min())
        warm_up = next((epochs for epochs in logged if set(range(first)) <= set(epochs.index)), None)
        if first and warm_up is not None:
            training = replace(training, epochs=pd.concat([warm_up[warm_up.index < first], training.epochs]))
        whole.append(training)
    return whole
