"""Subtitles in WebVTT."""

import html
from collections.abc import Sequence

from wtal.io.extras import from_extra
from wtal.results.cues import Cue

__all__ = ["as_vtt"]


def as_vtt(cues: Sequence[Cue], note: str) -> str:
    """Format cues as subtitles, with the note as a comment."""
    with from_extra("export"):
        from webvtt import Caption, WebVTT

    subtitles = WebVTT(header_comments=[note] if note else [])
    for cue in cues:
        text = html.escape(cue.text, quote=False)
        subtitles.captions.append(Caption(_clock(cue.start_ms), _clock(cue.end_ms), text))
    return f"{subtitles.content.rstrip()}\n"


def _clock(time_ms: int) -> str:
    """Format a time for WebVTT.

    >>> _clock(3_723_004)
    '01:02:03.004'
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"
