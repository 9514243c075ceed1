"""The scores of a model for one video, from which detections, curves and figures are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.localization.localizer import Localizer
from wtal.types import Detections, SnippetScores, Video
from wtal.views import View

__all__ = ["VideoScores"]


@dataclass(frozen=True)
class VideoScores:
    """Scores of the snippets of one video.

    Args:
        video: The video, with its name, time grid and duration.
        sources: Scores by source, such as ``cbp``, ``vlp`` and ``fused``; ``probability`` is ``(T, C)``, ``attention``
            ``(T,)``, ``video`` ``(C,)``. The last source is the output of the model as a whole.
        class_names: Names of the classes by class index.
        localizer: Localizer of the model.
        views: Titles and colours of the sources in figures, as the model declares them.

    >>> import torch
    >>> from wtal.types import TimeGrid
    >>> seen = SnippetScores(torch.tensor([[0.25], [1.0]]), torch.tensor([1.0, 1.0]), torch.tensor([1.0]))
    >>> scores = VideoScores(Video("a", 2, TimeGrid(), 1.28), {"cbp": seen}, ["dive"], Localizer(attention_weight=0.5))
    >>> scores.times_s.round(2).tolist(), scores.curve("cbp", "dive").tolist()
    ([0.32, 0.96], [0.5, 1.0])
    """

    video: Video
    sources: dict[str, SnippetScores]
    class_names: Sequence[str]
    localizer: Localizer
    views: tuple[View, ...] = ()

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Centres of the cells of the snippets in seconds, ``(T,)``."""
        grid = self.video.grid
        return np.asarray(grid.edge_s(0) + (np.arange(self.video.num_snippets) + 0.5) * grid.step_s)

    def curve(self, source: str, label: str) -> NDArray[np.float64]:
        """Sequence ``product`` of a class, see :class:`Localizer`, before upsampling, ``(T,)`` in [0, 1]."""
        scores, weight = self.sources[source], self.localizer.attention_weight
        probability = scores.probability[:, list(self.class_names).index(label)]
        return np.asarray(probability.double() ** (1 - weight) * scores.attention.double() ** weight)

    def detections(self, source: str, localizer: Localizer | None = None) -> Detections:
        """Detections from the scores of a source, by a localizer or, by default, that of the model."""
        return (localizer or self.localizer)(self.sources[source], self.video)

    def table(self, source: str) -> pd.DataFrame:
        """Actionness and class probabilities: one row per snippet, indexed by its centre in seconds."""
        scores = self.sources[source]
        columns = {"actionness": scores.attention, **dict(zip(self.class_names, scores.probability.T, strict=True))}
        times = pd.Index(self.times_s, name="time_s")
        return pd.DataFrame({name: np.asarray(values) for name, values in columns.items()}, index=times)
