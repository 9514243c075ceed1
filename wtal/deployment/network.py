"""A model's way from features to the scores of all its sources, as one network without anything of a training."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from wtal.branches import Branch
from wtal.branches.localization import LocalizationModule
from wtal.collaboration import CollaborationModule
from wtal.errors import ConfigError
from wtal.nn.heads import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.text.prompts import TextSource
from wtal.types import SnippetBatch

__all__ = ["ScoringNetwork", "branches_of", "known_widths"]


class _FixedText(nn.Module):
    """Text features as they are now: an exported model needs no text tower."""

    features: Tensor

    def __init__(self, text: TextSource) -> None:
        super().__init__()
        self.register_buffer("features", text().detach().clone())

    def forward(self) -> Tensor:
        """Features ``(C, D)``."""
        return self.features


class ScoringNetwork(nn.Module):
    """From the features of all streams to the scores of all sources, with any number of videos and of snippets.

    Args:
        model: A branch or a collaboration; it is copied. In the copy, the averages of the weights take the place of the
            weights, and texts are constants.
        streams: Names of the streams, in the order of the inputs.

    Raises:
        ConfigError: If the model is neither, or encodes video itself.
    """

    def __init__(self, model: LocalizationModule, streams: tuple[str, ...]) -> None:
        super().__init__()
        branches_of(model)
        copied = deepcopy(model).eval()
        for branch in branches_of(copied):
            if branch.average is not None:
                branch.average.write_into(branch.head)
                branch.average = None
        for part in list(copied.modules()):
            text = getattr(part, "text", None)
            if isinstance(part, Head) and isinstance(text, TextSource):
                part.text = _FixedText(text)
        copied.requires_grad_(False)
        self._model = (copied,)  # in a tuple, as a LightningModule has much that no export understands
        self.heads = nn.ModuleList(branch.head for branch in branches_of(copied))
        self.streams = streams

    def forward(self, features: tuple[Tensor, ...], mask: Tensor) -> tuple[Tensor, ...]:
        """Score snippets.

        Args:
            features: Features of each stream, ``(B, T, D)``.
            mask: True on real snippets, ``(B, T)``.

        Returns:
            For each source: probability ``(B, T, C)``, actionness ``(B, T)`` and video probability ``(B, C)``.
        """
        empty = mask.new_zeros(0)
        batch = SnippetBatch(dict(zip(self.streams, features, strict=True)), mask, empty, empty, empty)
        return tuple(part for scores in self._model[0].all_scores(batch).values() for part in scores)


def branches_of(model: LocalizationModule) -> list[Branch]:
    """The branches of a model that can be exported.

    Raises:
        ConfigError: If it is neither a branch nor a collaboration, or encodes video itself.
    """
    branches = list(model.branches.values()) if isinstance(model, CollaborationModule) else [model]
    found = [branch for branch in branches if isinstance(branch, Branch)]
    if len(found) < len(branches):
        raise ConfigError(f"A {type(model).__name__} cannot be exported: give a branch or a collaboration.")
    if any(branch.encoded is not None and branch.encoded.is_trained for branch in found):
        raise ConfigError(
            "The model was trained with its encoder, whose features exist nowhere else: export a model of features."
        )
    return found


def known_widths(model: LocalizationModule) -> Mapping[str, int]:
    """The widths of the streams that can be told from the heads: of those that a branch reads alone."""
    widths: dict[str, int] = {}
    for branch in branches_of(model):
        norms = [len(part.mean) for part in branch.head.modules() if isinstance(part, FeatureNorm)]
        text = getattr(branch.head, "text", None)
        found = [*norms, *([text.dim] if isinstance(text, TextSource) else [])]
        if len(branch.streams) == 1 and found:
            widths[branch.streams[0]] = found[0]
    return widths


def known_statistics(model: LocalizationModule, streams: Mapping[str, int]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of each channel of the training features, of those streams whose heads keep them."""
    known: dict[str, tuple[Tensor, Tensor]] = {}
    for branch in branches_of(model):
        widths = [streams[name] for name in branch.streams]
        for part in branch.head.modules():
            if isinstance(part, FeatureNorm) and len(part.mean) == sum(widths):
                parts = zip(torch.split(part.mean, widths), torch.split(part.std, widths), strict=True)
                known |= dict(zip(branch.streams, parts, strict=True))
    return known


def made_up(streams: Mapping[str, int], lengths: tuple[int, ...], seed: int = 0) -> tuple[tuple[Tensor, ...], Tensor]:
    """Random features of videos of some lengths, padded to the longest, and their mask."""
    generator, longest = torch.Generator().manual_seed(seed), max(lengths)
    mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    shape = (len(lengths), longest)
    features = tuple(torch.randn(*shape, width, generator=generator) for width in streams.values())
    return tuple(part.masked_fill(~mask[..., None], 0) for part in features), mask
