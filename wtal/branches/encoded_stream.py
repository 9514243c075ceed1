"""A feature stream that a branch encodes from video itself, and learns to."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from wtal.data.bank import BankRows, FeatureBank
from wtal.data.filming import Filming
from wtal.errors import CheckpointError, ConfigError
from wtal.nn.adapters import Adaptation, adapt
from wtal.nn.encoders import SnippetEncoder
from wtal.types import Clips, Pixels, SnippetBatch

if TYPE_CHECKING:  # it needs PyAV
    from wtal.video.film import Film

__all__ = ["EncodedStream", "Encoding"]


@dataclass(frozen=True)
class Encoding:
    """How an encoder is trained.

    Args:
        adaptation: What of it is trained.
        lr: Its learning rate, beside that of the branch's optimizer.
        share: Share of the chunks of each crop that a step encodes again; the features of the rest are those of their
            last visit.
        chunk: Number of snippets that the network sees at once, which bounds the memory.
        flip: Whether to mirror a video in half of the epochs; not where left and right matter.
        cache_mb: Megabytes of decoded frames that each process that loads data keeps, for data that fit; 0 for none.
        save_memory: Whether to keep few activations inside the network too, for a third more time.

    Raises:
        ConfigError: If a number is out of range.
    """

    adaptation: Adaptation = Adaptation()  # noqa: RUF009  frozen
    lr: float = 2e-4
    share: float = 0.25
    chunk: int = 8
    flip: bool = False
    cache_mb: int = 0
    save_memory: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.chunk < 1 or not self.lr > 0:
            raise ConfigError(
                f"`encoding` needs a share in (0, 1], a chunk of at least 1 and an lr above 0, got {self.share:g}, "
                f"{self.chunk} and {self.lr:g}."
            )


class EncodedStream(nn.Module):
    """An encoder with what is trained of it, and the bank of the features that it made.

    In training, a step encodes the chosen chunks of its crops, and takes the other rows from the bank. No activation
    of the encoder is kept: the head's backward pass reaches the features, and each chunk is then encoded once more,
    with the same random state, to go on from there. If all chunks are chosen, the gradient is that of plain
    back-propagation; the memory is that of one chunk.

    In evaluation mode, whole films are encoded, those of training videos only if their rows are out of date.

    A checkpoint holds only what is trained, with the fingerprint of the rest.

    Args:
        stream: Name of the stream.
        encoder: The encoder, which is changed in place.
        encoding: How it is trained.

    Attributes:
        time: Counts twice the training steps, in the checkpoint too. Rows that a step encodes are of an odd time, as
            the step changes the encoder after it; rows that are encoded between steps are of an even one, and up to
            date as long as the time is theirs.

    Source:
        The two passes: ETAD, arXiv:2205.07134. The bank: TALLFormer, arXiv:2204.01680.
    """

    time: Tensor

    def __init__(self, stream: str, encoder: SnippetEncoder, encoding: Encoding) -> None:
        super().__init__()
        self.stream, self.encoder, self.encoding = stream, encoder, encoding
        self.fingerprint = encoder.fingerprint  # before anything is trained
        adapt(encoder, encoding.adaptation, encoder.blocks, encoder.frames)
        if encoding.save_memory:
            encoder.save_memory()
        self.register_buffer("time", torch.zeros((), dtype=torch.long))
        self._trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
        self.filming: Filming | None = None  # of the training videos
        self.register_state_dict_post_hook(_drop_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_frozen)  # type: ignore[no-untyped-call]

    @property
    def signature(self) -> str:
        """What tells features of this encoder, as it is now, from those of any other."""
        digest = hashlib.sha256(self.fingerprint.encode())
        for parameter in self.parameters_to_train():
            digest.update(parameter.detach().float().cpu().numpy().tobytes())
        return digest.hexdigest()

    @property
    def is_trained(self) -> bool:
        """Whether anything of the encoder is trained, so that features of others will not do."""
        return bool(self._trained)

    def parameters_to_train(self) -> list[nn.Parameter]:
        """What is trained of the encoder."""
        found = dict(self.encoder.named_parameters())
        return [found[name] for name in self._trained]

    def train(self, mode: bool = True) -> "EncodedStream":
        """Set the mode; batch normalization stays in evaluation mode, as its batches are too small."""
        super().train(mode)
        for part in self.encoder.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    # Features -------------------------------------------------------------------------------------------------------

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Features of a batch, ``(B, T, D)``."""
        if self.training and self.stream in batch.clips:
            return self._refreshed(batch)
        if not self.training and self.stream in batch.films:
            return self._whole(batch)
        return batch.streams[self.stream]

    def encode(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)`` float32, chunk by chunk; no activations are kept, whatever is trained."""
        rows = [
            checkpoint(self.encoder, part, use_reentrant=False) if torch.is_grad_enabled() else self.encoder(part)
            for part in _parts(pixels, self.encoding.chunk)
        ]
        return torch.cat([part.float() for part in rows])

    @torch.no_grad()
    def encode_film(self, film: "Film") -> Tensor:
        """Features of a whole video, ``(T, D)`` float32 on the CPU.

        Raises:
            VideoError: If the video cannot be read.
        """
        device = self.time.device
        parts = film.parts(self.encoding.chunk)
        return torch.cat([self.encoder(_moved(part, device)).float().cpu() for part in parts])

    def _refreshed(self, batch: SnippetBatch) -> Tensor:
        """The bank's rows, the chosen ones encoded again; the bank is written when their gradient is known."""
        clips = batch.clips[self.stream]
        fresh = [self.encode(each.pixels) for each in clips]
        rows = batch.streams[self.stream]
        video = torch.cat([torch.full_like(each.place, n) for n, each in enumerate(clips)])
        features = rows.index_put((video, torch.cat([each.place for each in clips])), torch.cat(fresh))
        self.time += 2
        if self.bank is not None and features.requires_grad:
            made, time = [part.detach() for part in fresh], int(self.time) - 1
            features.register_hook(lambda gradient: self._write(batch, clips, made, gradient, time))  # type: ignore[no-untyped-call]
        return features

    def _write(
        self, batch: SnippetBatch, clips: tuple[Clips, ...], fresh: list[Tensor], gradient: Tensor, time: int
    ) -> None:
        assert self.bank is not None
        bank, norms = self.bank, gradient.detach().float().norm(dim=2).cpu()
        for n, (each, made) in enumerate(zip(clips, fresh, strict=True)):
            name, real = bank.video_ids[int(batch.video[n])], batch.mask[n].cpu()
            features, refreshed, before = (part.copy() for part in bank.read(name))
            index = batch.grid_index[n].cpu()
            place = index[each.place.cpu()].numpy()
            features[place], refreshed[place] = made.cpu().numpy(), time
            norm = norms[n][real]  # relative, as a loss may be scaled
            before[index[real].numpy()] = (norm / norm.mean().clamp(min=1e-30)).numpy()
            bank.write(name, time, BankRows(features, refreshed, before))

    def _whole(self, batch: SnippetBatch) -> Tensor:
        features = batch.streams[self.stream].clone()
        for n, film in enumerate(batch.films[self.stream]):
            rows, count = self._of_film(film), int(batch.mask[n].sum())
            if len(rows) < count:
                raise ConfigError(
                    f"{film.path} makes {len(rows)} snippets, but its features have {count}: it is another film, or "
                    "they are of another grid; extract them again."
                )
            features[n, :count] = rows[:count].to(features)
        return features

    def _of_film(self, film: "Film") -> Tensor:
        bank = self.bank
        if bank is None or film.video_id not in bank:
            return self.encode_film(film)
        known, now = bank.read(film.video_id), int(self.time)
        if (known.refreshed == now).all():
            return torch.from_numpy(known.features.copy())
        rows = self.encode_film(film)[: len(known.features)]
        bank.write(film.video_id, now, known._replace(features=rows.numpy(), refreshed=known.refreshed * 0 + now))
        return rows

    # Training -------------------------------------------------------------------------------------------------------

    @property
    def bank(self) -> FeatureBank | None:
        """The bank of the training videos, before and while the encoder is trained."""
        return None if self.filming is None else self.filming.bank

    def learns(self, now: bool) -> None:
        """Say whether the coming steps train the encoder, and so need its clips."""
        if self.filming is not None:
            self.filming.learns.fill_(now)

    def note_checkpoint(self) -> None:
        """Tell the bank that a checkpoint is being written."""
        if self.bank is not None:
            self.bank.note_checkpoint(int(self.time))

    # State ----------------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> str:
        """The fingerprint of the encoder as it was before the training."""
        return self.fingerprint

    def set_extra_state(self, state: Any) -> None:  # noqa: ANN401  from a file
        """Refuse weights that were trained in another encoder.

        Raises:
            CheckpointError: If the fingerprints differ.
        """
        if state != self.fingerprint:
            prints = f"fingerprint {str(state)[:12]}, here {self.fingerprint[:12]}"
            raise CheckpointError(
                f"The checkpoint was trained with another encoder of {self.stream} ({prints}): give the same "
                "weights, and the same preparation of frames."
            )


def _parts(pixels: Pixels, size: int) -> Iterator[Pixels]:
    for start in range(0, pixels.length, size):
        yield pixels.part(slice(start, start + size))


def _moved(pixels: Pixels, device: torch.device) -> Pixels:
    return Pixels(*(None if part is None else part.to(device) for part in pixels))


def _drop_frozen(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
    """Leave in a state what is trained."""
    assert isinstance(module, EncodedStream)
    kept = {f"{prefix}encoder.{name}" for name in module._trained}
    for name in [n for n in state if n.startswith(f"{prefix}encoder.") and n not in kept]:
        del state[name]


def _add_frozen(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Complete a state of what is trained with the frozen weights that are there."""
    assert isinstance(module, EncodedStream)
    for name, value in module.encoder.state_dict().items():
        if name not in module._trained:
            state.setdefault(f"{prefix}encoder.{name}", value)
