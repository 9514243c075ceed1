"""Where two branches leave their packets for each other; by default a folder, which several machines may share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from wtal.collaboration.asynchronous.packets import LabelPacket, packed, unpacked
from wtal.errors import ConfigError, PredictionError
from wtal.io.versioned_files import VersionedFiles

__all__ = ["Exchange", "ExchangeSettings", "FolderExchange"]

SUFFIX = ".npz"


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
        transport: What carries the packets: ``folder``, the run's folder, with a process for each branch on this
            machine; or ``ray``, with an actor of Ray for each, on this machine or on those of a cluster that all see
            the run's folder and the data under the same paths.
        address: Address of a running Ray cluster, ``auto`` for the one that this machine belongs to; None to start one
            on this machine that ends with the training.
        cpus: CPUs that Ray reserves for a branch.
        gpus: GPUs, or a share of one, that Ray reserves for a branch; None for one where there are two, else half of
            it, if the trainer computes on a GPU.

    Raises:
        ConfigError: If a number is out of range.
    """

    every: int | None = None
    bound: int = 1
    beyond: Literal["wait", "go_on"] = "wait"
    decay: float = 1.0
    transport: Literal["folder", "ray"] = "folder"
    address: str | None = None
    cpus: float = 1.0
    gpus: float | None = None

    def __post_init__(self) -> None:
        if (self.every is not None and self.every < 1) or self.bound < 1:
            raise ConfigError(f"`exchange` needs every >= 1 and bound >= 1, got {self.every} and {self.bound}.")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"`exchange.decay` must lie in (0, 1], got {self.decay}.")
        if self.cpus <= 0 or (self.gpus or 0) < 0:
            raise ConfigError(f"`exchange` needs cpus > 0 and gpus >= 0, got {self.cpus} and {self.gpus}.")
        if (self.address or "").startswith("ray://"):
            raise ConfigError(
                f"`exchange.address` {self.address} is that of a Ray client, which may see another folder: start the "
                "command on a machine of the cluster, with `--exchange.address auto`."
            )


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


class Files(Protocol):
    """What reads and writes the files of an exchange, see :class:`~wtal.io.versioned_files.VersionedFiles`."""

    def latest(self, home: str) -> int:
        """The newest version in a folder; 0 without any."""
        ...

    def read(self, home: str, version: int) -> bytes:
        """The content of a file."""
        ...

    def write(self, home: str, version: int, content: bytes) -> None:
        """Write a file."""
        ...


class FolderExchange:
    """Packets as files ``<folder>/<teacher>/packets/<version>.npz``, each of which appears by a rename.

    Args:
        folder: The folder, which two processes on one machine or several share.
        files: What reads and writes the files; None for this process itself.
    """

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self.folder = folder
        self._files = files or VersionedFiles(folder, SUFFIX)

    def latest(self, teacher: str) -> int:
        """Version of a teacher's newest packet; 0 without any."""
        return self._files.latest(_home(teacher))

    def read(self, teacher: str, version: int) -> LabelPacket:
        """A packet that has been published.

        Raises:
            PredictionError: If its file is damaged or missing.
        """
        path = self.folder / _home(teacher) / f"{version:06d}{SUFFIX}"
        try:
            content = self._files.read(_home(teacher), version)
        except OSError as error:
            raise PredictionError(f"{path} cannot be read ({error}): start the training again.") from error
        return unpacked(content, path)

    def publish(self, teacher: str, packet: LabelPacket) -> None:
        """Add a packet of a new version.

        Raises:
            OSError: If it cannot be written.
        """
        self._files.write(_home(teacher), packet.version, packed(packet))


def _home(teacher: str) -> str:
    return f"{teacher}/packets"
