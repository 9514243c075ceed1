"""From recordings and films to a store of log-mel features of their sound."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wtal.data.remote_store import open_appender
from wtal.errors import ConfigError, VideoError
from wtal.extraction.writing import Outcome
from wtal.functional.mel import log_mel, mel_filters
from wtal.types import TimeGrid

if TYPE_CHECKING:
    from wtal.video.sound import SoundReader

__all__ = ["LogMel", "extract_sounds", "log_mel_rows"]

_BLOCK = 4096  # windows that are transformed at once


@dataclass(frozen=True)
class LogMel:
    """How the sound becomes features; all of it becomes part of the store's manifest.

    Args:
        bands: Number of mel bands, the width of the features.
        rate: Samples per second to which the sound is brought.
        hop_ms: Milliseconds from one snippet to the next.
        window_ms: Milliseconds that a snippet hears.
        low_hz: Frequency at which the lowest band begins.

    Raises:
        ConfigError: If a number is out of range, or there are more bands than the window can tell apart.
    """

    bands: int = 64
    rate: int = 32000
    hop_ms: float = 10.0
    window_ms: float = 25.0
    low_hz: float = 50.0

    def __post_init__(self) -> None:
        for name in ("bands", "rate", "hop_ms", "window_ms"):
            if not 0 < getattr(self, name) < 1e6:
                raise ConfigError(f"`sound.{name}` is {getattr(self, name)}: give a number above 0.")
        if self.hop < 1 or self.window < 2:
            raise ConfigError("`sound.hop_ms` and `sound.window_ms` are shorter than the samples: raise them.")
        try:
            mel_filters(self.bands, self.rate, self.window, self.low_hz)
        except ValueError as error:
            raise ConfigError(f"`sound`: {error}") from error

    @property
    def hop(self) -> int:
        """Samples from one snippet to the next."""
        return round(self.hop_ms * self.rate / 1000)

    @property
    def window(self) -> int:
        """Samples that a snippet hears."""
        return round(self.window_ms * self.rate / 1000)

    @property
    def grid(self) -> TimeGrid:
        """Where the snippets lie in time; its frames are samples."""
        return TimeGrid(self.rate, self.hop, self.window)


def log_mel_rows(reader: "SoundReader", making: LogMel) -> Iterator[NDArray[np.float32]]:
    """Log-mel features of a sound, block by block; together they are those of the whole sound.

    A sound shorter than a window is filled up with silence.

    Args:
        reader: The sound, at the rate of ``making``.
        making: How the features are made.
    """
    filters = mel_filters(making.bands, making.rate, making.window, making.low_hz)
    left, written = np.empty(0, np.float32), False
    needed = making.window + (_BLOCK - 1) * making.hop
    for samples in reader:
        left = np.concatenate([left, samples])
        while len(left) >= needed:
            yield log_mel(left[:needed], filters, making.window, making.hop)
            left, written = left[_BLOCK * making.hop :], True
    if not written and len(left) < making.window:
        left = np.pad(left, (0, making.window - len(left)))
    if len(left) >= making.window:
        yield log_mel(left, filters, making.window, making.hop)


def extract_sounds(files: Mapping[str, Path], folder: Path, making: LogMel) -> Outcome:
    """Write the log-mel features of the files that have none yet, each as soon as it is finished.

    Args:
        files: Recordings or films by name.
        folder: Folder of the store.
        making: How the features are made.

    Returns:
        What became of each file that had none.

    Raises:
        FeatureError: If features cannot be written, or existing ones were made in another way.
    """
    from rich.console import Console
    from rich.progress import track

    from wtal.video.sound import SoundReader

    console = Console(stderr=True)
    store = open_appender(folder, making.grid, origin={"log-mel": asdict(making)}, crop="mono")
    missing = {name: path for name, path in sorted(files.items()) if name not in store}
    outcome = Outcome()
    for name, path in track(missing.items(), "sound", console=console, disable=not console.is_terminal):
        reader = SoundReader(path, making.rate)
        try:
            rows = np.concatenate(list(log_mel_rows(reader, making)))
        except VideoError as error:
            outcome.failed[name] = str(error)
            console.print(str(error), soft_wrap=True, highlight=False, markup=False)
            continue
        store.add(name, rows, reader.start_s)
        outcome.written[name] = len(rows)
        if reader.damage:
            outcome.damaged[name] = reader.damage
            console.print(reader.damage, soft_wrap=True, highlight=False, markup=False)
    store.close()
    return outcome
