"""What an exported model states about itself. Needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wtal.errors import CheckpointError
from wtal.io.bounds import checked_floors

__all__ = ["Description"]

_SCHEMA = 1


@dataclass(frozen=True)
class Description:
    """All that is needed to use an exported model, and where it comes from.

    Args:
        class_names: Names of the classes, in the order of the scores.
        streams: Width of each stream of features that the model reads, in the order of its inputs.
        sources: Names of the sources, in the order of the outputs; the last one is the model's own answer.
        localizer: Settings of the localizer that turns scores into detections.
        views: How figures show each source: name, streams, title and colour.
        floors: For each source and class, the score that the best detection of a video must reach to be shown.
        texts: ``model`` and ``pretrained`` of the text tower, whose image tower makes the features.
        making: How the features of the training were made, as far as it is known.
        digest: Digest of the run's identity.
        note: What a reader of a table must know about the weights.
        lag: Number of snippets by which the scores come late, as those of causal heads do.
    """

    class_names: tuple[str, ...]
    streams: Mapping[str, int]
    sources: tuple[str, ...]
    localizer: Mapping[str, Any]
    views: tuple[Mapping[str, Any], ...] = ()
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    making: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    note: str = ""
    lag: float = 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, three of each source."""
        return tuple(f"{source}.{part}" for source in self.sources for part in ("probability", "attention", "video"))

    def to_json(self) -> str:
        """The description as text."""
        return json.dumps({"schema": _SCHEMA, **asdict(self)}, default=str)

    @classmethod
    def from_json(cls, text: str, place: str) -> "Description":
        """Read what :meth:`to_json` wrote.

        Args:
            text: The text.
            place: Path of the model, for messages.

        Raises:
            CheckpointError: If it is anything else.
        """
        try:
            content = json.loads(text)
            if content.pop("schema") != _SCHEMA:
                raise CheckpointError(f"{place} was exported by a newer version of wtal: install that one.")
            names, sources = (tuple(map(str, content.pop(name))) for name in ("class_names", "sources"))
            streams = {str(name): int(width) for name, width in content.pop("streams").items()}
            floors = checked_floors(content.pop("floors"))
            views, lag = tuple(content.pop("views")), float(content.pop("lag", 0.0))
            return cls(names, streams, sources, floors=floors, views=views, lag=lag, **content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{place} is no model of `wtal export-model` ({str(error)[:80]}).") from error
