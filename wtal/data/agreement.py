"""Whether two sets of features of the same videos agree, and what makes them differ: on arrays alone.

``A`` and ``B`` are arrays ``(T, D)`` of one video. Similarities are cosines of rows from which the mean of the video is
subtracted: the rows of real features have so much in common that plain cosines are high for any two of them.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ARRANGEMENTS",
    "Alignment",
    "Arrangement",
    "VideoAgreement",
    "agreement",
    "align",
    "arrange",
    "best_arrangement",
    "similarities",
    "structure_alone",
]

Floats = NDArray[np.float64]

_MOST_ROWS = 600  # rows of A that are compared with all of B
_GOOD = 0.05  # by which another alignment must be better to be believed
_FOUND = 0.2  # agreement below which no alignment means anything
_NEAR = 0.26  # of a row, within which rows meet
_NEIGHBOURS = 8  # rows that are alike because they follow each other
_SNAP = 0.02  # by which a rate may differ from a simple fraction


@dataclass(frozen=True)
class Arrangement:
    """How the channels of B are brought to those of A.

    Args:
        name: What is unusual about it; empty for none.
        of_a: Which part of A's channels is compared: ``all``, ``first`` or ``second`` half.
        of_b: The same of B; ``swapped`` exchanges its halves.
    """

    name: str
    of_a: str = "all"
    of_b: str = "all"


ARRANGEMENTS = (
    Arrangement(""),
    Arrangement("the halves of the channels (RGB and flow in two-stream features) are swapped", of_b="swapped"),
    Arrangement("B has only the first half of A's channels (RGB in two-stream features)", of_a="first"),
    Arrangement("B has only the second half of A's channels (flow in two-stream features)", of_a="second"),
    Arrangement("A has only the first half of B's channels (RGB in two-stream features)", of_b="first"),
    Arrangement("A has only the second half of B's channels (flow in two-stream features)", of_b="second"),
)


@dataclass(frozen=True)
class Alignment:
    """Where the rows of A lie in B: row ``i`` at ``rate * i + offset``.

    Args:
        rate: Rows of B for each row of A.
        offset: Row of B at which A begins.
        agreement: Mean centred cosine of the rows that meet.
    """

    rate: float = 1.0
    offset: float = 0.0
    agreement: float = 0.0


@dataclass(frozen=True)
class VideoAgreement:
    """How two arrays of one video agree.

    Args:
        lengths: Numbers of rows of A and B.
        alignment: The best alignment.
        cosine: Median plain cosine of the rows that meet.
        as_they_are: Median plain cosine of rows of the same index, with channels as they are; NaN for other widths.
        scale: Median norm of B's rows, divided by that of A's.
        halves: Mean centred cosine of the first and the second half of the channels.
        per_channel: Median correlation of a channel over time, which shifting or scaling it does not change.
        structure: Correlation of the similarities between rows of A with those between rows of B, without neighbours,
            which another network on the same videos changes little; NaN for fewer than four rows.
        largest: Largest difference of a value of the rows that meet, relative to the largest value.
    """

    lengths: tuple[int, int]
    alignment: Alignment
    cosine: float
    as_they_are: float
    scale: float
    halves: tuple[float, float]
    per_channel: float
    structure: float
    largest: float


def arrange(a: Floats, b: Floats, arrangement: Arrangement) -> tuple[Floats, Floats] | None:
    """The channels of both that an arrangement compares; None if their numbers do not fit.

    >>> a, b = np.arange(4.0)[None], np.array([[2.0, 3.0, 0.0, 1.0]])
    >>> [pair.tolist() for pair in arrange(a, b, ARRANGEMENTS[1])]
    [[[0.0, 1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0, 3.0]]]
    """
    if "swapped" in (arrangement.of_a, arrangement.of_b) and b.shape[1] % 2:
        return None
    a, b = _part(a, arrangement.of_a), _part(b, arrangement.of_b)
    return (a, b) if a.shape[1] == b.shape[1] else None


def _part(rows: Floats, which: str) -> Floats:
    half = rows.shape[1] // 2
    parts = {"all": rows, "first": rows[:, :half], "second": rows[:, half:]}
    return parts[which] if which in parts else np.concatenate([rows[:, half:], rows[:, :half]], axis=1)


def similarities(a: Floats, b: Floats) -> Floats:
    """Centred cosines of all rows of A with all rows of B, ``(Ta, Tb)``."""
    return _unit(a - a.mean(axis=0)) @ _unit(b - b.mean(axis=0)).T


def align(a: Floats, b: Floats) -> Alignment:
    """Find the rate and the offset at which the rows of two arrays of the same width agree best.

    Each row of A is matched with the row of B that is most similar to it; the rate is the median slope between matches
    (Theil and Sen), which a half of wrong ones leaves alone, and the offset their median. Candidates are this line, the
    same rate with a simple fraction, all rows stretched to the same duration, and no change; the simplest of about
    equal agreement is taken.
    """
    step = max(1, -(-len(a) // _MOST_ROWS))
    rows = np.arange(0, len(a), step)
    similar = similarities(a, b)[rows]
    plain = _on_line(similar, rows, 1.0, 0.0)
    found = [plain]
    if len(rows) >= 4 and len(b) >= 4:
        matched = similar.argmax(axis=1)
        rate = _median_slope(rows, matched)
        stretched = len(b) / len(a)
        for slope in dict.fromkeys((1.0, *_simple(rate), *_simple(stretched), stretched)):
            found.append(_best_offset(similar, rows, matched, slope))
    best = max(one.agreement for one in found)
    if best < _FOUND:  # the rows have nothing to do with each other
        return plain
    return min((one for one in found if one.agreement > best - _GOOD), key=lambda one: _strangeness(one, best))


def _strangeness(one: Alignment, best: float) -> tuple[float, float, float]:
    """Of about equal alignments, that without a change comes first, then the better one."""
    is_changed = one.rate != 1 or one.offset != 0
    return (
        float(is_changed and one.agreement < best - 1e-3),
        -round(one.agreement, 3),
        abs(one.rate - 1) + abs(one.offset),
    )


def _simple(rate: float) -> tuple[float, ...]:
    """A rate, and the simple fraction near it, such as 5/6 of 25 and 30 frames a second."""
    if not 0.05 < rate < 20:
        return ()
    near = float(Fraction(rate).limit_denominator(6))
    return (near, rate) if near > 0 and abs(near / rate - 1) < _SNAP else (rate,)


def _median_slope(rows: NDArray[np.int64], matched: NDArray[np.int64]) -> float:
    apart = max(1, len(rows) // 3)
    slopes = (matched[apart:] - matched[:-apart]) / (rows[apart:] - rows[:-apart])
    return float(np.median(slopes))


def _best_offset(similar: Floats, rows: NDArray[np.int64], matched: NDArray[np.int64], rate: float) -> Alignment:
    around = round(float(np.median(matched - rate * rows)))
    return max(
        (_on_line(similar, rows, rate, float(offset)) for offset in {0, *range(around - 2, around + 3)}),
        key=lambda one: (one.agreement, -abs(one.offset)),
    )


def _on_line(similar: Floats, rows: NDArray[np.int64], rate: float, offset: float) -> Alignment:
    """The agreement on a line, zero where fewer than half of the rows that could meet do."""
    exact = rate * rows + offset
    inside = (exact > -0.5) & (exact < similar.shape[1] - 0.5)
    places, columns = _meeting(rows, rate, offset, similar.shape[1])
    if inside.sum() * 2 < min(len(rows), similar.shape[1] / max(rate, 1e-9)) or not len(places):
        return Alignment(rate, offset, 0.0)
    return Alignment(rate, offset, float(similar[places, columns].mean()))


def _meeting(rows: NDArray[np.int64], rate: float, offset: float, length: int) -> tuple[NDArray[np.int64], ...]:
    """Places among the rows of A that lie on a row of B or near it, and those rows of B."""
    exact = rate * rows + offset
    columns = np.round(exact).astype(int)
    meets = (columns >= 0) & (columns < length) & (np.abs(exact - columns) <= _NEAR)
    places = np.flatnonzero(meets)
    return places, columns[places]


def agreement(a: Floats, b: Floats, arrangement: Arrangement = ARRANGEMENTS[0]) -> VideoAgreement | None:
    """Compare two arrays of a video.

    Args:
        a: Features ``(T, D)``.
        b: Features of the same video, of any length and width.
        arrangement: How their channels are brought together.

    Returns:
        The comparison; None if the arrangement does not fit their widths.
    """
    arranged = arrange(a, b, arrangement)
    if arranged is None:
        return None
    one, other = arranged
    alignment = align(one, other)
    rows, columns = _meeting(np.arange(len(one)), alignment.rate, alignment.offset, len(other))
    one, other = one[rows], other[columns]
    half = one.shape[1] // 2
    first, second = (_centred(one[:, part], other[:, part]) for part in (slice(half), slice(half, None)))
    norms = [float(np.median(np.linalg.norm(part, axis=1))) for part in (one, other)]
    size = max(float(np.abs(one).max()), 1e-12)
    return VideoAgreement(
        lengths=(len(a), len(b)),
        alignment=alignment,
        cosine=float(np.median((_unit(one) * _unit(other)).sum(axis=1))),
        as_they_are=_as_they_are(a, b),
        scale=norms[1] / max(norms[0], 1e-12),
        halves=(first, second),
        per_channel=_per_channel(one, other),
        structure=_structure(a, b),
        largest=float(np.abs(one - other).max()) / size,
    )


def structure_alone(a: Floats, b: Floats) -> VideoAgreement:
    """Compare two arrays of other widths: only by how similar their rows are to each other, stretched to one length."""
    nothing = float("nan")
    return VideoAgreement(
        lengths=(len(a), len(b)),
        alignment=Alignment(len(b) / len(a), 0.0, nothing),
        cosine=nothing,
        as_they_are=nothing,
        scale=float(np.median(np.linalg.norm(b, axis=1)) / max(np.median(np.linalg.norm(a, axis=1)), 1e-12)),
        halves=(nothing, nothing),
        per_channel=nothing,
        structure=_structure(a, b),
        largest=nothing,
    )


def best_arrangement(pairs: list[tuple[Floats, Floats]]) -> Arrangement | None:
    """The arrangement of channels by which some videos agree best; the plain one unless another is clearly better.

    Returns:
        None if no arrangement fits the widths.
    """
    scores: dict[Arrangement, float] = {}
    for arrangement in ARRANGEMENTS:
        found = [agreement(a, b, arrangement) for a, b in pairs]
        if all(found) and found:
            scores[arrangement] = float(np.mean([one.alignment.agreement for one in found if one]))
    if not scores:
        return None
    best = max(scores, key=lambda one: scores[one])
    plain = ARRANGEMENTS[0]
    if plain in scores and (scores[best] < _FOUND or scores[plain] > scores[best] - _GOOD):
        return plain
    return best


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _centred(a: Floats, b: Floats) -> float:
    return float((_unit(a - a.mean(axis=0)) * _unit(b - b.mean(axis=0))).sum(axis=1).mean())


def _as_they_are(a: Floats, b: Floats) -> float:
    if a.shape[1] != b.shape[1]:
        return float("nan")
    count = min(len(a), len(b))
    return float(np.median((_unit(a[:count]) * _unit(b[:count])).sum(axis=1)))


def _per_channel(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    moves = spread > 1e-12
    return float(np.median((a * b).sum(axis=0)[moves] / spread[moves])) if moves.any() else float("nan")


def _structure(a: Floats, b: Floats) -> float:
    """The correlation of similarities of rows, with both arrays at the length of the shorter one."""
    count = min(len(a), len(b), _MOST_ROWS)
    if count < 4:
        return float("nan")
    a, b = (part[np.linspace(0, len(part) - 1, count).round().astype(int)] for part in (a, b))
    above = np.triu_indices(len(a), min(_NEIGHBOURS, len(a) // 4))  # neighbours are alike in any features
    one, other = similarities(a, a)[above], similarities(b, b)[above]
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else float("nan")
