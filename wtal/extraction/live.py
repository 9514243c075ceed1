"""Detections in a camera's pictures, a network stream or a file, while they come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtal.branches.localization import LocalizationModule
from wtal.collaboration.online import OnlineScorer
from wtal.extraction.detection import needed
from wtal.extraction.module import Extractor
from wtal.extraction.pipeline import Extraction, load_networks
from wtal.localization.online import Emission, OnlineLocalizer, OnlineRules
from wtal.types import SnippetScores
from wtal.video.film import stacked
from wtal.video.live import LiveReader
from wtal.video.snippets import Cut, Snippet, Snippets, cut_snippets

__all__ = ["LiveChunk", "LiveDetector"]


@dataclass(frozen=True)
class LiveChunk:
    """What a few snippets of a stream gave.

    Args:
        found: Detections whose end was seen in them.
        times_s: Centres of the snippets, ``(N,)``.
        curves: Class probability times actionness of each snippet, ``(N, C)`` in [0, 1].
        now_s: Time in the stream when the last frame of the chunk had come.
        latency_s: Seconds from then to the detections, on the clock of this machine.
        frames: Frames read so far.
    """

    found: list[Emission]
    times_s: NDArray[np.float64]
    curves: NDArray[np.float64]
    now_s: float
    latency_s: float
    frames: int


class LiveDetector:
    """Reads frames, makes features of them by the encoders of ``wtal extract``, scores and localizes.

    Args:
        model: Model whose heads look only back, in evaluation mode.
        making: Settings of the features; streams that the model does not read are left out.
        rules: When an instance begins and ends.
        chunk: Number of snippets that are encoded together: more are faster, and detections come later.

    Raises:
        ConfigError: If the model cannot score a stream, or weights do not exist.
    """

    def __init__(
        self,
        model: LocalizationModule,
        making: Extraction,
        rules: OnlineRules = OnlineRules(),  # noqa: B008  frozen
        chunk: int = 1,
    ) -> None:
        self.model, self.making, self.rules, self.chunk = model, needed(model, making), rules, chunk
        OnlineScorer(model)  # refuses a model before weights are loaded
        networks = load_networks(self.making)
        cut = Cut(making.grid, making.flow, networks.together or making.images)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(device)
        self._encoders = Extractor([], cut, networks.i3d, networks.clip, making.crops, making.bgr).to(device).eval()

    def read(self, reader: LiveReader) -> Iterator[LiveChunk]:
        """What each chunk of the stream gives; after the end of a file, also what is open then.

        Raises:
            VideoError: If the source cannot be read, or a camera or a network stream ends.
        """
        scorer = OnlineScorer(self.model)
        grid = replace(self.making.grid, offset_s=reader.start_s)
        model = self.model
        localizer = OnlineLocalizer(len(model.class_names), grid, self.rules, model.localizer, model.lag)
        clip = self._encoders.clip
        to_image = clip.preparation(self.making.bgr) if clip else None
        snippets = cut_snippets(reader.frames(), self._encoders.cut, frozenset(self.making.streams), to_image)
        count, latency_s = 0, 0.0
        while part := list(islice(snippets, self.chunk)):
            began = time.monotonic()
            scores = scorer.push(self._features(part))[self.model.sources[-1]]
            found = localizer.push(scores)
            first, count = count, count + len(part)
            now_s = localizer.seen_s(count)
            times_s = np.array([grid.edge_s(index + 0.5) for index in range(first, count)])
            written = [one._replace(emitted_s=now_s) for one in found]
            latency_s = time.monotonic() - began
            yield LiveChunk(written, times_s, _curves(scores), now_s, latency_s, reader.count)
        end_s = grid.offset_s + reader.count / grid.fps
        rest = [one._replace(emitted_s=max(end_s, one.emitted_s)) for one in localizer.finish()]
        empty = np.zeros((0, len(self.model.class_names)))
        yield LiveChunk(rest, np.zeros(0), empty, end_s, latency_s, reader.count)

    def _features(self, snippets: list[Snippet]) -> dict[str, Tensor]:
        """Features by stream, as a store holds them: I3D's RGB before its flow."""
        pixels = stacked(snippets)
        device = self._encoders.device
        rgb, flow, images = (None if part is None else part.to(device) for part in pixels)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):  # as an extraction does
            found = self._encoders.predict_step(Snippets(0, rgb, flow, images), 0)
        i3d = [found[stream].float() for stream in ("rgb", "flow") if stream in found]
        streams = {"i3d": torch.cat(i3d, dim=1)} if i3d else {}
        return streams | ({"clip": found["clip"].float()} if "clip" in found else {})


def _curves(scores: SnippetScores) -> NDArray[np.float64]:
    return np.asarray((scores.probability * scores.attention[:, None]).double())
