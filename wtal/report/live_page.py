"""The page of a live detection, which reloads itself."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["LiveView"]

_ROWS, _POINTS, _LINES = 100, 240, 5  # detections, snippets and classes that are shown
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
_WIDTH, _HEIGHT = 900, 160
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .2rem .6rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #8881; }
svg { background: #8881; width: 100%; } .over { color: #b00; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } .over { color: #f66; } }
"""


@dataclass
class LiveView:
    """What the page shows of a stream; it keeps only the latest part.

    Args:
        title: Name of the stream.
        class_names: Names of the classes.
        note: A warning to readers; empty if there is none.
        every_s: Seconds after which a browser loads the page again.
    """

    title: str
    class_names: Sequence[str]
    note: str = ""
    every_s: int = 2
    count: int = 0
    rows: deque[tuple[str, float, float, float, float]] = field(default_factory=lambda: deque(maxlen=_ROWS))
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=_POINTS))
    curves: deque[NDArray[np.float64]] = field(default_factory=lambda: deque(maxlen=_POINTS))

    def add(self, label: str, start_s: float, end_s: float, score: float, emitted_s: float) -> None:
        """Add a detection."""
        self.count += 1
        self.rows.appendleft((label, start_s, end_s, score, emitted_s))

    def draw(self, state: str, over: bool = False) -> str:
        """The page as HTML.

        Args:
            state: What is going on, in one sentence.
            over: Whether the stream has ended, so that the page need not be loaded again.
        """
        again = "" if over else f'<meta http-equiv="refresh" content="{self.every_s}">'
        cells = "".join(
            f"<tr><td>{escape(label)}</td><td>{as_clock(start)}</td><td>{as_clock(end)}</td><td>{score:.2f}</td>"
            f"<td>{emitted - end:.1f} s</td></tr>\n"
            for label, start, end, score, emitted in self.rows
        )
        shown = f"{self.count} detections" + (f", the last {_ROWS} of them" if self.count > _ROWS else "")
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{again}<title>{escape(self.title)}</title>'
            f"<style>{_STYLE}</style></head><body>\n<h1>{escape(self.title)}</h1>\n"
            f"<p{' class=over' if over else ''}>{escape(state)}</p>\n"
            + (f"<p><strong>{escape(self.note)}</strong></p>\n" if self.note else "")
            + self._chart()
            + f"<p>{shown}</p>\n<table><tr><th>action</th><th>start</th><th>end</th><th>score</th>"
            f"<th>known after</th></tr>\n{cells}</table>\n</body></html>\n"
        )

    def _chart(self) -> str:
        """Curves of the classes that were most active of late."""
        if len(self.times_s) < 2:
            return ""
        curves, times = np.stack(self.curves), np.array(self.times_s)  # (N, C)
        best = np.argsort(-curves.max(axis=0), kind="stable")[:_LINES]
        x = _WIDTH * (times - times[0]) / max(times[-1] - times[0], 1e-9)
        lines, legend = [], []
        for colour, label in zip(_COLOURS, best.tolist(), strict=False):
            points = " ".join(f"{a:.1f},{_HEIGHT * (1 - b):.1f}" for a, b in zip(x, curves[:, label], strict=True))
            lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
            legend.append(f'<span style="color:{colour}">{escape(self.class_names[label])}</span>')
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Scores of the last '
            f'{times[-1] - times[0]:.0f} seconds">{"".join(lines)}</svg>\n<p>{" · ".join(legend)}: probability times '
            f"actionness from {as_clock(times[0])} to {as_clock(times[-1])}</p>\n"
        )


def as_clock(time_s: float) -> str:
    """A time as hours, minutes and seconds.

    >>> as_clock(3725.04), as_clock(59.96), as_clock(7.0)
    ('1:02:05.0', '1:00.0', '0:07.0')
    """
    tenths = round(10 * time_s)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"
