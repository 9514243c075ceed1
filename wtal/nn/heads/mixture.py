"""A mixture of VLP models: a head for the stream of each, averaged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError, FeatureError
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.types import BranchOutput

__all__ = ["MixtureHead"]


class MixtureHead(Head):
    """The mean of several heads' logits and actionness, each from the stream of its own vision-language model.

    The streams are those of the branch's ``view``, in its order. The losses are those of the first head, on the mean.

    Args:
        class_names: Names of the action classes.
        heads: For each stream, a function from the class names to its head.
        dims: For each stream, its number of channels.

    Raises:
        ConfigError: If heads and widths do not belong together, or a head normalises by the statistics of the whole
            branch, as ``TextHead`` does.
    """

    def __init__(
        self, class_names: Sequence[str], heads: Sequence[Callable[[list[str]], Head]], dims: Sequence[int]
    ) -> None:
        if not heads or len(heads) != len(dims):
            raise ConfigError(
                f"A mixture needs a head and a width for each stream, got {len(heads)} `heads` and {len(dims)} `dims`."
            )
        made = [make(list(class_names)) for make in heads]
        super().__init__(made[0].ratio)
        unfit = [type(head).__name__ for head in made if any(isinstance(part, FeatureNorm) for part in head.modules())]
        if unfit:
            raise ConfigError(f"{unfit[0]} cannot be part of a mixture: take AnchoredTextHead or ZeroShotHead.")
        self.heads, self.dims = nn.ModuleList(made), tuple(dims)

    @property
    def parts(self) -> list[Head]:
        """The heads, in the order of their streams."""
        return [head for head in self.heads if isinstance(head, Head)]

    @property
    def note(self) -> str:
        """Which texts are used."""
        return "; ".join(dict.fromkeys(filter(None, (head.note for head in self.parts))))

    @property
    def past(self) -> int | None:
        """Those of the head that sees most; None if one sees later snippets, too."""
        known = [head.past for head in self.parts if head.past is not None]
        return max(known) if len(known) == len(self.parts) else None

    @property
    def lag(self) -> float:
        """The mean of the heads'."""
        return sum(head.lag for head in self.parts) / len(self.parts)

    def prepare(self, rows: Iterable[Tensor]) -> None:
        """Let each head measure the training snippets of its stream."""

        @cache
        def kept() -> list[Tensor]:
            return list(rows)

        def of(place: int) -> Iterator[Tensor]:
            for part in kept():
                yield self._split(part)[place]

        for place, head in enumerate(self.parts):
            head.prepare(of(place))

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet from the streams side by side, ``(B, T, sum(dims))``."""
        outs = [head(part, mask) for head, part in zip(self.parts, self._split(features), strict=True)]
        cas, background, attention = (
            torch.stack(list(found)).mean(dim=0)
            for found in zip(*((out.cas, out.background, out.attention) for out in outs), strict=True)
        )
        embedding = F.normalize(torch.cat([out.embedding for out in outs], dim=2), dim=2)
        return BranchOutput(cas, background, attention, embedding)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The first head's losses on the mean."""
        return self.parts[0].losses(out, mask, labels)

    def _split(self, features: Tensor) -> tuple[Tensor, ...]:
        """The streams apart.

        Raises:
            FeatureError: If they have other widths.
        """
        if features.shape[-1] != sum(self.dims):
            raise FeatureError(
                f"The streams have {features.shape[-1]} channels together, but the `dims` of the mixture are "
                f"{' + '.join(map(str, self.dims))}: give one width for each stream of the branch's `view`."
            )
        return torch.split(features, list(self.dims), dim=-1)
