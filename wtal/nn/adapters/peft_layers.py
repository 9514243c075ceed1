"""Corrections of frozen weights by the package `peft`."""

from collections.abc import Mapping

from torch import nn

from wtal.io.extras import from_extra

__all__ = ["add_peft"]

_LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)


def add_peft(encoder: nn.Module, targets: Mapping[str, nn.Module], rank: int, dora: bool) -> int:
    """Correct linear layers, convolutions and attentions by LoRA or DoRA; the encoder stays as it is at the start.

    Args:
        encoder: The encoder, whose layers are replaced by those of `peft`.
        targets: Parts of it by name, of which layers are corrected and all others left alone.
        rank: Rank of each correction.
        dora: Learn the length of the weights apart from their direction (arXiv:2402.09353), which attentions cannot.

    Returns:
        Number of corrected layers.

    Raises:
        MissingPackageError: If ``wtal[peft]`` is not installed.
    """
    with from_extra("peft"):
        from peft import LoraConfig, inject_adapter_in_model
    attentions = tuple(name for name, part in encoder.named_modules() if isinstance(part, nn.MultiheadAttention))
    inside = tuple(f"{name}." for name in attentions)  # their output layers are read, not called
    names = [n for n, part in targets.items() if isinstance(part, _LAYERS) and not n.startswith(inside)]
    names += [] if dora else [name for name in attentions if name in targets]
    if names:
        config = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=names, use_dora=dora)
        inject_adapter_in_model(config, encoder)
    return len(names)
