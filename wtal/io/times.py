"""Times as people and programs write them."""

import math
import re

__all__ = ["seconds"]

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d*)?)")  # hours, minutes, seconds
_WITH_UNIT = re.compile(r"([\d.]+(?:e-?\d+)?)\s*(s|secs?|seconds?|ms|msecs?|milliseconds?)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(
    r"[+-]?(?:\d+,(?:\d{1,2}|\d{4,})|0+,\d+)"
)  # three digits could be thousands, but not after a 0


def seconds(value: object) -> float:
    """A time in seconds: a number, or text such as ``75.5``, ``75,5``, ``01:15.5``, ``00:01:15,500`` or ``75.5 s``.

    Returns:
        NaN for anything else.

    >>> [seconds(value) for value in (3, "75,5", "0,913", "01:15.5", "0:01:15,500", "500 ms", "1:75", "soon", None)]
    [3.0, 75.5, 0.913, 75.5, 75.5, 0.5, nan, nan, nan]
    """
    try:
        return _of_text(value.strip()) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _of_text(text: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, rest = int(clock[1] or 0), int(clock[2]), float(clock[3].replace(",", "."))
        return 3600 * hours + 60 * minutes + rest if rest < 60 and (minutes < 60 or not clock[1]) else math.nan
    unit = _WITH_UNIT.fullmatch(text)
    if unit:
        return float(unit[1]) * (1e-3 if unit[2].lower().startswith("m") else 1)
    return float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text)
