"""A check of which annotations and features are found, missing or mismatched, before a training starts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track

from wtal.data.datamodule import SnippetDataModule, Split, first
from wtal.data.dataset import SnippetFeatures
from wtal.data.durations import DurationCheck, check_durations, features_end_s, segment_doubts
from wtal.data.features import FeatureStore
from wtal.data.remarks import of_untimed
from wtal.errors import AnnotationError, FeatureError

__all__ = ["DataReport", "SplitReport", "StreamReport", "inspect"]


@dataclass
class StreamReport:
    """One feature stream of one split."""

    found: int = 0
    missing: list[str] = field(default_factory=list)
    dim: int = 0
    rows: int = 0
    unreadable: list[str] = field(default_factory=list)  # one message per video
    durations: DurationCheck = field(default_factory=DurationCheck)
    notes: list[str] = field(default_factory=list)

    @property
    def off_duration(self) -> dict[str, float]:
        """Seconds by which features are too long, by video."""
        return self.durations.off_s


@dataclass
class SplitReport:
    """One split."""

    videos: int = 0
    instances: int = 0
    streams: dict[str, StreamReport] = field(default_factory=dict)


@dataclass
class DataReport:
    """All findings; no training can run while there are ``problems``."""

    splits: dict[Split, SplitReport] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def inspect(data: SnippetDataModule, scan: bool = True) -> DataReport:
    """Look at annotations and features of every split without stopping at the first mistake.

    Args:
        data: The data module.
        scan: Read every feature value to find NaN.
    """
    report = DataReport(remarks=data.remarks())
    splits: list[Split] = ["train", "val", "test"] if data.held_out else ["train", "test"]
    for split in splits:
        try:
            table = data.split_table(split)
        except AnnotationError as error:
            (report.remarks if split == "test" else report.problems).append(str(error))
            continue
        _inspect_split(data, split, table, report, scan)
    report.remarks = [remark for remark in report.remarks if remark not in report.problems]  # of both splits
    return report


def _inspect_split(data: SnippetDataModule, split: Split, table: pd.DataFrame, report: DataReport, scan: bool) -> None:
    instances = int(data.annotations.segments["video_id"].isin(table.index).sum())
    result = report.splits[split] = SplitReport(len(table), instances)
    fatal = report.remarks if split == "test" else report.problems
    stores = _open_streams(data, table, fatal)
    if not stores:
        fatal.append(f"No features of the {split} videos could be opened.")
        return
    for name, store in stores.items():
        result.streams[name] = _inspect_stream(name, store, table, data.length_tolerance_s, f"{split} {name}", scan)
    missing = sorted({video_id for stream in result.streams.values() for video_id in stream.missing})
    _inspect_missing(data, split, table, missing, report)
    for name, stream in result.streams.items():
        _inspect_features(split, name, stream, fatal, report.remarks)
    present = table.drop(index=missing)
    if len(stores) > 1 and not any(stream.unreadable for stream in result.streams.values()):
        _inspect_pairs(SnippetFeatures(stores, data.length_tolerance_s), present, split, fatal)
    if split == "train":
        _inspect_labels(data, present, report)
        _inspect_unlabelled(data, stores, report)
    if split == "test":
        _inspect_segments(data, present, stores, report)
        report.remarks += segment_doubts(stores, present, data.annotations.segments)


def _open_streams(data: SnippetDataModule, table: pd.DataFrame, fatal: list[str]) -> dict[str, FeatureStore]:
    stores: dict[str, FeatureStore] = {}
    if not data.streams:
        fatal.append("The configuration names no features: give their folder, for example in `data.i3d.path`.")
    for name in data.streams:
        try:
            stores[name] = data.open_stream(name, table)
        except FeatureError as error:
            fatal.append(str(error))
    return stores


def _inspect_missing(
    data: SnippetDataModule, split: Split, table: pd.DataFrame, missing: Sequence[str], report: DataReport
) -> None:
    if not missing:
        return
    lost = int(data.annotations.segments["video_id"].isin(missing).sum())
    more = f", with {lost} instances that can never be found" if split == "test" and lost else ""
    fatal = data.missing == "error" and split != "test"
    (report.problems if fatal else report.remarks).append(
        f"{len(missing)} of {len(table)} {split} videos have no features{more}: {first(missing)}."
    )


def _inspect_features(split: Split, name: str, stream: StreamReport, fatal: list[str], remarks: list[str]) -> None:
    if stream.unreadable:
        fatal.append(
            f"{len(stream.unreadable)} {split} videos have unusable {name} features; the first: {stream.unreadable[0]}"
        )
    if stream.durations.problem:
        fatal.append(stream.durations.problem)
    remarks += [*filter(None, [stream.durations.warning]), *stream.notes]


def _inspect_stream(
    name: str, store: FeatureStore, table: pd.DataFrame, tolerance_s: float, title: str, scan: bool
) -> StreamReport:
    result = StreamReport(missing=[video_id for video_id in table.index if video_id not in store])
    present = table.drop(index=result.missing)
    unusable: list[Any] = []
    result.found, result.dim = len(present), store.dim if len(present) else 0
    videos: Iterable[Any] = present.index
    if scan:
        console = Console(stderr=True)  # a notebook is not a terminal, where a bar would need widgets
        videos = track(list(videos), title, console=console, transient=True, disable=not console.is_terminal)
    for video_id in videos:
        try:
            length = store.length(video_id)
            _ = store.grid(video_id)
            _ = store[video_id] if scan else None  # the store itself looks for NaN
        except FeatureError as error:
            result.unreadable.append(str(error))
            unusable.append(video_id)
            continue
        result.rows += length
    result.durations = check_durations(name, store, present["duration_s"].drop(index=unusable), tolerance_s)
    result.notes = store.notes()
    return result


def _inspect_pairs(features: SnippetFeatures, table: pd.DataFrame, split: Split, fatal: list[str]) -> None:
    refused = []
    for video_id in table.index:
        try:
            features.length(video_id)
        except FeatureError as error:
            refused.append(str(error))
    if refused:
        fatal.append(f"{len(refused)} {split} videos cannot be used; the first: {refused[0]}")


def _inspect_labels(data: SnippetDataModule, table: pd.DataFrame, report: DataReport) -> None:
    counts: dict[str, int] = defaultdict(int)
    for labels in table["labels"]:
        for label in labels:
            counts[label] += 1
    absent = [name for name in data.class_names if not counts[name]]
    if table.empty:
        report.problems.append("No training video has features.")
    elif absent:
        report.remarks.append(
            f"{len(absent)} of {len(data.class_names)} classes have no training video: {first(absent)}."
        )


def _inspect_unlabelled(data: SnippetDataModule, stores: Mapping[str, FeatureStore], report: DataReport) -> None:
    videos = data.annotations.videos
    known = {name.removeprefix("v_") for name in (*videos.index, *videos["alias"])}
    for name, store in stores.items():
        unknown = sorted(video_id for video_id in store if video_id.removeprefix("v_") not in known)
        if unknown:
            report.remarks.append(f"{len(unknown)} videos have {name} features and no annotation: {first(unknown)}.")


def _inspect_segments(
    data: SnippetDataModule, table: pd.DataFrame, stores: Mapping[str, FeatureStore], report: DataReport
) -> None:
    segments = data.annotations.segments
    segments = segments[segments["video_id"].isin(table.index)]
    if segments.empty:
        report.remarks.append("The test videos have no segments: a test can localize, but not measure.")
    report.remarks += of_untimed(table["labels"], set(segments["video_id"]))
    by_features = table.index.to_series().map(features_end_s(next(iter(stores.values())), table.index))
    ends_s = table["duration_s"].fillna(by_features)
    late = segments["start_s"] >= segments["video_id"].map(ends_s)
    if late.any():
        names = sorted(set(segments["video_id"][late]))
        report.remarks.append(f"{late.sum()} test segments start after the end of their video: {first(names)}.")
