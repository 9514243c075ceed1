"""Label tracks of programs for sound: Audacity's and Raven's. Neither format has a place for a remark."""

from collections.abc import Sequence

from wtal.results.cues import Cue

__all__ = ["as_audacity", "as_raven"]

_RAVEN = ("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Annotation", "Score")


def as_audacity(cues: Sequence[Cue]) -> str:
    r"""Format cues as a label track: start, end and text a line, separated by tabs.

    >>> as_audacity([Cue(1250, 3000, "syllable 3", "syllable 3 0.91")])
    '1.250\t3.000\tsyllable 3 0.91\n'
    """
    return "".join(f"{cue.start_ms / 1000:.3f}\t{cue.end_ms / 1000:.3f}\t{cue.text}\n" for cue in cues)


def as_raven(cues: Sequence[Cue]) -> str:
    r"""Format cues as a selection table, without bounds in frequency; Raven shows them over all frequencies.

    >>> print(as_raven([Cue(1250, 3000, "wren", "wren 0.91")]).splitlines()[1].split("\t"))
    ['1', 'Spectrogram 1', '1', '1.250', '3.000', 'wren', '0.91']
    """
    rows = [_RAVEN]
    for number, cue in enumerate(cues, start=1):
        times = (f"{cue.start_ms / 1000:.3f}", f"{cue.end_ms / 1000:.3f}")
        rows.append((str(number), "Spectrogram 1", "1", *times, cue.label, cue.text.rpartition(" ")[2]))
    return "".join("\t".join(row) + "\n" for row in rows)
