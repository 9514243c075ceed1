"""The default VLP head: similarities on the scale of the training videos, and small corrections of them."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError, FeatureError
from wtal.losses.video import background_mil_losses, sparsity_loss
from wtal.nn.heads.head import Head, joint_background
from wtal.nn.heads.text import TextFactory, attended_snippets, texts_of
from wtal.nn.temporal import TemporalTransformer, moving_average
from wtal.nn.text.prompts import PromptedText
from wtal.types import BranchOutput

__all__ = ["AnchoredTextHead"]


class AnchoredTextHead(Head):
    """Begins at what the vision-language model knows, and learns corrections that are zero at first.

    The cosine of a snippet and a class text is centred by the mean of the class and divided by the deviation of all
    cosines, both over the training snippets, which need no label. Cosines of CLIP lie in a narrow band whose place
    and width differ between models and data; on this scale a temperature of 1 suits all. A few snippets are averaged,
    as noise is shorter than actions. Actionness says how far the evidence for any class, a log-sum-exp, exceeds that
    of the average snippet; what it leaves is the background.

    Learned are a residual of the image features and one of actionness, both from a temporal Transformer, the class
    texts beside the hand-written ones, a bias per class and the temperature.

    Args:
        class_names: Names of the action classes.
        text: Function from the class names to text features: learned prompts, templates, or a file.
        dim: Width of the CLIP features.
        width: Width of the temporal Transformer.
        depth: Number of layers of the Transformer; 0 for none.
        heads: Number of attention heads of the Transformer.
        dropout: Dropout in the Transformer and on its output.
        smoothing: Number of neighbouring snippets over which the evidence is averaged; odd, 1 for none.
        ratio: Snippets per vote of top-k pooling.
        sparsity: Weight of the mean actionness.
        causal: Whether a snippet is scored by itself and what came before, so that the head can score a stream.
        attended: Number of earlier snippets that each layer of a causal Transformer attends to.

    Raises:
        ConfigError: If the texts have another width, ``smoothing`` is even, or ``attended`` is negative.

    Source:
        The encoder of arXiv:2212.09335, section 3.2. The scale, the actionness and the start are our choice;
        `experiments/diagnosis/diagnosis.md` measures them.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        text: TextFactory = PromptedText,
        dim: int = 512,
        width: int = 128,
        depth: int = 1,
        heads: int = 8,
        dropout: float = 0.3,
        smoothing: int = 3,
        ratio: int = 8,
        sparsity: float = 0.0,
        causal: bool = False,
        attended: int = 64,
    ) -> None:
        super().__init__(ratio)
        self.text = texts_of(class_names, text, dim)
        if smoothing < 1 or smoothing % 2 == 0:
            raise ConfigError(f"`smoothing` must be an odd number of snippets, got {smoothing}.")
        self.smoothing, self.sparsity, self.causal = smoothing, sparsity, causal
        count = len(class_names)
        self.written: Tensor
        self.mean_image: Tensor
        self.mean_similarity: Tensor
        self.deviation: Tensor
        self.level: Tensor
        self.register_buffer("written", torch.zeros(count, dim))  # of no weight before `prepare`
        self.register_buffer("mean_image", torch.zeros(dim))
        self.register_buffer("mean_similarity", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("level", torch.zeros(()))
        self.temporal = TemporalTransformer(
            dim + count, width, depth, heads, dropout=dropout, past=attended_snippets(causal, attended)
        )
        self.dropout, self.residual, self.attention = nn.Dropout(dropout), nn.Linear(width, dim), nn.Linear(width, 1)
        for zero_at_first in (self.residual, self.attention):
            nn.init.zeros_(zero_at_first.weight)
            nn.init.zeros_(zero_at_first.bias)
        self.bias, self.log_scale = nn.Parameter(torch.zeros(count)), nn.Parameter(torch.zeros(()))

    @property
    def note(self) -> str:
        """Which texts are used."""
        return self.text.note

    @property
    def past(self) -> int | None:
        """Those of the Transformer and of the smoothing, if they are causal."""
        return None if self.temporal.past is None else self.temporal.past + self.smoothing - 1

    @property
    def lag(self) -> float:
        """That of the smoothing; the Transformer only corrects the snippet's own image."""
        return (self.smoothing - 1) / 2 if self.causal else 0.0

    @torch.no_grad()
    def prepare(self, rows: Iterable[Tensor]) -> None:
        """Measure the scale of the similarities on the training snippets.

        Raises:
            FeatureError: If the features have another width than the texts.
        """
        self.written.copy_(self.text.vanilla()())
        text, images, similarities = self._texts(), [], []
        for part in rows:
            image = self._unit(part.to(text))
            images.append(image.sum(dim=0))
            similarities.append(image @ text.T)
        similarity = torch.cat(similarities)
        self.mean_image.copy_(torch.stack(images).sum(dim=0) / len(similarity))
        self.mean_similarity.copy_(similarity.mean(dim=0))
        centred = similarity - self.mean_similarity
        self.deviation.copy_(centred.square().mean().sqrt().clamp(min=1e-6))
        self.level.copy_((centred / self.deviation).logsumexp(dim=1).mean())

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet."""
        image, text = self._unit(features), self._texts()
        known = self._similarity(image, text.detach())
        seen = torch.cat([8 * (image - self.mean_image), known], dim=2).masked_fill(~mask[..., None], 0)
        hidden = self.temporal(seen, mask)
        embedding = F.normalize(image + self.residual(self.dropout(hidden)).float(), dim=2)
        logits = self.log_scale.exp() * self._similarity(embedding, text) + self.bias
        cas = moving_average(logits, mask, self.smoothing, self.causal)
        evidence = cas.logsumexp(dim=2) - self.level
        attention = (evidence + self.attention(hidden).squeeze(2).float()).sigmoid()
        return BranchOutput(cas, joint_background(cas, attention), attention, embedding)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL with and without suppression, and sparsity.

        There is no guidance, as actionness and background add up to one already.
        """
        terms = background_mil_losses(out.plain, out.suppressed, mask, labels, self.ratio)
        if self.sparsity:
            terms["sparsity"] = self.sparsity * sparsity_loss(out.attention, mask)
        return terms

    def _unit(self, features: Tensor) -> Tensor:
        """Features of unit norm.

        Raises:
            FeatureError: If they have another width than the texts.
        """
        channels, dim = features.shape[-1], len(self.mean_image)
        if channels != dim:
            raise FeatureError(
                f"The features have {channels} channels, but the head expects {dim}: set the head's `dim` to "
                f"{channels}, or give other features."
            )
        return F.normalize(features.float(), dim=-1)

    def _texts(self) -> Tensor:
        """Unit-norm mean of the written and the learned text of each class, ``(C, D)``."""
        learned = F.normalize(self.text().float(), dim=1)
        return F.normalize(self.written + learned, dim=1)

    def _similarity(self, image: Tensor, text: Tensor) -> Tensor:
        """Similarities ``(B, T, C)`` on the scale of the training snippets."""
        return ((image @ text.T).float() - self.mean_similarity) / self.deviation
