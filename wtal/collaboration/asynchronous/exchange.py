"""Where two branches leave their packets for each other; by default a folder, which several machines may share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from wtal.collaboration.asynchronous.packets import LabelPacket, read_packet, write_packet
from wtal.errors import ConfigError

__all__ = ["Exchange", "ExchangeSettings", "FolderExchange"]


@dataclass(frozen=True)
class ExchangeSettings:
    """How two branches that train at the same time hand over labels.

    The *age* of a packet is the number of whole intervals of ``every`` steps that a student is ahead of the teacher
    that wrote it; a teacher that has finished leaves labels of age 0.

    Args:
        every: Steps from one packet of a branch to the next; None for one packet an epoch.
        bound: Age above which no packet is used, at least 1, so that two branches can never wait for each other.
        beyond: What a student does without a packet within the bound: ``wait`` for one, or ``go_on`` on video labels
            alone.
        decay: Share of the weight of the losses on snippet labels that remains with each interval of age, in (0, 1].

    Raises:
        ConfigError: If a number is out of range.
    """

    every: int | None = None
    bound: int = 1
    beyond: Literal["wait", "go_on"] = "wait"
    decay: float = 1.0

    def __post_init__(self) -> None:
        if (self.every is not None and self.every < 1) or self.bound < 1:
            raise ConfigError(f"`exchange` needs every >= 1 and bound >= 1, got {self.every} and {self.bound}.")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"`exchange.decay` must lie in (0, 1], got {self.decay}.")


class Exchange(Protocol):
    """Versioned packets of both branches; nothing is ever changed or taken back."""

    def latest(self, teacher: str) -> int:
        """Version of a teacher's newest packet; 0 without any."""
        ...

    def read(self, teacher: str, version: int) -> LabelPacket:
        """A packet that has been published."""
        ...

    def publish(self, teacher: str, packet: LabelPacket) -> None:
        """Add a packet of a new version."""
        ...


class FolderExchange:
    """Packets as files ``<folder>/<teacher>/packets/<version>.npz``, each of which appears by a rename.

    Args:
        folder: The folder, which two processes on one machine or several share.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, teacher: str, version: int) -> Path:
        return self.folder / teacher / "packets" / f"{version:06d}.npz"

    def latest(self, teacher: str) -> int:
        """Version of a teacher's newest packet; 0 without any."""
        try:
            names = os.listdir(self.folder / teacher / "packets")
        except FileNotFoundError:
            return 0
        return max((int(name[:-4]) for name in names if name.endswith(".npz") and name[:-4].isdecimal()), default=0)

    def read(self, teacher: str, version: int) -> LabelPacket:
        """A packet that has been published.

        Raises:
            PredictionError: If its file is damaged or missing.
        """
        return read_packet(self._path(teacher, version))

    def publish(self, teacher: str, packet: LabelPacket) -> None:
        """Add a packet of a new version.

        Raises:
            OSError: If it cannot be written.
        """
        write_packet(self._path(teacher, packet.version), packet)
