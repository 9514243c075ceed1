"""Draw why methods fail, from their checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

__all__ = ["run"]

ErrorFigure = Literal["false_positives", "gains", "false_negatives", "sensitivity", "completeness"]


def run(runs: Sequence[Path], /, output: Path, show: ErrorFigure = "false_positives") -> None:
    """Draw why methods fail on the test videos, as `wtal analyze` does from prediction files.

    Args:
        runs: Checkpoints, or folders whose newest `last.ckpt` is used. With one run, its branches and their fusion
            are compared; with several, the final detections of each.
        output: A .pdf, .png or .svg file.
        show: The figure: kinds of detections, what mAP gains without a kind of error, missed instances by
            characteristic, mAP by characteristic, or completeness and over-completeness.

    Raises:
        WTALError: If a file does not exist, or there are no segments.
    """
    from wtal.api import load, localize, predict, truth_of
    from wtal.report.analysis_figures import figures_of
    from wtal.report.style import check_figure_path, save_figure, shown
    from wtal.results.analysis import analyze_sets
    from wtal.results.evaluation import labels_of

    check_figure_path(output)
    loaded = [load(path) for path in runs]
    data = loaded[0].data
    tables = [localize(predict(one, data)) for one in loaded]
    if len(runs) == 1:
        found, model = tables[0], loaded[0].model
        titles = {source: shown(source, place, model.views)[0] for place, source in enumerate(model.sources)}
        sets = {title: found[found["source"] == source] for source, title in titles.items()}
    else:
        labels = labels_of(runs, [])
        labels = labels if len(set(labels)) == len(labels) else list(map(str, runs))
        final = zip(labels, tables, loaded, strict=True)
        sets = {label: table[table["source"] == one.model.sources[-1]] for label, table, one in final}
    save_figure(figures_of(analyze_sets(sets, truth_of(data)))[show], output)
