"""What of an encoder is trained."""

import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from wtal.errors import ConfigError
from wtal.nn.adapters.low_rank import add_low_rank
from wtal.nn.adapters.peft_layers import add_peft
from wtal.nn.adapters.temporal_adapter import add_temporal_adapters

__all__ = ["Adaptation", "adapt"]

Kind = Literal["frozen", "low_rank", "temporal_adapter", "full", "peft_lora", "peft_dora"]


@dataclass(frozen=True)
class Adaptation:
    """What of an encoder is trained.

    Args:
        kind: ``frozen`` is nothing, ``low_rank`` corrections of its weights, ``temporal_adapter`` adapters behind its
            blocks, ``full`` all of it but batch normalization; ``peft_lora`` and ``peft_dora`` are corrections by the
            package `peft` (``wtal[peft]``), whose LoRA also reaches the output layers of attentions.
        targets: Regular expression of the names of the layers or blocks that are adapted, such as ``Mixed_[45]`` for
            the later half of I3D; empty for all.
        rank: Rank of the corrections.
        reduction: Divisor of the channels inside an adapter.

    Raises:
        ConfigError: If a number is out of range, or ``targets`` is no regular expression.
    """

    kind: Kind = "low_rank"
    targets: str = ""
    rank: int = 8
    reduction: int = 4

    def __post_init__(self) -> None:
        for name in ("rank", "reduction"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`adaptation.{name}` must be at least 1, got {getattr(self, name)}.")
        try:
            re.compile(self.targets)
        except re.error as error:
            raise ConfigError(f"`adaptation.targets` {self.targets!r} is no regular expression: {error}.") from error


def adapt(encoder: nn.Module, adaptation: Adaptation, blocks: list[tuple[nn.Module, int]], frames: int) -> None:
    """Freeze an encoder but for what is trained of it; its output stays the same.

    New weights are the same in every process and run.

    Args:
        encoder: The encoder, changed in place.
        adaptation: What is trained.
        blocks: Blocks behind which an adapter fits, with their numbers of output channels.
        frames: Number of frames of a snippet at the blocks, where they are spread over the batch.

    Raises:
        ConfigError: If nothing of the encoder fits the targets.
        MissingPackageError: If `peft` is needed and not installed.
    """
    encoder.requires_grad_(False)
    if adaptation.kind == "frozen":
        return
    targets = {name: part for name, part in encoder.named_modules() if re.search(adaptation.targets, name)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if adaptation.kind == "temporal_adapter":
            chosen = {id(part) for part in targets.values()}
            fitting = [(block, channels) for block, channels in blocks if id(block) in chosen]
            add_temporal_adapters(fitting, frames, adaptation.reduction)
            count = len(fitting)
        else:
            count = _corrected(encoder, targets, adaptation)
    if not count:
        raise ConfigError(
            f"Nothing of {type(encoder).__name__} can be trained as {adaptation.kind} with the targets "
            f"{adaptation.targets!r}: give other `adaptation.targets`, or another `adaptation.kind`."
        )


def _corrected(encoder: nn.Module, targets: dict[str, nn.Module], adaptation: Adaptation) -> int:
    """Correct or free the targets themselves, and return how many weights or layers that are."""
    if adaptation.kind == "low_rank":
        return sum([add_low_rank(part, adaptation.rank) for part in targets.values()])
    if adaptation.kind == "full":
        return sum([_free(part) for part in targets.values()])
    return add_peft(encoder, targets, adaptation.rank, dora=adaptation.kind == "peft_dora")


def _free(part: nn.Module) -> int:
    """Train a module's own weights, unless it normalizes batches, and return their number."""
    return 0 if isinstance(part, _BatchNorm) else len([p.requires_grad_(True) for p in part.parameters(recurse=False)])
