"""The columns that tables of videos, segments, predictions and frame rates have, with their names in other programs."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

__all__ = ["COLUMNS", "canonical", "known"]

COLUMNS: Mapping[str, Sequence[str]] = {  # earlier synonyms take precedence over later ones
    "video": (
        "video_id", "video_name", "video_file", "video_path", "vid", "vid_id", "vid_name", "filename", "file_name",
        "file", "file_path", "media", "media_file", "media_file_name", "clip", "clip_id", "clip_name", "youtube_id",
        "path", "name",
    ),
    "label": (
        "labels", "class", "classes", "class_name", "class_names", "class_label", "category", "categories", "action",
        "actions", "action_name", "action_label", "action_class", "activity", "activities", "activity_name",
        "event_label", "event", "behavior", "behaviour", "tag", "tags", "annotation", "type",
    ),
    "start": (
        "t_start", "start_time", "time_start", "start_t", "start_timestamp", "begin", "begin_time", "time_begin",
        "t_begin", "onset", "tmin", "segment_start", "start_segment", "action_start", "temporal_segment_start", "from",
        "begin_time_hh_mm_ss_ms", "begin_time_ss_msec",
    ),
    "end": (
        "t_end", "end_time", "time_end", "end_t", "end_timestamp", "stop", "stop_time", "time_stop", "t_stop",
        "stop_timestamp", "finish", "offset", "tmax", "segment_end", "end_segment", "action_end",
        "temporal_segment_end", "to", "end_time_hh_mm_ss_ms", "end_time_ss_msec",
    ),
    "start_ms": (
        "start_msec", "start_milliseconds", "start_time_ms", "start_time_msec", "t_start_ms", "begin_ms",
        "begin_time_ms", "begin_time_msec", "onset_ms",
    ),
    "end_ms": (
        "end_msec", "end_milliseconds", "end_time_ms", "end_time_msec", "t_end_ms", "stop_ms", "stop_time_ms",
        "offset_ms",
    ),
    "start_frame": ("frame_start", "f_start", "first_frame", "begin_frame", "onset_frame", "f_init", "start_frame_id"),
    "end_frame": ("frame_end", "f_end", "last_frame", "stop_frame", "frame_stop", "offset_frame", "end_frame_id"),
    "subset": ("split", "set", "partition", "usage", "subset_name", "split_name"),
    "duration": ("video_duration", "video_length", "total_duration", "total_length", "length"),
    "score": ("scores", "confidence", "conf", "probability", "prob"),
    "fps": ("frame_rate", "frames_per_second", "video_fps", "fps (frame/s)"),
    "time": ("timestamp", "time_point", "point", "t"),
}  # fmt: skip

_UNIT = re.compile(r"[\s_.-]*(?:\(\s*|\[\s*|(?<=[\s_.-]))(s|secs?|seconds?|hh?:mm:ss\S*?|mm:ss\S*?)\s*[)\]]?$")


def known(*names: str) -> dict[str, Sequence[str]]:
    """Some of the columns with their synonyms."""
    return {name: COLUMNS[name] for name in names}


def canonical(header: Sequence[str], names: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Names of columns, canonical for those that the caller knows, else without spaces around them.

    Case, spaces, punctuation and a unit of seconds make no difference: ``T-Start (s)`` is ``t_start``. A canonical name
    takes precedence over its synonyms, and earlier synonyms over later ones.

    >>> canonical(("Video-ID", "Class Name", "startTime", "End (sec)", "Note "), COLUMNS)
    ('video', 'label', 'start', 'end', 'Note')
    """
    columns = [name.strip() for name in header]
    spelled = list(map(_key, header))
    taken: set[str] = set()
    for ours, others in names.items():
        found = next((key for key in map(_key, (ours, *others)) if key in spelled and key not in taken), None)
        if found is not None:
            taken.add(found)
            columns = [ours if key == found else column for key, column in zip(spelled, columns, strict=True)]
    return tuple(columns)


def _key(name: str) -> str:
    """What remains of a name if nothing but its letters and digits matters.

    >>> [_key(name) for name in ("Start (s)", "start_s", "t-start", "Begin Time - msec", "Klasse")]
    ['start', 'start', 'tstart', 'begintimemsec', 'klasse']
    """
    text = unicodedata.normalize("NFKC", name).strip().lower()
    return re.sub(r"[\W_]+", "", _UNIT.sub("", text)) or re.sub(r"[\W_]+", "", text)
