"""What a live detection leaves: a line of JSON for each detection, at once, and a page that reloads itself."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from wtal.errors import ConfigError, VideoError
from wtal.extraction.live import LiveChunk, LiveDetector
from wtal.io.files import write_text
from wtal.io.text import counted
from wtal.report.live_page import LiveView, as_clock
from wtal.results.emissions import emission_line
from wtal.video.live import LiveReader

__all__ = ["LINES", "PAGE", "run_live"]

LINES, PAGE = "live.jsonl", "live.html"
_PAGE_S = 1.0  # between two pages


def run_live(
    detector: LiveDetector,
    reader: LiveReader,
    name: str,
    output: Path,
    lowest: Mapping[str, float],
    note: str = "",
) -> int:
    """Write detections until the stream ends or Ctrl-C is pressed.

    Each goes to standard output and to ``OUTPUT/live.jsonl`` as soon as its end has been seen; ``OUTPUT/live.html``
    shows the latest ones.

    Args:
        detector: The detector.
        reader: The stream.
        name: Name of the stream in the lines.
        output: Folder of the files.
        lowest: Score that a detection of each class must reach; 0 for classes that are not named.
        note: A warning to readers of the detections.

    Returns:
        Number of detections.

    Raises:
        ConfigError: If the folder holds the detections of an earlier stream.
        VideoError: If the stream cannot be read; what was found until then is kept.
    """
    lines = output / LINES
    if lines.exists():
        raise ConfigError(f"{lines} holds the detections of an earlier stream: choose another `--output`.")
    output.mkdir(parents=True, exist_ok=True)
    names = detector.model.class_names
    view = LiveView(f"{name}: live", names, note)
    began, drawn, state, end = time.monotonic(), 0.0, "Waiting for pictures.", "The stream has ended."
    try:
        with lines.open("x", encoding="utf-8") as file:
            for chunk in detector.read(reader):
                for one in chunk.found:
                    if one.score >= lowest.get(names[one.label], 0.0):
                        line = emission_line(name, names[one.label], *one[:2], one.score, one.emitted_s)
                        print(line, file=file, flush=True)
                        print(line, flush=True)
                        view.add(names[one.label], *one[:2], one.score, one.emitted_s)
                view.times_s.extend(chunk.times_s.tolist())
                view.curves.extend(chunk.curves)
                state = _state(chunk, reader, time.monotonic() - began)
                if time.monotonic() - drawn >= _PAGE_S:
                    drawn = time.monotonic()
                    write_text(output / PAGE, view.draw(state))
    except KeyboardInterrupt:
        end = "Stopped by Ctrl-C."
    except VideoError as error:
        end = str(error)
        raise
    except BaseException:
        end = "The program has ended."
        raise
    finally:
        write_text(output / PAGE, view.draw(f"{end} {state}", over=True))
    print(f"{end} {state} {counted(view.count, 'detection')} in {lines}.", file=sys.stderr)
    if reader.damage:
        print(reader.damage, file=sys.stderr)
    return view.count


def _state(chunk: LiveChunk, reader: LiveReader, elapsed_s: float) -> str:
    """How far the stream has been read, and how fast."""
    left_out = f" {reader.left_out} pictures came too fast and were left out." if reader.left_out else ""
    return (
        f"Read until {as_clock(chunk.now_s)}: {chunk.frames} frames, {chunk.frames / max(elapsed_s, 1e-9):.1f} "
        f"frames/s, {1000 * chunk.latency_s:.0f} ms from the last frame of a chunk to its detections.{left_out}"
    )
