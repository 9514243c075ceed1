"""Every form of annotation that is in use, as one table in seconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from wtal.data.annotation_files import Record, Span, read_ambiguous, read_video_table, reader_of
from wtal.errors import AnnotationError, brief

__all__ = ["Annotations", "first", "read_annotations", "with_ambiguous", "with_subsets"]


@dataclass(frozen=True)
class Annotations:
    """Videos with their video-level labels and, apart from them, segments.

    Args:
        path: Where they were read; named in errors.
        videos: One row a video in the order of the file, indexed by ``video_id``. Columns: ``subset`` (as in the file,
            empty where it does not say), ``duration_s`` (NaN where unknown), ``labels`` (tuple of the video-level
            labels) and ``alias`` (another name that its feature files may have; empty for none).
        segments: One row an instance: ``video_id``, ``label``, ``start_s``, ``end_s``. For evaluation only.
        class_names: In the order of the class indices.
        ambiguous: Where it is unclear whether there is an action: ``video_id``, ``start_s``, ``end_s``. For evaluation
            by rules that leave such places out.
    """

    path: Path
    videos: pd.DataFrame
    segments: pd.DataFrame
    class_names: tuple[str, ...]
    ambiguous: pd.DataFrame  # no default: jsonargparse compares defaults, and a table has no truth value

    def in_subset(self, names: Sequence[str]) -> pd.DataFrame:
        """Rows of the videos whose subset has one of these names, in any case of letters.

        Raises:
            AnnotationError: If there is none; it lists the subsets that exist.
        """
        wanted = {name.lower() for name in names}
        found = self.videos[self.videos["subset"].str.lower().isin(wanted)]
        if found.empty:
            counts = self.videos["subset"].value_counts().items()
            existing = ", ".join(f"{name!r} ({count} videos)" if name else f"{count} without" for name, count in counts)
            raise AnnotationError(
                f"{self.path} has no video of subset {' or '.join(map(repr, names))}; its subsets are: {existing}."
            )
        return found


def read_annotations(path: Path, class_names: Sequence[str] | None = None) -> Annotations:
    """Read annotations; the form is found from the file.

    Forms: ActivityNet JSON (with or without the level ``database``, ``duration`` or ``duration_second``, numbers or
    strings), the W-TALC folder of ``.npy`` files, the organisers' THUMOS14 text files (in one folder or several below
    the path), and a table ``video,label`` or ``video,start,end,label`` with optional ``subset`` and ``duration`` (CSV
    or TSV). In a table, videos may be given by their files, ``run.mp4``; several labels of a video are as many lines,
    or one cell ``run;jump``; a line that repeats another one says nothing more.

    Video-level labels are W-TALC's ``labels_all``, the labels of a table, elsewhere the set of the segments' labels.

    Args:
        path: A file or a folder.
        class_names: Order of the classes. By default W-TALC's ``classlist``, else the names in alphabetical order.

    Raises:
        AnnotationError: If the path does not exist, the form is unknown, a value is missing or senseless, or a label is
            not among the class names.
    """
    path = Path(path)
    content = reader_of(path)(path)
    names = tuple(class_names or content.class_names or _sorted_labels(content.records))
    return replace(_tabulate(path, content.records, names), ambiguous=_spans(path, content.ambiguous))


def with_ambiguous(annotations: Annotations, path: Path) -> Annotations:
    """Annotations with the ambiguous segments of a file of THUMOS14, lines ``video start end``, besides their own.

    Raises:
        AnnotationError: If the file is unreadable or a line has another form.
    """
    more = _spans(path, read_ambiguous(Path(path)))
    return replace(annotations, ambiguous=pd.concat([annotations.ambiguous, more], ignore_index=True))


def with_subsets(annotations: Annotations, path: Path) -> Annotations:
    """Annotations with the subsets of a table ``video,subset``; BSN's ``video_info_new.csv`` is one.

    Args:
        annotations: Of any subsets, which are forgotten.
        path: CSV or TSV; other columns are not read, and videos without annotations are no matter.

    Raises:
        AnnotationError: If a column is missing, or no annotated video is in the table.
    """
    table = read_video_table(Path(path))
    if not {"video", "subset"} <= set(table.columns):
        raise AnnotationError(
            f"{path} has the columns {', '.join(table.columns) or 'none'}: it must name `video` and `subset`."
        )
    subsets = {video: subset for video, subset in table.select("video", "subset")}
    if not subsets.keys() & set(annotations.videos.index):
        raise AnnotationError(f"{path} names none of the videos of {annotations.path}.")
    videos = annotations.videos
    return replace(annotations, videos=videos.assign(subset=[subsets.get(name, "") for name in videos.index]))


def first(names: Sequence[str]) -> str:
    """The first few names, for a message.

    >>> first(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


# From records to tables ---------------------------------------------------------------------------------------------


def _sorted_labels(records: Iterable[Record]) -> list[str]:
    return sorted({label for r in records for label in [*(s.label for s in r.segments), *r.video_labels()]})


def _tabulate(path: Path, records: Sequence[Record], class_names: tuple[str, ...]) -> Annotations:
    if not records:
        raise AnnotationError(f"{path} names no video.")
    if len(set(class_names)) < len(class_names):
        twice = next(name for name in class_names if class_names.count(name) > 1)
        raise AnnotationError(f"The class list of {path} names {twice!r} twice.")
    order = {name: index for index, name in enumerate(class_names)}
    videos: dict[str, tuple[str, float, tuple[str, ...], str]] = {}
    segments: list[tuple[str, str, float, float]] = []
    for record in records:
        name = record.video_id
        if name in videos:
            raise AnnotationError(f"{path} names the video {name} twice.")
        labels = record.video_labels()
        for label in [*labels, *(s.label for s in record.segments)]:
            if label not in order:
                raise AnnotationError(
                    f"{path}: the class {label!r} of video {name} is not among the {len(order)} class names; "
                    "correct the label or add it to the class list."
                )
        duration_s = math.nan if record.duration_s is None else _number(record.duration_s, path, name, "duration")
        if duration_s <= 0:
            raise AnnotationError(f"{path}: the duration of video {name} is {duration_s:g} s; it must be positive.")
        videos[name] = (record.subset, duration_s, tuple(sorted(labels, key=order.__getitem__)), record.alias)
        for label, start, end in record.segments:
            start_s, end_s = (_number(t, path, name, "segment") for t in (start, end))
            if end_s < start_s:
                raise AnnotationError(
                    f"{path}: a segment of video {name} ends before it starts: [{start_s:g}, {end_s:g}]."
                )
            segments.append((name, label, start_s, end_s))
    return Annotations(
        path,
        pd.DataFrame.from_dict(videos, orient="index", columns=["subset", "duration_s", "labels", "alias"]).rename_axis(
            "video_id"
        ),
        pd.DataFrame(segments, columns=["video_id", "label", "start_s", "end_s"]).astype(
            {"start_s": float, "end_s": float}
        ),
        class_names,
        _spans(path, ()),
    )


def _spans(path: Path, spans: Iterable[Span]) -> pd.DataFrame:
    rows = [(name, *(_number(t, path, name, "ambiguous segment") for t in (start, end))) for name, start, end in spans]
    table = pd.DataFrame(rows, columns=["video_id", "start_s", "end_s"])
    return table.astype({"start_s": float, "end_s": float})


def _number(value: object, path: Path, video_id: str, what: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise AnnotationError(
            f"{path}: the {what} of video {video_id} has {brief(value)} where a number of seconds must be."
        )
    return number
