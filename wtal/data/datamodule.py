"""What every data set has in common: splits, held-out videos, loaders, the pass at full length."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader

from wtal.data.annotations import Annotations, first, read_annotations
from wtal.data.dataset import Item, Sampling, SnippetDataset, SnippetFeatures
from wtal.data.durations import check_streams
from wtal.data.features import FeatureSource, FeatureStore, open_features, part_of, sources_of
from wtal.data.provenance import NOT_STATED, described, trained_on
from wtal.data.remarks import before_training, of_unfindable
from wtal.data.resumable import EpochSampler, FixedOrder, ResumableLoader, leave_sigterm
from wtal.data.selection import renamed
from wtal.data.splits import SplitVideos, WithoutAction, hold_out, open_split, with_action, without_features
from wtal.errors import AnnotationError, ConfigError, FeatureError
from wtal.functional.statistics import mean_and_deviation
from wtal.io.given import one_or_more
from wtal.types import Benchmark, Split, Video

__all__ = ["SnippetDataModule", "Split", "SplitVideos", "first", "hold_out"]


class SnippetDataModule(LightningDataModule):
    """Loaders for any data set of snippet features with video-level labels.

    A subclass reads its annotations, names its benchmark and, where subsets do not define the splits, overrides
    :meth:`train_table` and :meth:`test_table`. Segments leave it through :meth:`ground_truth`, for measuring, and
    through :meth:`segments_for_supervision`, the one named door to training.

    Args:
        annotations: Labels, subsets, and segments for evaluation.
        benchmark: How detections are measured.
        i3d: Source of the I3D features, in Python also their path; None if there are none.
        clip: Source of the CLIP features, in Python also their path; None if there are none.
        streams: Sources of any other streams, by name. The first stream of all gives the time grid.
        train_subset: Subset of the training videos; several names are alternatives.
        test_subset: Subset of the test videos; several names are alternatives.
        batch_size: Number of videos in a training batch.
        num_snippets: Length of the longest crop in training; tests use whole videos.
        sampling: How a crop is taken, ``random`` (consecutive snippets) or ``uniform`` (spread over the video).
        eval_batch_size: Number of videos in a batch at full length.
        num_workers: Number of processes that load data; 0 loads in the main process.
        held_out: Share of the training videos that is kept for validation, in [0, 1).
        held_out_seed: Seed that chooses them. No class loses its last training video.
        validate_on: What validation may see of the held-out videos: their video-level ``labels``, or ``segments`` too.
        missing: What happens to annotated videos without features: ``error``, or ``skip``, which becomes part of the
            benchmark's name because it changes the benchmark.
        without_action: What happens to training videos without a label: ``keep`` takes them as videos without any
            action, which teach the background; ``skip`` leaves them out.
        drop_up_to: Leave out videos of this many snippets or fewer together with their ground truth; this becomes part
            of the benchmark's name. CO2-Net's loader does it with 10 on ActivityNet.
        length_tolerance_s: Largest allowed difference in seconds between the streams of a video, and beside rounding
            between its features and its duration.
        cache: Hold the training videos in memory. This helps on slow disks and where streams lie on different grids.
        seed: Seed of order and crops; None takes that of the run (``seed_everything``).
        features_note: Description of the features in every table, such as ``simulated, seed 14``; see
            :func:`~wtal.data.provenance.described`.

    Raises:
        ConfigError: If a number is out of range, or a stream is given twice.
    """

    def __init__(
        self,
        annotations: Annotations,
        benchmark: Benchmark,
        i3d: FeatureSource | None = None,
        clip: FeatureSource | None = None,
        *,
        streams: Mapping[str, FeatureSource] | None = None,
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
        without_action: WithoutAction = "keep",
        drop_up_to: int = 0,
        length_tolerance_s: float = 2.0,
        cache: bool = False,
        seed: int | None = None,
        features_note: str = NOT_STATED,
    ) -> None:
        super().__init__()
        sizes = {"batch_size": batch_size, "num_snippets": num_snippets, "eval_batch_size": eval_batch_size}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"`data.{name}` must be at least 1, got {value}.")
        if not 0 <= held_out < 1:
            raise ConfigError(f"`data.held_out` is a share in [0, 1), got {held_out}.")
        if isinstance(annotations, str | Path):
            annotations = read_annotations(Path(annotations))
        if drop_up_to:
            benchmark = replace(benchmark, name=f"{benchmark.name}-more-than-{drop_up_to}-snippets")
        self.annotations, self.benchmark, self.features_note = annotations, benchmark, features_note
        self.class_names = list(annotations.class_names)
        self.streams = sources_of(i3d, clip, streams)
        self.train_subset = tuple(one_or_more("data.train_subset", train_subset))
        self.test_subset = tuple(one_or_more("data.test_subset", test_subset))
        self.batch_size, self.num_snippets, self.sampling = batch_size, num_snippets, sampling
        self.eval_batch_size, self.num_workers = eval_batch_size, num_workers
        self.held_out, self.held_out_seed, self.validate_on = held_out, held_out_seed, validate_on
        self.missing, self.drop_up_to, self.length_tolerance_s = missing, drop_up_to, length_tolerance_s
        self.cache, self.seed, self.without_action = cache, seed, without_action
        self._splits: dict[Split, SplitVideos] = {}
        self._remarks: set[str] = set()

    # What a data set may override -------------------------------------------------------------------------------

    def train_table(self) -> pd.DataFrame:
        """Rows of :attr:`Annotations.videos` that may be trained on, held-out ones included."""
        return self.annotations.in_subset(self.train_subset, "data.train_subset")

    def test_table(self) -> pd.DataFrame:
        """Rows of :attr:`Annotations.videos` that are tested on."""
        return self.annotations.in_subset(self.test_subset, "data.test_subset")

    def open_stream(self, name: str, table: pd.DataFrame) -> FeatureStore:
        """Features of one stream, for those videos of a table that have them."""
        names = self.annotations.path if (self.annotations.path / "videoname.npy").is_file() else None
        source = part_of(self.streams[name], name)
        durations_s = dict(zip([*table.index, *table["alias"]], [*table["duration_s"]] * 2, strict=True))
        store = open_features(source, [*table.index, *filter(None, table["alias"])], names, durations_s)
        aliases = {str(v): alias for v, alias in table["alias"].items() if alias and v not in store and alias in store}
        return renamed(store, aliases) if aliases else store

    def remarks(self) -> list[str]:
        """What a user should know about how the annotations were read, and about videos in no split."""
        names = (*self.train_subset, *self.test_subset)
        return before_training(self.annotations, self.train_table, self.test_table, names, self.without_action)

    # What modules ask of their data, see `VideoData` ------------------------------------------------------------

    def videos(self, split: Split) -> list[Video]:
        """Videos of a split; ``SnippetBatch.video`` is an index into them."""
        return self.split(split).videos

    @property
    def dims(self) -> dict[str, int]:
        """Number of channels of each stream, such as the ``in_dim`` of a head."""
        return self.split("train").features.dims

    @property
    def train_lengths(self) -> list[int]:
        """Number of snippets of each training video."""
        return [video.num_snippets for video in self.videos("train")]

    def training_rows(self, streams: Sequence[str]) -> Iterator[Tensor]:
        """Every fourth snippet of each training video, ``(n, D)``, with the streams side by side.

        Neighbouring snippets are much alike, so a fourth of them has the statistics of all.

        Raises:
            FeatureError: If the data have no such stream.
        """
        lacking = [name for name in streams if name not in self.streams]
        if lacking:
            raise FeatureError(
                f"The model reads the stream {lacking[0]!r}, but the data have {', '.join(self.streams)}: give its "
                f"source in `data.{lacking[0]}.path` or `data.streams`."
            )
        train = self.split("train")
        for video in train.videos:
            rows = train.features.read(video.video_id, slice(None, None, 4))
            yield torch.from_numpy(np.concatenate([rows[name] for name in streams], axis=1).astype(np.float32))

    def feature_statistics(self, stream: str) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over :meth:`training_rows`, ``(D,)`` each."""
        return mean_and_deviation(self.training_rows([stream]))

    def ground_truth(self, split: Split) -> pd.DataFrame | None:
        """Segments of a split to measure against: ``video`` (row), ``label`` (class index), ``start_s``, ``end_s``.

        Returns:
            None where they must not be seen (those of training videos; those of held-out ones unless ``validate_on`` is
            ``segments``) and where the annotations have none.
        """
        if split == "train" or (split == "val" and self.validate_on == "labels"):
            return None
        return self._segments(split)

    def named_segments(self, split: Split) -> pd.DataFrame:
        """The same with names, ``video_id, label, start_s, end_s``; empty where :meth:`ground_truth` returns None."""
        truth = self.ground_truth(split)
        if truth is None:
            return pd.DataFrame(columns=["video_id", "label", "start_s", "end_s"])
        videos = [video.video_id for video in self.videos(split)]
        names = {"video_id": [videos[row] for row in truth["video"]]}
        names["label"] = [self.class_names[label] for label in truth["label"]]
        return truth.assign(**names)[["video_id", "label", "start_s", "end_s"]]

    def segments_for_supervision(self) -> pd.DataFrame:
        """Segments of the training videos, for training: the one door, which marks the benchmark as ``supervised``.

        Returns:
            The table of :meth:`ground_truth`.

        Raises:
            AnnotationError: If the training videos have no segments.
        """
        self.mark_benchmark("supervised")
        segments = self._segments("train")
        if segments is None:
            raise AnnotationError(f"{self.annotations.path}: the training videos have no segments to learn from.")
        return segments

    def mark_benchmark(self, mark: str) -> None:
        """Add to the benchmark's name what its numbers were learned from, once; an empty mark changes nothing."""
        names = dict.fromkeys([*self.benchmark.name.split(", "), *filter(None, mark.split(", "))])
        self.benchmark = replace(self.benchmark, name=", ".join(names))

    def split(self, split: Split) -> SplitVideos:
        """The videos of a split with their features, opened when first asked for.

        Raises:
            ConfigError: If no stream is given.
            AnnotationError: If the split is empty, or if no training video has a label.
            FeatureNotFoundError: If videos have no features and ``missing`` is ``error``.
            FeatureError: If the streams of a video disagree.
        """
        if split not in self._splits:
            self._splits[split] = self._open(split)
        return self._splits[split]

    def setup(self, stage: str) -> None:
        """Open what the stage needs, so that any mistake in it is reported before the computation begins.

        Raises:
            ConfigError: If there are no held-out videos to validate on.
            WTALError: See :meth:`split`.
        """
        if stage == "validate" and not self.held_out:
            raise ConfigError("`data.held_out` is 0, so there is nothing to validate on: set it to 0.1, for example.")
        splits: dict[str, list[Split]] = {"fit": ["train", "val"], "validate": ["val"]}
        for split in splits.get(stage, ["test"]):
            if split != "val" or self.held_out:
                self.split(split)
        if stage == "fit":
            self._prepare_training()
        elif stage in ("test", "predict"):
            self._prepare_test(measures=stage == "test")

    def _prepare_training(self) -> None:
        for remark in self.remarks():
            rank_zero_warn(remark)
        if self.cache:
            train = self.split("train")
            train.features.keep(list(train.table.index))

    def _prepare_test(self, measures: bool) -> None:
        if "the training videos" not in self.benchmark.name:
            self.mark_benchmark(trained_on(self.train_table, self.test_table()))
        if measures:
            self._name_skipped()
            test = self.split("test")
            for remark in of_unfindable(self.ground_truth("test"), test.videos, test.table["labels"]):
                rank_zero_warn(remark)

    # Loaders ----------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader[Item]:
        """Shuffled crops; seed and epoch decide order and crops, so that a resumed run equals an uninterrupted one.

        With Lightning's ``overfit_batches``, the same crops in the same order in every epoch.
        """
        dataset = self.dataset("train", self.num_snippets)
        world, rank = self._process()
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if self.seed is None else self.seed
        if getattr(self.trainer, "overfit_batches", 0):
            return self._loader(dataset, self.batch_size, FixedOrder(dataset, world, rank, seed))
        return ResumableLoader(
            dataset,
            EpochSampler(dataset, seed, world, rank),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=dataset.collate,
            persistent_workers=self.num_workers > 0,
        )

    def pseudo_label_dataloader(self) -> DataLoader[Item]:
        """The training videos at full length, in order, and all of them in every process."""
        return self._whole("train", 1, 0)

    def val_dataloader(self) -> DataLoader[Item] | list[DataLoader[Item]]:
        """The held-out videos at full length; no loader if none are held out."""
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

    def _whole(self, split: Split, world: int, rank: int) -> DataLoader[Item]:
        dataset = self.dataset(split)
        return self._loader(dataset, self.eval_batch_size, FixedOrder(dataset, world, rank))

    def _loader(self, dataset: SnippetDataset, batch_size: int, sampler: FixedOrder) -> DataLoader[Item]:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=dataset.collate,
            worker_init_fn=leave_sigterm,
        )

    def _share(self, split: Split) -> DataLoader[Item]:
        """Each video in one process only, because a gathered metric must count none twice."""
        return self._whole(split, *self._process())

    def _process(self) -> tuple[int, int]:
        """Number of processes, and the rank of this one."""
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
        table = with_action(self.annotations.path, self.train_table(), self.without_action)
        out = hold_out(self._multi_hot(table), self.held_out, self.held_out_seed)
        if self.held_out and not out.any():
            raise ConfigError(
                f"`data.held_out` {self.held_out:g} of {len(table)} training videos leaves none to validate on, as "
                "every class keeps one for training: raise it, or set it to 0."
            )
        return table[~out], table[out]

    def split_table(self, split: Split) -> pd.DataFrame:
        """Annotated videos of a split, whether they have features or not."""
        if split == "test":
            return self.test_table()
        return self._train_val[0 if split == "train" else 1]

    def _segments(self, split: Split) -> pd.DataFrame | None:
        rows = {video.video_id: row for row, video in enumerate(self.videos(split))}
        segments = self.annotations.segments
        segments = segments[segments["video_id"].isin(rows.keys())]
        if segments.empty:
            return None
        classes = {name: index for index, name in enumerate(self.class_names)}
        truth = segments.assign(video=segments["video_id"].map(rows), label=segments["label"].map(classes))
        return truth[["video", "label", "start_s", "end_s"]].reset_index(drop=True)

    def _open(self, split: Split) -> SplitVideos:
        if not self.streams:
            raise ConfigError("There are no features: give their source in `data.i3d`, `data.clip` or `data.streams`.")
        annotated = self.split_table(split)
        stores = {name: self.open_stream(name, annotated) for name in self.streams}
        self.features_note = described(self.features_note, self.streams)
        features = SnippetFeatures(stores, self.length_tolerance_s)
        left_out = without_features(annotated, features.streams, split, self.missing)
        segments = self.annotations.segments if split == "test" else None
        remarks = check_streams(stores, annotated, self.length_tolerance_s, segments)
        for remark in (remark for remark in remarks if remark not in self._remarks):
            rank_zero_warn(remark)
        self._remarks.update(remarks)
        return open_split(self.annotations, split, annotated, features, left_out, self.drop_up_to)

    def _name_skipped(self) -> None:
        left_out = self.split("test").left_out
        if left_out and "without" not in self.benchmark.name:
            name, comma, marks = self.benchmark.name.partition(", ")
            name = f"{name} without {len(left_out)} videos{comma}{marks}"
            self.benchmark = replace(self.benchmark, name=name)
            rank_zero_warn(f"{len(left_out)} test videos have no features and are left out: {first(left_out)}.")
