"""Measure prediction files by the rules of any public evaluator."""

from collections.abc import Sequence
from pathlib import Path

from wtal.data.thumos14_lists import TestList
from wtal.errors import ConfigError
from wtal.metrics.rule_sets import RULE_SETS, RuleSetName
from wtal.results.evaluation import evaluate_file, labels_of, save_evaluations, show_evaluations
from wtal.results.ground_truth import load_truth
from wtal.results.sets import each_set, rules_for, thresholds_of_runs, truth_of_runs

__all__ = ["run"]


def run(
    predictions: Sequence[Path],
    /,
    annotations: Path | None = None,
    subset: str | None = None,
    protocol: RuleSetName = "activitynet-official",
    test_list: TestList | None = None,
    subsets: Path | None = None,
    ambiguous: Path | None = None,
    tious: Sequence[float] = (),
    names: Sequence[str] = (),
    per_class: bool = False,
    output: Path | None = None,
    fps: float | None = None,
    classes: Path | None = None,
) -> None:
    """Measure prediction files by the rules of a public evaluator.

    Args:
        predictions: Files (.json in ActivityNet's format, .csv, .tsv, ActionFormer's .pkl), or folders of files that
            are parts of one set. Several arguments are several sets, compared side by side; a run's folder holds one
            set per branch.
        annotations: Ground truth in any format: ActivityNet JSON, W-TALC folder, THUMOS14 text files, CSV, or a file
            of ELAN, VIA, Label Studio or CVAT. May be left out for runs that were tested on known segments, together
            with the thresholds.
        subset: Name of the subset in the annotations; may be left out if only one has instances.
        protocol: The evaluator whose rules apply. `opentad` and `actionformer` leave out empty and repeated instances
            and add the recall at 1x and 5x; `co2net`, also used by P-MIL, rounds instances to snippets of 16/25 s and
            leaves out detections that overlap ambiguous segments; `wtalc` rounds detections too, takes the first
            instance of sufficient tIoU and does not interpolate; all four ignore labels without an instance, which
            `activitynet-official` refuses.
        test_list: Number of THUMOS14's test videos: 213, 212, 211 or 210; by default all that the file has.
        subsets: Table `video,subset` for annotations without subsets, such as BSN's `video_info_new.csv`.
        ambiguous: THUMOS14's `Ambiguous_test.txt`, if it is not in the annotations' folder.
        tious: Thresholds of temporal IoU; by default 0.1 to 0.9 for THUMOS14, otherwise 0.5 to 0.95.
        names: Names of the sets, in the order of the predictions.
        per_class: Also print the average precision of each class.
        output: Write the numbers, as fractions, to this .json or .csv file, or as percentages to this .md file.
        fps: Frame rate of the videos, for annotations whose times are frames (Label Studio, CVAT).
        classes: Class list for predictions whose labels are numbers: one name a line, in the order of the numbers from
            0; by default the `label_id` of the annotations.

    Raises:
        WTALError: If a file is unreadable or does not fit the others, or an option makes no sense.
    """
    if output is not None and output.suffix.lower() not in {".json", ".csv", ".md"}:
        raise ConfigError(f"{output} must end in .json, .csv or .md: results are written in these formats.")
    if not all(0 < tiou <= 1 for tiou in tious):
        raise ConfigError(f"--tious must lie in (0, 1], got {', '.join(f'{tiou:g}' for tiou in tious)}.")
    sets = each_set(predictions)
    truth = load_truth(annotations or truth_of_runs(sets), subset, test_list, subsets, ambiguous, fps, classes)
    of_runs = thresholds_of_runs(sets) if annotations is None else ()
    thresholds = tuple(sorted(set(tious))) or of_runs or truth.tious
    labels = labels_of(sets, names)
    results = [
        evaluate_file(path, label, truth, rules_for(path, RULE_SETS[protocol]), thresholds)
        for path, label in zip(sets, labels, strict=True)
    ]
    if output is not None:
        save_evaluations(results, output, per_class)
    show_evaluations(results, per_class)
