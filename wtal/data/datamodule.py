"""What every data set has in common: splits, held-out videos, loaders, the full-length pass."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader

from wtal.data.annotations import Annotations, first
from wtal.data.dataset import Item, Sampling, SnippetDataset, SnippetFeatures
from wtal.data.features import FeatureSource, FeatureStore, open_features, part_of
from wtal.data.resumable import EpochSampler, ResumableLoader, leave_sigterm
from wtal.errors import AnnotationError, ConfigError, FeatureNotFoundError
from wtal.types import Benchmark, Video

__all__ = ["SnippetDataModule", "Split", "SplitVideos", "first", "hold_out"]

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class SplitVideos:
    """The videos of a split, in the order of ``SnippetBatch.video``.

    Args:
        table: Rows of :attr:`Annotations.videos`.
        features: Of these videos.
        videos: What is known of each without features and segments.
        left_out: Annotated videos of this split that have no features.
    """

    table: pd.DataFrame
    features: SnippetFeatures
    videos: list[Video]
    left_out: list[str]


class SnippetDataModule(LightningDataModule):
    """Loaders for any data set of snippet features with video-level labels.

    A subclass reads its annotations, names its benchmark and, where subsets are not the whole story, answers
    :meth:`train_table` and :meth:`test_table`. Segments leave it through :meth:`ground_truth` alone.

    Args:
        annotations: Labels, subsets, and segments for evaluation.
        benchmark: How detections are measured.
        i3d: Where the I3D features are; None to do without.
        clip: Where the CLIP features are; None to do without.
        train_subset: Subset of the training videos; several names are alternatives.
        test_subset: Subset of the test videos; several names are alternatives.
        batch_size: Videos of a training batch.
        num_snippets: Longest crop in training; tests see whole videos.
        sampling: How a crop is taken, ``random`` (a run of neighbours) or ``uniform`` (spread over the video).
        eval_batch_size: Videos of a batch at full length.
        num_workers: Processes that load; 0 loads in the main one.
        held_out: Share of the training videos that is kept for validation, in [0, 1).
        held_out_seed: Which ones. No class loses its last training video.
        validate_on: What validation may see of the held-out videos: their video-level ``labels``, or ``segments`` too.
        missing: What happens to annotated videos without features: ``error``, or ``skip``, which becomes part of the
            benchmark's name, since it makes another benchmark.
        drop_up_to: Leave out videos of so many snippets or fewer, with their ground truth; the benchmark's name then
            says it. CO2-Net's loader does this with 10 on ActivityNet.
        length_tolerance_s: By how many seconds the streams of a video may differ.
        cache: Hold the training videos in memory. Useful on slow disks and where CLIP lies on another grid.
        seed: Of order and crops; None takes the run's own (``seed_everything``).
        features_note: What the features are, for every table: ``simulated, seed 14`` or ``I3D + CLIP ViT-B/16``.

    Raises:
        ConfigError: For a number out of range.
    """

    def __init__(
        self,
        annotations: Annotations,
        benchmark: Benchmark,
        i3d: FeatureSource | None = None,
        clip: FeatureSource | None = None,
        *,
        train_subset: Sequence[str] = ("train", "training"),
        test_subset: Sequence[str] = ("test", "testing"),
        batch_size: int = 10,
        num_snippets: int = 320,
        sampling: Sampling = "random",
        eval_batch_size: int = 1,
        num_workers: int = 0,
        held_out: float = 0.0,
        held_out_seed: int = 0,
        validate_on: Literal["labels", "segments"] = "labels",
        missing: Literal["error", "skip"] = "error",
        drop_up_to: int = 0,
        length_tolerance_s: float = 2.0,
        cache: bool = False,
        seed: int | None = None,
        features_note: str = "not stated",
    ) -> None:
        super().__init__()
        for name, value in {
            "batch_size": batch_size,
            "num_snippets": num_snippets,
            "eval_batch_size": eval_batch_size,
        }.items():
            if value < 1:
                raise ConfigError(f"`data.{name}` must be at least 1, got {value}.")
        if not 0 <= held_out < 1:
            raise ConfigError(f"`data.held_out` is a share in [0, 1), got {held_out}.")
        if drop_up_to:
            benchmark = replace(benchmark, name=f"{benchmark.name}-more-than-{drop_up_to}-snippets")
        self.annotations, self.benchmark, self.features_note = annotations, benchmark, features_note
        self.class_names = list(annotations.class_names)
        self.i3d, self.clip = i3d, clip
        self.train_subset, self.test_subset = tuple(train_subset), tuple(test_subset)
        self.batch_size, self.num_snippets, self.sampling = batch_size, num_snippets, sampling
        self.eval_batch_size, self.num_workers = eval_batch_size, num_workers
        self.held_out, self.held_out_seed, self.validate_on = held_out, held_out_seed, validate_on
        self.missing, self.drop_up_to, self.length_tolerance_s = missing, drop_up_to, length_tolerance_s
        self.cache, self.seed = cache, seed
        self._splits: dict[Split, SplitVideos] = {}

    # What a data set may answer otherwise -----------------------------------------------------------------------

    def train_table(self) -> pd.DataFrame:
        """Rows of :attr:`Annotations.videos` that may be trained on, held-out ones included."""
        return self.annotations.in_subset(self.train_subset)

    def test_table(self) -> pd.DataFrame:
        """Rows of :attr:`Annotations.videos` that are tested on."""
        return self.annotations.in_subset(self.test_subset)

    def open_stream(self, source: FeatureSource, table: pd.DataFrame) -> FeatureStore:
        """Features of the videos of a table, as far as they exist."""
        names = self.annotations.path if (self.annotations.path / "videoname.npy").is_file() else None
        store = open_features(source, [*table.index, *filter(None, table["alias"])], names)
        aliases = {str(v): alias for v, alias in table["alias"].items() if alias and v not in store and alias in store}
        return _renamed(store, aliases) if aliases else store

    # What branches, loop and localizer ask ----------------------------------------------------------------------

    def videos(self, split: Split) -> list[Video]:
        """Videos of a split; ``SnippetBatch.video`` is a row of it."""
        return self.split(split).videos

    @property
    def train_lengths(self) -> list[int]:
        """Snippets of each training video."""
        return [video.num_snippets for video in self.videos("train")]

    def feature_statistics(self, stream: Literal["i3d", "clip"]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over the training snippets, ``(D,)`` each.

        Every fourth snippet is read: neighbours are much alike.
        """
        train = self.split("train")
        column = ("i3d", "clip").index(stream)
        count, total, squares = 0, 0.0, 0.0
        for video in train.videos:
            rows = train.features.read(video.video_id, slice(None, None, 4))[column].astype(np.float64)
            count, total, squares = count + len(rows), total + rows.sum(axis=0), squares + (rows**2).sum(axis=0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)

    def ground_truth(self, split: Split) -> pd.DataFrame | None:
        """Segments of a split: ``video`` (row), ``label`` (class index), ``start_s``, ``end_s``.

        Returns:
            None where they must not be seen (the training videos; held-out ones unless ``validate_on`` is ``segments``)
            and where the annotations have none.
        """
        if split == "train" or (split == "val" and self.validate_on == "labels"):
            return None
        rows = {video.video_id: row for row, video in enumerate(self.videos(split))}
        segments = self.annotations.segments
        segments = segments[segments["video_id"].isin(rows.keys())]
        if segments.empty:
            return None
        classes = {name: index for index, name in enumerate(self.class_names)}
        truth = segments.assign(video=segments["video_id"].map(rows), label=segments["label"].map(classes))
        return truth[["video", "label", "start_s", "end_s"]].reset_index(drop=True)

    def named_segments(self, split: Split) -> pd.DataFrame:
        """The same with names, ``video_id, label, start_s, end_s``; no rows where :meth:`ground_truth` has none."""
        truth = self.ground_truth(split)
        if truth is None:
            return pd.DataFrame(columns=["video_id", "label", "start_s", "end_s"])
        videos = [video.video_id for video in self.videos(split)]
        names = {"video_id": [videos[row] for row in truth["video"]]}
        names["label"] = [self.class_names[label] for label in truth["label"]]
        return truth.assign(**names)[["video_id", "label", "start_s", "end_s"]]

    def split(self, split: Split) -> SplitVideos:
        """The videos of a split with their features, opened when first asked for.

        Raises:
            ConfigError: If no stream is given.
            AnnotationError: If the split is empty, or if a training video has no label.
            FeatureNotFoundError: If videos have no features and ``missing`` is ``error``.
            FeatureError: If the streams of a video disagree.
        """
        if split not in self._splits:
            self._splits[split] = self._open(split)
        return self._splits[split]

    def setup(self, stage: str) -> None:
        """Open what the stage needs, so that what is wrong with it is said before anything is computed.

        Raises:
            ConfigError: If there are no held-out videos to validate on.
            WTALError: As :meth:`split` does.
        """
        if stage == "validate" and not self.held_out:
            raise ConfigError("`data.held_out` is 0, so there is nothing to validate on: set it to 0.1, for example.")
        splits: dict[str, list[Split]] = {"fit": ["train", "val"], "validate": ["val"]}
        for split in splits.get(stage, ["test"]):
            if split != "val" or self.held_out:
                self.split(split)
        if stage == "fit" and self.cache:
            train = self.split("train")
            train.features.keep(list(train.table.index))
        if stage == "test":
            self._name_skipped()
            self._warn_of_unfindable()

    # Loaders ----------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> ResumableLoader[Item]:
        """Crops, shuffled; order and crops follow from seed and epoch, so a resumed run goes on as if uninterrupted."""
        dataset = self.dataset("train", self.num_snippets)
        world, rank = self._process()
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if self.seed is None else self.seed
        return ResumableLoader(
            dataset,
            EpochSampler(dataset, seed, world, rank),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=dataset.collate,
            persistent_workers=self.num_workers > 0,
        )

    def pseudo_label_dataloader(self) -> DataLoader[Item]:
        """The training videos at full length, in order; all of them in every process."""
        return self._whole("train", range(len(self.videos("train"))))

    def val_dataloader(self) -> DataLoader[Item] | list[DataLoader[Item]]:
        """The held-out videos at full length; nothing if none are held out."""
        return self._share("val") if self.held_out else []

    def test_dataloader(self) -> DataLoader[Item]:
        """The test videos at full length."""
        return self._share("test")

    def predict_dataloader(self) -> DataLoader[Item]:
        """The test videos at full length."""
        return self._share("test")

    def dataset(self, split: Split, num_snippets: int | None = None) -> SnippetDataset:
        """The videos of a split, whole or in crops of at most ``num_snippets``."""
        videos = self.split(split)
        return SnippetDataset(
            videos.features, list(videos.table.index), self._multi_hot(videos.table), num_snippets, self.sampling
        )

    def _whole(self, split: Split, rows: Iterable[int]) -> DataLoader[Item]:
        dataset = self.dataset(split)
        return DataLoader(
            dataset,
            batch_size=self.eval_batch_size,
            sampler=rows,
            num_workers=self.num_workers,
            collate_fn=dataset.collate,
            worker_init_fn=leave_sigterm,
        )

    def _share(self, split: Split) -> DataLoader[Item]:
        """Each video in one process only, as a metric that is gathered must meet none twice."""
        world, rank = self._process()
        return self._whole(split, range(rank, len(self.videos(split)), world))

    def _process(self) -> tuple[int, int]:
        """Number of processes, and which one this is."""
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)

    # Splits -----------------------------------------------------------------------------------------------------

    def _multi_hot(self, table: pd.DataFrame) -> np.ndarray:
        classes = {name: index for index, name in enumerate(self.class_names)}
        labels = np.zeros((len(table), len(classes)), np.float32)
        for row, names in enumerate(table["labels"]):
            labels[row, [classes[name] for name in names]] = 1
        return labels

    @cached_property
    def _train_val(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        table = self.train_table()
        out = hold_out(self._multi_hot(table), self.held_out, self.held_out_seed)
        if self.held_out and not out.any():
            raise ConfigError(
                f"`data.held_out` {self.held_out:g} of {len(table)} training videos leaves none to validate on, with "
                "one of each class to learn from: raise it, or set it to 0."
            )
        return table[~out], table[out]

    def split_table(self, split: Split) -> pd.DataFrame:
        """Annotated videos of a split, whether they have features or not."""
        if split == "test":
            return self.test_table()
        return self._train_val[0 if split == "train" else 1]

    def _open(self, split: Split) -> SplitVideos:
        if self.i3d is None and self.clip is None:
            raise ConfigError("There are no features: say where they are, in `data.i3d`, `data.clip` or both.")
        annotated = self.split_table(split)
        i3d, clip = (
            None if source is None else self.open_stream(part_of(source, name), annotated)
            for name, source in (("i3d", self.i3d), ("clip", self.clip))
        )
        features = SnippetFeatures(i3d, clip, self.length_tolerance_s)
        left_out = self._without_features(annotated, features, split)
        table = annotated.drop(index=left_out)
        table = table.assign(length=[features.length(video_id) for video_id in table.index])
        table = table[table["length"] > self.drop_up_to]
        if table.empty:
            raise AnnotationError(f"{self.annotations.path}: no {split} video is left that has features.")
        unlabelled = [str(video_id) for video_id, labels in table["labels"].items() if not labels]
        if split == "train" and unlabelled:
            raise AnnotationError(
                f"{self.annotations.path}: {len(unlabelled)} training videos have no label: {first(unlabelled)}."
            )
        videos = []
        for video_id, length, duration_s in zip(table.index, table["length"], table["duration_s"], strict=True):
            grid = features.grid(video_id)
            videos.append(Video(video_id, length, grid, grid.edge_s(length) if np.isnan(duration_s) else duration_s))
        return SplitVideos(table, features, videos, left_out)

    def _without_features(self, table: pd.DataFrame, features: SnippetFeatures, split: Split) -> list[str]:
        left_out: set[str] = set()
        for name, stream in features.streams.items():
            absent = [video_id for video_id in table.index if video_id not in stream]
            if absent and self.missing == "error":
                raise FeatureNotFoundError(
                    f"{len(absent)} of {len(table)} {split} videos have no {name} features in {stream.path}: "
                    f"{first(absent)}; extract them, name a benchmark without them, or leave them out with "
                    "`data.missing: skip`."
                )
            left_out.update(absent)
        return [video_id for video_id in table.index if video_id in left_out]

    def _name_skipped(self) -> None:
        left_out = self.split("test").left_out
        if left_out and "without" not in self.benchmark.name:
            self.benchmark = replace(self.benchmark, name=f"{self.benchmark.name} without {len(left_out)} videos")
            rank_zero_warn(f"{len(left_out)} test videos have no features and are left out: {first(left_out)}.")

    def _warn_of_unfindable(self) -> None:
        truth = self.ground_truth("test")
        if truth is None:
            rank_zero_warn(
                "The test videos have no segments, so there is nothing to measure the localization by: add `start` and "
                "`end` to the annotations. Detections are written all the same."
            )
            return
        videos = self.videos("test")
        late = truth["start_s"] >= [videos[row].duration_s for row in truth["video"]]
        if late.any():
            counts = Counter(videos[row].video_id for row in truth["video"][late])
            names = [f"{video_id} ({count})" for video_id, count in counts.most_common()]
            rank_zero_warn(
                f"{late.sum()} test segments start after the end of their video and can never be found: {first(names)}."
            )


def _renamed(store: FeatureStore, aliases: Mapping[str, str]) -> FeatureStore:
    """The features of some videos under the names of the annotations; ``aliases`` are the names in the store."""
    return FeatureStore(
        store.path,
        {name: partial(store.__getitem__, alias) for name, alias in aliases.items()},
        {name: partial(_shape, store, alias) for name, alias in aliases.items()},
        lambda name: store.grid(aliases[name]),
        store.dim,
    )


def _shape(store: FeatureStore, name: str) -> tuple[int, int]:
    return store.length(name), store.dim


def hold_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose videos to hold out, class by class.

    The rarest classes choose first. Each gives up to its share of videos, and always keeps one.

    Args:
        labels: Multi-hot labels, ``(N, C)``.
        share: Share of each class's videos to hold out.
        seed: Which ones.

    Returns:
        True on held-out videos, ``(N,)``.
    """
    out = np.zeros(len(labels), bool)
    order = np.random.default_rng(seed).permutation(len(labels))
    videos = labels.sum(axis=0)
    quota, given = np.round(videos * share), np.zeros_like(videos)
    for label in np.argsort(videos, kind="stable"):
        for row in order[labels[order, label] == 1]:
            with_row = given + labels[row]
            keeps_all = ((videos - with_row)[labels[row] == 1] >= 1).all()
            if not out[row] and keeps_all and with_row[label] <= quota[label]:
                out[row], given = True, with_row
    return out
