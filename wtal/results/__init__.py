"""What a run leaves on disk, and what is computed from it: records, predictions, scores, evaluation, tables."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.results.analysis import Analysis, analyze_sets
    from wtal.results.benchmarks import SideBySide
    from wtal.results.evaluation import Evaluation, evaluate_file
    from wtal.results.events import PSDS, Collar
    from wtal.results.exports import export, export_table
    from wtal.results.frame_evaluation import FrameEvaluation, evaluate_frames
    from wtal.results.frame_scores import FramePredictions, read_frame_scores
    from wtal.results.frame_truth import FrameTruth, load_frame_truth
    from wtal.results.ground_truth import GroundTruth, load_truth
    from wtal.results.identity import Identity
    from wtal.results.journal import Given, Journal, Taken
    from wtal.results.measuring import Report, measure_detections, measure_emissions, measure_frames
    from wtal.results.online_evaluation import OnlineEvaluation, evaluate_online
    from wtal.results.predictions import read_predictions, write_predictions
    from wtal.results.pseudo_instances import PseudoInstances, read_pseudo_instances
    from wtal.results.published import PUBLISHED, Published
    from wtal.results.record import About, Record, read_about, read_record
    from wtal.results.run_folder import RunFolder
    from wtal.results.runs_summary import Row, RunsTable
    from wtal.results.runs_table import table_of_runs
    from wtal.results.scores import StudentLabels, TestScores, VideoGrids, read_pseudo_labels, read_scores
    from wtal.results.sensitivity import CutCurve, TeacherCurve
    from wtal.results.stream import CameVideo, StreamEpoch, StreamRecord
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "PSDS",
    "PUBLISHED",
    "About",
    "Analysis",
    "CameVideo",
    "Collar",
    "CutCurve",
    "Evaluation",
    "FrameEvaluation",
    "FramePredictions",
    "FrameTruth",
    "Given",
    "GroundTruth",
    "Identity",
    "Journal",
    "OnlineEvaluation",
    "PseudoInstances",
    "Published",
    "Record",
    "Report",
    "Row",
    "RunFolder",
    "RunsTable",
    "SideBySide",
    "StreamEpoch",
    "StreamRecord",
    "StudentLabels",
    "Taken",
    "TeacherCurve",
    "TestScores",
    "VideoGrids",
    "analyze_sets",
    "evaluate_file",
    "evaluate_frames",
    "evaluate_online",
    "export",
    "export_table",
    "load_frame_truth",
    "load_truth",
    "measure_detections",
    "measure_emissions",
    "measure_frames",
    "read_about",
    "read_frame_scores",
    "read_predictions",
    "read_pseudo_instances",
    "read_pseudo_labels",
    "read_record",
    "read_scores",
    "table_of_runs",
    "write_predictions",
]
