"""Labels as people write them: one class in several spellings, several classes in one cell, words for no action."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from wtal.data.records import Record, Segment
from wtal.io.text import few, plain

__all__ = ["label_key", "tidy_labels"]

_NO_ACTION = {
    "", "-", "--", "none", "null", "nan", "na", "n/a", "background", "bg", "noaction", "noactivity", "noevent",
    "noclass", "nolabel", "nothing", "sil",
}  # fmt: skip

_PERHAPS = r"[,/+&]| and "  # signs that separate classes, or belong to the name of one


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
    counts = Counter(label for record in records for label in _written(record))
    single = {label_key(name) for name in (*names, *counts) if not re.search(rf"[|;]|{_PERHAPS}", name)}
    parts = {label: (plain(label),) if plain(label) in names else _parts(label, single) for label in counts}
    actions = {label: tuple(part for part in found if _is_action(part, names)) for label, found in parts.items()}
    spelled = _spellings(counts, actions, names)
    meaning = {label: tuple(dict.fromkeys(map(spelled.__getitem__, found))) for label, found in actions.items()}
    notes = [*_of_nothing(parts, names), *_of_lists(parts, names), *_of_spellings(actions, spelled)]
    return [_tidied(record, meaning) for record in records], names, notes


def _written(record: Record) -> Iterator[str]:
    yield from (segment.label for segment in record.segments)
    yield from record.labels or ()


def _tidied(record: Record, meaning: Mapping[str, tuple[str, ...]]) -> Record:
    segments = [Segment(label, *segment[1:]) for segment in record.segments for label in meaning[segment.label]]
    if record.labels is None:
        return record._replace(segments=segments)
    labels = [label for one in record.labels for label in meaning[one]]
    return record._replace(segments=segments, labels=list(dict.fromkeys(labels)))


def _parts(label: str, single: Collection[str]) -> tuple[str, ...]:
    """The labels in a list; what else may separate them also occurs in names of classes, so all parts must be known.

    >>> [_parts(label, {"run", "jump"}) for label in ("walk|run", "run, jump", "run and jump", "carry/hold")]
    [('walk', 'run'), ('run', 'jump'), ('run', 'jump'), ('carry/hold',)]
    """
    text = plain(label)
    split, perhaps = (tuple(filter(None, map(plain, re.split(signs, text)))) for signs in ("[|;]", _PERHAPS))
    if len(split) < 2 and len(perhaps) > 1 and all(label_key(part) in single for part in perhaps):
        return perhaps
    return split or (text,)


def _is_action(part: str, names: Sequence[str]) -> bool:
    return part in names or label_key(part) not in _NO_ACTION


def _spellings(
    counts: Mapping[str, int], actions: Mapping[str, tuple[str, ...]], names: Sequence[str]
) -> dict[str, str]:
    """The class that each spelling stands for: one of the given names, else the most frequent of equal spellings."""
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for label, parts in actions.items():
        for part in parts:
            spelled[label_key(part)][part] += counts[label]
    known: dict[str, list[str]] = defaultdict(list)
    for name in names:
        known[label_key(name)].append(name)
    meaning: dict[str, str] = {}
    for key, found in spelled.items():
        usual = known[key][0] if known[key] else found.most_common(1)[0][0]
        meaning |= {part: part if part in known[key] else usual for part in found}
    return meaning


def _of_nothing(parts: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> Iterator[str]:
    """A note about labels that stand for no action."""
    nothing = [label for label, found in parts.items() if plain(label) and not all(_is_action(p, names) for p in found)]
    if nothing:
        yield f"The labels {_quoted(nothing)} are read as no action."


def _of_lists(parts: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> Iterator[str]:
    """Notes about labels that are lists, or look like one."""
    lists = [label for label, found in parts.items() if len(found) > 1]
    doubtful = [label for label, found in parts.items() if "," in label and len(found) == 1 and found[0] not in names]
    if lists:
        advice = ";".join(parts[lists[0]])
        yield f"The labels {_quoted(lists)} are read as lists of classes; the usual form is `{advice}`."
    if doubtful:
        advice = ";".join(filter(None, map(plain, doubtful[0].split(","))))
        yield (
            f"The labels {_quoted(doubtful)} look like lists of classes but are read as one class each: write "
            f"`{advice}` for several."
        )


def _of_spellings(actions: Mapping[str, tuple[str, ...]], spelled: Mapping[str, str]) -> Iterator[str]:
    """Notes about classes that are spelled in several ways, the first few in full."""
    others: dict[str, dict[str, None]] = defaultdict(dict)  # as they are written, by class
    for label, parts in actions.items():
        for part in parts:
            written = unicodedata.normalize("NFC", label) if plain(label) == part else part
            if written != spelled[part]:
                others[spelled[part]][written] = None
    for name, found in [*others.items()][:3]:
        yield (
            f"The labels {_quoted(found)} are read as {name!r}, as they differ only in case, spaces, hyphens or "
            "underscores; `class_names` with both spellings keeps them apart."
        )
    if len(others) > 3:
        yield f"The same holds for {len(others) - 3} more classes."


def _quoted(labels: Iterable[str]) -> str:
    return few([repr(label) for label in labels])
