"""Films for the encoders of branches: which videos a split has, and the bank of the training videos."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytorch_lightning import Trainer

from wtal.branches.encoded_stream import EncodedStream
from wtal.data.bank import FeatureBank
from wtal.data.datamodule import SnippetDataModule
from wtal.data.features import part_of
from wtal.data.filming import Filming, films_of
from wtal.errors import ConfigError, FeatureError
from wtal.nn.modes import evaluating
from wtal.results.run_folder import RunFolder
from wtal.types import Split

if TYPE_CHECKING:  # it needs PyAV
    from wtal.video.film import Film

__all__ = ["begin_bank", "film_split"]

_TOLERANCE = 0.02  # between features of a store, perhaps made in bfloat16, and the encoder's own


def film_split(encoded: EncodedStream, data: object, split: Split, learns: bool = False) -> None:
    """Let a split of the data give the encoder the films of its videos, unless their features are its own already.

    Args:
        encoded: The encoder with its stream.
        data: The data module.
        split: The split.
        learns: Whether the encoder is about to be trained on the split, and so needs a bank.

    Raises:
        ConfigError: If the data cannot give films.
        FeatureError: If a video is missing, or the features are of another encoder or another grid.
    """
    if not isinstance(data, SnippetDataModule):
        raise ConfigError("An encoder is trained on the videos of a `SnippetDataModule`, which these data are not.")
    videos, stream = data.split(split), encoded.stream
    features, before = videos.features, videos.features.filmed.get(stream)
    if before is not None and before.bank is not None:  # of a training before, which began with the same features
        features.streams[stream] = before.bank.source
    store, source = features.streams[stream], part_of(data.streams[stream], stream)
    made_by = {} if store.manifest is None else store.manifest.origin
    if not learns and made_by.get("encoder") == encoded.signature:
        features.filmed.pop(stream, None)
        return
    if source.videos is None:
        raise FeatureError(
            f"The encoder of {stream} is trained, so it must see the {split} videos: give their folder as "
            f"`data.{stream}.videos`, or make their features by `wtal extract --checkpoint`."
        )
    names = list(videos.table.index)
    _refuse_other_grid(encoded, data, split)
    films = films_of(source.videos, names, encoded.encoder.look)
    if not learns:
        features.filmed[stream] = Filming(films)
        return
    from wtal.video.film import SnippetCache

    how, bank = encoded.encoding, FeatureBank(Path(), store, names)
    if not encoded.time:  # it is as it was when the features were made
        rows = np.array(store[names[0]][: how.chunk], np.float32)
        _refuse_other_encoder(encoded, torch.from_numpy(rows), films[names[0]])
    encoded.filming = features.filmed[stream] = Filming(
        films, bank, how.share, how.chunk, how.flip, SnippetCache(how.cache_mb) if how.cache_mb else None
    )


def begin_bank(encoded: EncodedStream, data: object, trainer: Trainer) -> None:
    """Start the bank, once a checkpoint has been loaded: at its time, or anew.

    Raises:
        CheckpointError: If the features of the checkpoint's time are gone.
        FeatureError: If the bank cannot be written.
    """
    assert encoded.bank is not None
    assert isinstance(data, SnippetDataModule), "films come first, which need one"
    home = Path(tempfile.mkdtemp()) if getattr(trainer, "fast_dev_run", False) else RunFolder.of(trainer).path
    encoded.bank.folder = home / "bank" / encoded.stream
    encoded.bank.start(int(encoded.time), write=trainer.is_global_zero)
    trainer.strategy.barrier()
    data.split("train").features.streams[encoded.stream] = encoded.bank.store
    encoded.learns(True)


def _refuse_other_grid(encoded: EncodedStream, data: SnippetDataModule, split: Split) -> None:
    features, grid = data.split(split).features, encoded.encoder.look.cut.grid
    for video in data.videos(split):
        own, first = features.streams[encoded.stream].grid(video.video_id), features.grid(video.video_id)
        if (own.fps, own.stride, own.window) != (grid.fps, grid.stride, grid.window) or own != first:
            raise FeatureError(
                f"The features of {video.video_id} at {features.streams[encoded.stream].path} lie on the grid {own}, "
                f"those of the first stream on {first}, and the encoder has {grid}: give it the `fps`, `stride` and "
                "`window` of the features, the same for all streams."
            )


def _refuse_other_encoder(encoded: EncodedStream, stored: torch.Tensor, film: "Film") -> None:
    """Compare the first snippets of a film with their features."""
    with torch.no_grad(), evaluating(encoded):
        own = encoded.encoder(next(film.parts(encoded.encoding.chunk))).float()[: len(stored)]
    if own.shape != stored.shape or (own - stored).norm() > _TOLERANCE * stored.norm():
        raise FeatureError(
            f"The encoder makes other features of {film.path} than those that the training would begin with: extract "
            f"the features of {encoded.stream} with the same weights and settings, or correct those of the encoder."
        )
