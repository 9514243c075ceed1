"""Explain why methods fail, side by side, from their predictions."""

from collections.abc import Sequence
from pathlib import Path

from wtal.data.thumos14_lists import TestList
from wtal.errors import ConfigError
from wtal.results.analysis import analyze_sets, save_analysis, show_analysis
from wtal.results.evaluation import labels_of
from wtal.results.ground_truth import load_truth
from wtal.results.predictions import read_predictions
from wtal.results.sets import each_set, truth_of_runs

__all__ = ["run"]


def run(
    predictions: Sequence[Path],
    /,
    annotations: Path | None = None,
    subset: str | None = None,
    test_list: TestList | None = None,
    subsets: Path | None = None,
    tious: Sequence[float] = (),
    names: Sequence[str] = (),
    output: Path | None = None,
    fps: float | None = None,
    classes: Path | None = None,
) -> None:
    """Explain why methods fail: kinds of false detections, missed instances, incompleteness, over-completeness.

    Args:
        predictions: Files or folders as for `wtal evaluate`, one set per method.
        annotations: Ground truth in any format; the coverage of videos needs their durations.
        subset: Name of the subset in the annotations; may be left out if only one has instances.
        test_list: Number of THUMOS14's test videos: 213, 212, 211 or 210; by default all that the file has.
        subsets: Table `video,subset` for annotations without subsets.
        tious: Thresholds whose results are averaged; by default 0.5 for THUMOS14, otherwise 0.5 to 0.95, as in DETAD.
        names: Names of the methods, in the order of the predictions.
        output: Folder for the tables (.csv, analysis.md) and figures (.pdf, .png).
        fps: Frame rate of the videos, for annotations whose times are frames (Label Studio, CVAT).
        classes: Class list for predictions whose labels are numbers: one name a line, in the order of the numbers.

    Raises:
        WTALError: If a file is unreadable or does not fit the others, or an option makes no sense.
    """
    if not all(0 < tiou <= 1 for tiou in tious):
        raise ConfigError(f"--tious must lie in (0, 1], got {', '.join(f'{tiou:g}' for tiou in tious)}.")
    paths = each_set(predictions)
    truth = load_truth(annotations or truth_of_runs(paths), subset, test_list, subsets, fps=fps, classes=classes)
    sets = {label: read_predictions(path) for label, path in zip(labels_of(paths, names), paths, strict=True)}
    analysis = analyze_sets(sets, truth, tious)
    if output is not None:
        from wtal.report.analysis_figures import figures_of
        from wtal.report.style import save_figure

        save_analysis(analysis, output)
        for name, figure in figures_of(analysis).items():
            for suffix in (".pdf", ".png"):
                save_figure(figure, output / f"{name}{suffix}")
    show_analysis(analysis)
