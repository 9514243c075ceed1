"""Videos that keep coming while a model is trained: a table of labels and folders of features that grow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from wtal.data.annotations import Annotations, first, read_annotations, with_subsets
from wtal.data.custom import CustomDataModule, joined
from wtal.data.dataset import Item, SnippetDataset, SnippetFeatures
from wtal.data.growing import read_finished, spelled_alike
from wtal.data.reservoir import Reservoir
from wtal.data.resumable import FixedOrder
from wtal.data.splits import WithoutAction, open_split, remark_on_unlabelled
from wtal.data.store import FeatureStore, spellings
from wtal.errors import AnnotationError, CheckpointError, ConfigError, FeatureError, FeatureNotFoundError
from wtal.io.text import counted
from wtal.types import Split, Video

__all__ = ["Arrivals", "StreamDataModule"]


class Arrivals(NamedTuple):
    """What has come since the last look."""

    videos: list[str]  # training videos with labels and features, in the order of the annotations
    class_names: list[str]  # names of classes that the annotations did not name before

    @property
    def changes_training(self) -> bool:
        """Whether the training goes on with other batches."""
        return bool(self.videos or self.class_names)


class StreamDataModule(CustomDataModule):
    """The user's own videos, of which more come while a model is trained.

    A video joins the training with the first epoch before which it has a label in the annotations and whole features in
    every stream; :class:`~wtal.collaboration.FollowStream` looks for such videos between two epochs. Nothing that is
    half written is an error: a row or a file that is not finished waits for the next look. Classes keep their order,
    and new ones come at the end. A video keeps the labels that it came with.

    Which videos have come is part of the checkpoint, so that a resumed training goes on with those it had.

    Args:
        annotations: A file that grows, see :func:`~wtal.data.annotations.read_annotations`.
        memory: Largest number of videos that are trained on, chosen by a :class:`~wtal.data.Reservoir` balanced by
            class; None for all that have come.
        memory_seed: Seed of that choice.
        without_action: What happens to training videos without a label: ``skip`` waits for their labels, ``keep`` takes
            them as videos without any action.
        **options: See :class:`~wtal.data.CustomDataModule`.

    Raises:
        ConfigError: If videos are held out: each new one is tested before it is learned from instead.
    """

    def __init__(
        self,
        annotations: Path,
        memory: int | None = None,
        memory_seed: int = 0,
        without_action: WithoutAction = "skip",
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        self._left = ""  # a sentence about an unfinished line
        self._said: set[str] = set()  # sentences that were printed, and names of videos in them
        super().__init__(annotations, without_action=without_action, **options)
        if self.held_out:
            raise ConfigError(
                "`data.held_out` keeps no videos of a stream for validation: set it to 0; each new video with segments "
                "is tested before it is learned from."
            )
        self.memory = None if memory is None else Reservoir(memory, memory_seed)
        self.looked = -1  # the last epoch before which videos were looked for
        self.came: dict[str, tuple[int, tuple[str, ...]]] = {}  # epoch and labels of each video that has come

    # What has come --------------------------------------------------------------------------------------------------

    @property
    def trained_on(self) -> list[str]:
        """Names of the videos that are trained on, in the order in which they came."""
        return [name for name in self.came if self.memory is None or name in self.memory.held]

    def look(self, epoch: int) -> Arrivals:
        """Look for training videos that have come; :meth:`take` begins to train on them.

        Args:
            epoch: The epoch that is about to begin.

        Raises:
            WTALError: At the first look, if no video can be trained on.
        """
        is_first, self.looked = not self.came, epoch
        known = list(self.class_names)
        try:
            self._use(self.annotations if is_first else self.read())
            rows = self._training_rows()
            features = SnippetFeatures(self._stores(rows), self.length_tolerance_s)
        except (AnnotationError, FeatureError) as error:
            if is_first:
                raise
            self._say(f"Nothing new can be read at the moment, which is left for the next epoch: {error}")
            return Arrivals([], self.class_names[len(known) :])
        self._say(self._left)
        found = [name for name in rows.index if name not in self.came and self._is_ready(name, rows, features)]
        self._name_waiting(rows, features)
        if is_first and not found:
            raise FeatureNotFoundError(
                f"None of the {counted(len(rows), 'training video')} in {self.annotations.path} has a label and whole "
                "features yet: begin when one has."
            )
        return Arrivals(found, self.class_names[len(known) :])

    def take(self, arrivals: Arrivals) -> list[int | None]:
        """Train on videos that have come; some may take the place of others in the memory.

        Returns:
            For each video that is now trained on, in the order of the split, its former row; None if it is new.
        """
        former = {name: row for row, name in enumerate(self.trained_on)}
        labels = self.annotations.videos["labels"]
        for name in arrivals.videos:
            self.came[name] = (self.looked, tuple(labels[name]))
            if self.memory is not None:
                self.memory.offer(name, labels[name])
        before = self._splits.pop("train", None)
        self._splits.pop("test", None)
        if self.cache and before is not None:
            train = self.split("train")
            train.features.keep(list(train.table.index), before.features)
        return [former.get(name) for name in self.trained_on]

    def whole(self, video_ids: Sequence[str]) -> tuple[list[Video], DataLoader[Item]]:
        """Some videos that have come or are about to, at full length and in this order, for a test."""
        rows = self._rows_of(video_ids)
        features = SnippetFeatures(self._stores(rows), self.length_tolerance_s)
        videos = open_split(self.annotations, "train", rows, features, [], 0).videos
        dataset = SnippetDataset(features, list(rows.index), self._multi_hot(rows))
        return videos, self._loader(dataset, self.eval_batch_size, FixedOrder(dataset))

    def segments_for_testing(self, video_ids: Sequence[str]) -> pd.DataFrame:
        """Segments of videos of the stream, to measure against and never to learn from: ``video_id`` and the rest."""
        segments = self.annotations.segments
        return segments[segments["video_id"].isin(list(video_ids))]

    # What a data module does ----------------------------------------------------------------------------------------

    def read(self) -> Annotations:
        """Read the annotations as far as they are finished.

        Raises:
            AnnotationError: If they cannot be read.
        """
        files = self.files
        content, self._left = read_finished(
            files.annotations, lambda path: read_annotations(path, files.class_names, files.fps)
        )
        if files.subsets is not None:
            content = with_subsets(content, files.subsets)
        content = spelled_alike(content, getattr(self, "class_names", ()))
        if files.test_annotations is None:
            return content
        test = read_annotations(files.test_annotations, files.class_names, files.fps)
        test = spelled_alike(test, content.class_names)
        return replace(joined(content, test), class_names=test.class_names)

    def test_table(self) -> pd.DataFrame:
        """The videos that have come if there are no subsets, else those of the test subset."""
        if not self._undivided:
            return super().test_table()
        self._look_first()
        return self._rows_of(list(self.came))

    def split_table(self, split: Split) -> pd.DataFrame:
        """The videos that have come, or the annotated videos of another split."""
        if split != "train":
            return super().split_table(split)
        self._look_first()
        return self._rows_of(self.trained_on)

    def remarks(self) -> list[str]:
        """What a user should know about the annotations; videos without a label are named by :meth:`look`."""
        named = remark_on_unlabelled(self.train_table(), self.without_action)
        return [remark for remark in super().remarks() if remark not in named]

    # Checkpoints ----------------------------------------------------------------------------------------------------

    def know(self, class_names: Sequence[str], may_grow: bool) -> bool:
        """Take the classes in the order of a checkpoint.

        Args:
            class_names: Its classes.
            may_grow: Whether the data may have more classes, which then come with the next look.

        Returns:
            Whether the data have its classes.
        """
        more = [name for name in self.class_names if name not in class_names]
        if (more and not may_grow) or not set(class_names) <= set(self.class_names):
            return False
        self._use(_of_classes(self.annotations, class_names))
        return True

    def state_dict(self) -> dict[str, Any]:
        """Which videos have come, and when."""
        return {
            "class_names": list(self.class_names),
            "looked": self.looked,
            "came": {name: [epoch, list(labels)] for name, (epoch, labels) in self.came.items()},
            "memory": None if self.memory is None else self.memory.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the videos of a checkpoint.

        Raises:
            CheckpointError: If it was trained with another kind of memory.
        """
        if (self.memory is None) != (state_dict["memory"] is None):
            raise CheckpointError(
                "The checkpoint was trained with another `data.memory`: give that of its run, or train anew."
            )
        if self.memory is not None:
            self.memory.load_state_dict(state_dict["memory"])
        self.looked = state_dict["looked"]
        self.came = {name: (epoch, tuple(labels)) for name, (epoch, labels) in state_dict["came"].items()}
        self._said.update(self.came)
        for split in ("train", "test"):
            self._splits.pop(split, None)

    # Reading --------------------------------------------------------------------------------------------------------

    def _use(self, annotations: Annotations) -> None:
        """Use these annotations, in which videos that have come keep their rows."""
        former = self.annotations.videos
        gone = [name for name in self.came if name not in annotations.videos.index and name in former.index]
        if gone:
            annotations = replace(annotations, videos=pd.concat([annotations.videos, former.loc[gone]]))
        self.annotations, self.class_names = annotations, list(annotations.class_names)

    def _training_rows(self) -> pd.DataFrame:
        rows = self.train_table()
        return rows[rows["labels"].map(bool)] if self.without_action == "skip" else rows

    def _rows_of(self, video_ids: Sequence[str]) -> pd.DataFrame:
        """Rows of the annotations, with the labels that videos came with.

        Raises:
            AnnotationError: If a row is there no more.
        """
        videos = self.annotations.videos
        lacking = [name for name in video_ids if name not in videos.index]
        if lacking:
            raise AnnotationError(
                f"{self.annotations.path} has no row any more of {counted(len(lacking), 'video')} that the checkpoint "
                f"was trained on: {first(lacking)}; put them back."
            )
        rows = videos.loc[list(video_ids)]
        labels: list[Any] = [self.came[name][1] if name in self.came else rows["labels"][name] for name in rows.index]
        return rows.assign(labels=labels)

    def _stores(self, rows: pd.DataFrame) -> dict[str, FeatureStore]:
        return {name: self.open_stream(name, rows) for name in self.streams}

    def _is_ready(self, video_id: str, rows: pd.DataFrame, features: SnippetFeatures) -> bool:
        """Whether a video has whole features."""
        if any(video_id not in store for store in features.streams.values()):
            return False
        try:
            features.read(video_id, slice(None))
            return features.length(video_id) > self.drop_up_to
        except FeatureError as error:
            self._say(f"Video {video_id} is left for the next epoch: {error}")
            return False

    def _look_first(self) -> None:
        if self.looked < 0:
            self.take(self.look(0))

    # Words ----------------------------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        """Tell the user something, once."""
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            rank_zero_warn(sentence)

    def _name_waiting(self, rows: pd.DataFrame, features: SnippetFeatures) -> None:
        """Name each video that waits for its label or for its features, once."""
        path, stores = self.annotations.path, list(features.streams.values())
        with_any = [name for name in self._without_label() if any(name in store for store in stores)]
        self._name([*self._unlisted(stores[0]), *with_any], f"a label in {path}")
        coming = [name for name in rows.index if name not in self.came]
        self._name([n for n in coming if not all(n in store for store in stores)], "features in every stream")

    def _unlisted(self, store: FeatureStore) -> list[str]:
        """Names of the videos in a store that the annotations do not list."""
        names = [*self.annotations.videos.index, *filter(None, self.annotations.videos["alias"])]
        listed = {spelling for name in names for spelling in spellings(name)}
        return [name for name in store if name not in listed]

    def _without_label(self) -> list[str]:
        """Names of the listed videos that wait for a label."""
        if self.without_action == "keep":
            return []
        labels, known = self.annotations.videos["labels"], {*self.came, *self._test_names()}
        return [str(name) for name, found in labels.items() if not found and name not in known]

    def _test_names(self) -> list[str]:
        if self._undivided:
            return []
        try:
            return list(self.test_table().index)
        except AnnotationError:  # there may be none
            return []

    def _name(self, video_ids: Sequence[str], what: str) -> None:
        fresh = [name for name in video_ids if name not in self._said]
        self._said.update(fresh)
        if fresh:
            rank_zero_warn(f"Left out until they have {what}: {first(fresh)} ({counted(len(fresh), 'video')}).")


def _of_classes(annotations: Annotations, class_names: Sequence[str]) -> Annotations:
    """Annotations with only these classes, in this order."""
    place = {name: index for index, name in enumerate(class_names)}

    def labels(found: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted((name for name in found if name in place), key=place.__getitem__))

    known: list[Any] = [labels(found) for found in annotations.videos["labels"]]
    videos = annotations.videos.assign(labels=known)
    segments = annotations.segments[annotations.segments["label"].isin(place)]
    return replace(annotations, videos=videos, segments=segments, class_names=tuple(class_names))
