"""An exported model in the place of a trained one, wherever only scores are asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wtal.branches.localization import LocalizationModule
from wtal.deployment.description import Description
from wtal.deployment.scorer import Scorer
from wtal.errors import CheckpointError, FeatureError
from wtal.localization.localizer import Localizer
from wtal.types import SnippetBatch, SnippetScores
from wtal.views import View

__all__ = ["ExportedModule"]


class ExportedModule(LocalizationModule):
    """Scores by a file of ``wtal export-model``, without torch; localization is that of any model.

    Args:
        path: The file.

    Raises:
        CheckpointError: If it is missing, damaged, or was not exported by wtal.
    """

    def __init__(self, path: Path) -> None:
        scorer = Scorer.open(path)
        described = scorer.description
        try:
            super().__init__(described.class_names, Localizer(**described.localizer))
            self._views = tuple(_view(content) for content in described.views)
        except (TypeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} has an unusable description ({str(error)[:80]}): export it again."
            ) from error
        self.scorer, self.streams, self.sources = scorer, tuple(described.streams), described.sources
        self.floors = {source: dict(floors) for source, floors in described.floors.items()}
        self.checkpoint_name = str(path)

    @property
    def description(self) -> Description:
        """What the file states about itself."""
        return self.scorer.description

    @property
    def views(self) -> tuple[View, ...]:
        """How figures show each source."""
        return self._views

    @property
    def lag(self) -> float:
        """Number of snippets by which the scores come late."""
        return self.description.lag

    @property
    def note(self) -> str:
        """What a reader of a table must know about the weights."""
        return self.description.note

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of each source.

        Raises:
            FeatureError: If the batch lacks a stream, or one has another width.
        """
        lacking = [name for name in self.streams if name not in batch.streams]
        if lacking:
            raise FeatureError(f"{self.scorer.path} reads the stream {lacking[0]!r}, which the data lack: give it.")
        features = {name: batch.streams[name].float().cpu().numpy() for name in self.streams}
        found = self.scorer.scores(features, batch.mask.cpu().numpy())
        return {
            source: SnippetScores(*(torch.from_numpy(part).to(batch.mask.device) for part in parts))
            for source, parts in found.items()
        }


def _view(content: Mapping[str, Any]) -> View:
    streams = tuple(map(str, content.get("streams", ())))
    return View(str(content["name"]), streams, str(content.get("title", ""))[:200], str(content.get("colour", ""))[:7])
