"""Labels as people write them: one class in several spellings, several classes in one cell, words for no action."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from wtal.data.records import Record, Segment
from wtal.io.text import plain

__all__ = ["label_key", "tidy_labels"]

_NO_ACTION = {
    "", "-", "--", "none", "null", "nan", "na", "n/a", "background", "bg", "noaction", "noactivity", "noevent", "noclass",
    "nolabel", "nothing", "sil",
}  # fmt: skip
_LIST = re.compile(r"[|;]")
_PERHAPS_LIST = re.compile(r"[,/+]")  # also in names of single classes: `carry/hold`


def label_key(label: str) -> str:
    """What remains of a label if case, spaces, hyphens and underscores make no difference.

    >>> [label_key(label) for label in ("High Jump", "high_jump", "HighJump", "step 1-2", "-1")]
    ['highjump', 'highjump', 'highjump', 'step1-2', '-1']
    """
    joint = r"(?<=[^\W\d_])[\s_-]+(?=\w)|(?<=\w)[\s_-]+(?=[^\W\d_])"  # between digits they may separate numbers
    return re.sub(joint, "", plain(label).strip("_ ").casefold())


def tidy_labels(
    records: Sequence[Record], class_names: Sequence[str]
) -> tuple[list[Record], tuple[str, ...], list[str]]:
    """Read labels that differ only in spelling as one class, lists as lists, and words such as `none` as no action.

    A label that is among the class names stays as it is. Segments without an action are dropped.

    Args:
        records: The videos.
        class_names: Names of the classes; empty if they are not known.

    Returns:
        The videos, the class names without superfluous spaces, and what a user should know about the changes.
    """
    names = tuple(map(plain, class_names))
    counts: Counter[str] = Counter()
    for record in records:
        counts.update(segment.label for segment in record.segments)
        counts.update(record.labels or ())
    pieces, notes = _pieces(counts, names)
    spelled, more = _spellings(counts, pieces, names)
    meaning = {label: tuple(dict.fromkeys(map(spelled.__getitem__, parts))) for label, parts in pieces.items()}
    return [_tidied(record, meaning) for record in records], names, [*notes, *more]


def _tidied(record: Record, meaning: Mapping[str, tuple[str, ...]]) -> Record:
    segments = [Segment(label, *segment[1:]) for segment in record.segments for label in meaning[segment.label]]
    if record.labels is None:
        return record._replace(segments=segments)
    labels = [label for one in record.labels for label in meaning[one]]
    return record._replace(segments=segments, labels=list(dict.fromkeys(labels)))


def _pieces(counts: Mapping[str, int], names: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The classes in each label, still as they are spelled; and notes."""
    single = {label_key(name) for name in (*names, *counts) if not (_LIST.search(name) or _PERHAPS_LIST.search(name))}
    pieces: dict[str, tuple[str, ...]] = {}
    lists, doubtful, nothing = [], [], []
    for label in counts:
        text = plain(label)
        parts = tuple(filter(None, map(plain, _LIST.split(text))))
        perhaps = tuple(filter(None, map(plain, _PERHAPS_LIST.split(text))))
        if text in names:
            pieces[label] = (text,)
            continue
        if len(parts) < 2 and len(perhaps) > 1 and all(label_key(part) in single for part in perhaps):
            parts = perhaps
        elif len(parts) < 2 and len(perhaps) > 1 and "," in text:
            doubtful.append(label)
        if len(parts) > 1:
            lists.append(label)
        pieces[label] = tuple(part for part in parts or (text,) if label_key(part) not in _NO_ACTION)
        if text and len(pieces[label]) < len(parts or (text,)):
            nothing.append(label)
    notes = []
    if nothing:
        notes.append(f"The labels {_quoted(nothing)} are read as no action.")
    if lists:
        advice = ";".join(pieces[lists[0]])
        notes.append(f"The labels {_quoted(lists)} are read as lists of classes: `{advice}` is the usual form.")
    if doubtful:
        advice = ";".join(filter(None, map(plain, doubtful[0].split(","))))
        notes.append(
            f"The labels {_quoted(doubtful)} look like lists of classes but are read as one class each: write "
            f"`{advice}` for several."
        )
    return pieces, notes


def _spellings(
    counts: Mapping[str, int], pieces: Mapping[str, tuple[str, ...]], names: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """The name of the class of each piece, and notes."""
    raw: dict[str, Counter[str]] = {}  # number of labels by key and spelling
    written: dict[str, dict[str, None]] = {}  # spellings by key, with their spaces
    for label, parts in pieces.items():
        for part in parts:
            key = label_key(part)
            raw.setdefault(key, Counter())[part] += counts[label]
            written.setdefault(key, {})[label if len(parts) == 1 and plain(label) == part else part] = None
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(label_key(name), []).append(name)
    spelled, notes = {}, []
    for key, found in raw.items():
        usual = known[key][0] if len(known.get(key, ())) == 1 else found.most_common(1)[0][0]
        fixed = {name for name in known.get(key, ()) if len(known[key]) > 1}
        spelled.update({part: part if part in fixed else usual for part in found})
        others = [text for text in written[key] if text != usual and plain(text) not in fixed]
        if others:
            notes.append(
                f"The labels {_quoted(others)} are read as {usual!r}, as they differ only in case, spaces, hyphens or "
                "underscores; `class_names` with both spellings keeps them apart."
            )
    return spelled, _few(notes)


def _few(notes: Sequence[str], most: int = 3) -> list[str]:
    rest = len(notes) - most
    return [*notes[:most], *([f"The same holds for {rest} more classes."] if rest > 0 else [])]


def _quoted(labels: Iterable[str]) -> str:
    labels = list(labels)
    return ", ".join(map(repr, labels[:3])) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
