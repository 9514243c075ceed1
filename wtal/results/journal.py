"""Which step of a branch used which packet, and which packets it published: enough to repeat the training."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from wtal.errors import PredictionError
from wtal.io.files import write_text

__all__ = ["Given", "Journal", "Taken"]


@dataclass(frozen=True)
class Taken:
    """From a step on, a student used a packet.

    Args:
        step: Number of optimizer steps that the student had taken.
        version: Version of the packet; 0 for none, so that it learned from video labels alone.
        age: Age of the packet, see :class:`~wtal.collaboration.asynchronous.exchange.ExchangeSettings`.
        time_s: Seconds since 1970.
    """

    step: int
    version: int
    age: int
    time_s: float


@dataclass(frozen=True)
class Given:
    """A teacher published a packet.

    Args:
        step: Number of optimizer steps that the teacher had taken.
        version: Version of the packet.
        fused_with: Version of the student's packet whose scores it was fused with; 0 for none.
        digest: Digest of the packet.
        time_s: Seconds since 1970.
    """

    step: int
    version: int
    fused_with: int
    digest: str
    time_s: float


class Journal:
    """The journal of one branch: a line of JSON for each event, appended before its effect.

    Args:
        path: The file. A last line that a killed process left unfinished does not count.

    Raises:
        PredictionError: If another line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Taken | Given] = list(self._read())

    def _read(self) -> Iterator[Taken | Given]:
        text = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        for number, line in enumerate(text.split("\n")[:-1], 1):
            try:
                content = json.loads(line)
                yield Given(**content) if "digest" in content else Taken(**content)
            except (ValueError, TypeError) as error:
                raise PredictionError(
                    f"{self.path}, line {number} is damaged ({error}): the run cannot be continued or replayed."
                ) from error

    def add(self, event: Taken | Given) -> None:
        """Append an event."""
        self.events.append(event)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(event)) + "\n")

    def rewind(self, step: int) -> None:
        """Forget what happened after a checkpoint: a training that continues from there does it again.

        Args:
            step: Number of optimizer steps at the checkpoint.
        """
        self.events = [e for e in self.events if e.step < step or (isinstance(e, Given) and e.step == step)]
        write_text(self.path, "".join(json.dumps(asdict(event)) + "\n" for event in self.events))

    def taken(self) -> list[Taken]:
        """The packets that were used, in the order of the steps."""
        return [event for event in self.events if isinstance(event, Taken)]

    def given(self) -> list[Given]:
        """The packets that were published, in the order of the steps."""
        return [event for event in self.events if isinstance(event, Given)]
