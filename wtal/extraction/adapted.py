"""Features of new videos by the encoders that a model was trained with."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from wtal.branches import EncodedStream
from wtal.data.remote_store import open_appender
from wtal.errors import VideoError
from wtal.extraction.writing import Outcome
from wtal.video.decode import probe
from wtal.video.film import Film

__all__ = ["extract_adapted", "trained_encoders"]


def trained_encoders(model: nn.Module) -> dict[str, EncodedStream]:
    """The encoders that were trained with a model, by the stream that they make."""
    found = [part for part in model.modules() if isinstance(part, EncodedStream)]
    return {part.stream: part for part in found if part.is_trained}


def extract_adapted(model: nn.Module, videos: Mapping[str, Path], output: Path) -> Outcome:
    """Make the features of videos that have none yet by a model's own encoders, each into ``OUTPUT/<stream>``.

    A video is written when it is finished; one that cannot be read is left out.

    Args:
        model: The model, in evaluation mode.
        videos: Video files by name.
        output: Folder of the features.

    Raises:
        FeatureError: If features cannot be written, or existing ones are of another encoder.
    """
    outcome = Outcome()
    for stream, encoded in trained_encoders(model).items():
        encoder = encoded.encoder
        origin, fps = {**encoder.origin, "encoder": encoded.signature}, encoder.look.cut.grid.fps
        store = open_appender(output / stream, encoder.look.cut.grid, origin=origin, crop=encoder.crop)
        for name, path in videos.items():
            if name in store:
                continue
            try:
                rows, start_s = encoded.encode_film(Film(name, path, encoder.look)).numpy(), probe(path).start_s
            except VideoError as error:
                outcome.failed[name] = str(error)
                continue
            store.add(name, rows, start_s if start_s * fps >= 0.5 else 0.0)
            outcome.written[name] = len(rows)
        store.close()
    return outcome
