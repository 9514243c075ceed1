"""Measure prediction files by the rules of any public evaluator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

from wtal.data.thumos14_lists import TestList
from wtal.errors import ConfigError
from wtal.metrics.rule_names import FrameRulesName, RuleSetName

__all__ = ["run"]


def run(
    predictions: Sequence[Path],
    /,
    annotations: Path | None = None,
    subset: str | None = None,
    protocol: RuleSetName | FrameRulesName | None = None,
    test_list: TestList | None = None,
    subsets: Path | None = None,
    ambiguous: Path | None = None,
    tious: Sequence[float] = (),
    names: Sequence[str] = (),
    per_class: bool = False,
    output: Path | None = None,
    fps: float | None = None,
    classes: Path | None = None,
    task: Literal["localization", "anomaly"] = "localization",
    video_list: Path | None = None,
    frames_per_score: int = 1,
    online: bool = False,
) -> None:
    """Measure prediction files by the rules of a public evaluator.

    With ``--task anomaly``, scores of frames are measured instead of detections: the area under the ROC, average
    precision, and both of abnormal videos alone.

    Args:
        predictions: Files (.json in ActivityNet's format, .csv, .tsv, ActionFormer's .pkl), or folders of files that
            are parts of one set. Several arguments are several sets, compared side by side; a run's folder holds one
            set per branch. Of an anomaly task: folders of one .npy a video, .npz files, one long .npy of all videos
            with their list, or runs.
        annotations: Ground truth in any format: ActivityNet JSON, W-TALC folder, THUMOS14 text files, CSV, or a file
            of ELAN, VIA, Label Studio or CVAT. May be left out for runs that were tested on known segments, together
            with the thresholds. Of an anomaly task also UCF-Crime's `Temporal_Anomaly_Annotation.txt`, XD-Violence's
            `annotations.txt`, ShanghaiTech's folder of frame masks, or one long .npy of 0 and 1 with a list.
        subset: Name of the subset in the annotations; may be left out if only one has instances.
        protocol: The evaluator whose rules apply. `opentad` and `actionformer` leave out empty and repeated instances
            and add the recall at 1x and 5x; `co2net`, also used by P-MIL, rounds instances to snippets of 16/25 s and
            leaves out detections that overlap ambiguous segments; `wtalc` rounds detections too, takes the first
            instance of sufficient tIoU and does not interpolate; all four ignore labels without an instance, which
            `activitynet-official` refuses. Of an anomaly task: `wtal` (the default), `rtfm` and `ur-dmu`, whose area
            under precision over recall is that of straight lines, or `vadclip-ucf` and `vadclip-xd`, whose fine-grained
            mAP is 0 once a kind has no proposal.
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
        task: What was predicted: segments, or whether frames are abnormal.
        video_list: The tested videos of an anomaly task: a list of feature files, or a table `video,label,frames`.
        frames_per_score: Frames that one score of an anomaly task stands for: 16 for scores of snippets.
        online: Measure detections of streams by the time at which they were known: mAP without those that end after
            it, and the mean delay after the true end. For files of ``wtal detect --live``, or with MATR's `gentime`.

    Raises:
        WTALError: If a file is unreadable or does not fit the others, or an option makes no sense.
    """
    _check(output, tious, protocol, task)
    from wtal.results.ground_truth import load_truth
    from wtal.results.measuring import Report, measure_detections, measure_emissions, measure_frames
    from wtal.results.sets import each_set, thresholds_of_runs, truth_of_runs

    report, frame_rules = Report(output, per_class), cast(FrameRulesName, protocol or "wtal")
    if task == "anomaly":
        measure_frames(predictions, annotations, video_list, frames_per_score, frame_rules, names, fps, report)
        return
    sets = each_set(predictions)
    truth = load_truth(annotations or truth_of_runs(sets), subset, test_list, subsets, ambiguous, fps, classes)
    of_runs = thresholds_of_runs(sets) if annotations is None else ()
    thresholds = tuple(sorted(set(tious))) or of_runs or truth.tious
    if online:
        measure_emissions(sets, names, truth, thresholds, protocol, report)
    else:
        measure_detections(
            sets, names, truth, thresholds, cast(RuleSetName, protocol or "activitynet-official"), report
        )


def _check(output: Path | None, tious: Sequence[float], protocol: str | None, task: str) -> None:
    """Refuse an output of another format, thresholds out of range, and the rules of another task.

    Raises:
        ConfigError: If there is one.
    """
    if output is not None and output.suffix.lower() not in {".json", ".csv", ".md"}:
        raise ConfigError(f"{output} must end in .json, .csv or .md: results are written in these formats.")
    if not all(0 < tiou <= 1 for tiou in tious):
        raise ConfigError(f"--tious must lie in (0, 1], got {', '.join(f'{tiou:g}' for tiou in tious)}.")
    known = get_args(FrameRulesName if task == "anomaly" else RuleSetName)
    if protocol not in (None, *known):
        raise ConfigError(f"--protocol {protocol} measures no {task}: choose {', '.join(known)}, or another --task.")
