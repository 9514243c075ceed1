"""A DELU head, which trusts videos and snippets in proportion to their class evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wtal.functional.pooling import best_snippets, masked_mean
from wtal.losses.video import guidance_loss
from wtal.nn.heads.co2 import CO2Head, CO2Output, CO2Weights
from wtal.types import BranchOutput

__all__ = ["DELUHead", "DELUWeights", "easy_to_hard", "evidential_loss", "uncertainty"]


@dataclass(frozen=True)
class DELUWeights(CO2Weights):
    """Weights of the terms beside the two MIL losses; the defaults are those of the public code on THUMOS14.

    Args:
        sparsity: Weight of the mean actionness.
        guidance: Weight of the agreement between actionness and background class.
        co_activity: Weight of the co-activity loss.
        mutual: Weight of the agreement between the two modalities' actionness.
        evidence: Weight of the evidential loss of the videos (``alpha_edl``).
        progressive: Weight of the guidance from easy to hard snippets (``alpha_uct_guide``).
    """

    guidance: float = 0.4
    evidence: float = 1.3
    progressive: float = 0.4


class DELUHead(CO2Head):
    """The network of CO2-Net with two more losses, from evidential learning.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features: RGB, then flow, half each.
        hidden: Width of the classifier's embedding (the paper's is ``in_dim``).
        attention_dim: Width of the attention layers.
        dropout: Dropout in the modules and on the fused features.
        classifier_dropout: Dropout before the last layer.
        ratio: Snippets per vote of top-k pooling.
        evidence_ratio: Snippets of the video per snippet of high actionness that counts as evidence for it.
        amplitude: Extra weight, below 1, of the easy snippets at first and of the hard ones in the end.
        steps: Number of training steps until the hard snippets count most; the weights stay there afterwards.
        weights: Weights of the loss terms.

    Source:
        DELU, ECCV 2022 (doi:10.1007/978-3-031-19772-7_12), section 3. Differs from its public code as :class:`CO2Head`
        does, by lighter dropout, and in that the progressive weights follow a snippet's rank, from certain to uncertain
        ("easy to hard"): the code looks them up by the sorting permutation, which is not the rank.
    """

    step: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        attention_dim: int = 512,
        dropout: float = 0.5,
        classifier_dropout: float = 0.7,
        ratio: int = 7,
        evidence_ratio: int = 9,
        amplitude: float = 0.7,
        steps: int = 300,
        weights: DELUWeights = DELUWeights(),
    ) -> None:
        super().__init__(class_names, in_dim, hidden, attention_dim, dropout, classifier_dropout, ratio, weights)
        self.evidence_ratio, self.amplitude, self.steps = evidence_ratio, amplitude, steps
        self.evidence, self.progressive = weights.evidence, weights.progressive
        self.register_buffer("step", torch.tensor(0))

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses of CO2-Net, the evidential loss of the videos, and guidance from easy to hard snippets."""
        assert isinstance(out, CO2Output)
        suppressed, background = out.suppressed, out.plain.softmax(dim=2)[..., -1]
        video = masked_mean(suppressed[..., :-1], best_snippets(out.attention, mask, self.evidence_ratio))
        emphasis = easy_to_hard(uncertainty(suppressed.detach()), mask, float(self.step) / self.steps, self.amplitude)
        actionness = (out.attention, out.rgb_attention, out.flow_attention)
        progressive = torch.stack([guidance_loss(a, background, mask, emphasis) for a in actionness]).mean()
        if self.training:
            self.step += 1
        return {
            **super().losses(out, mask, labels),
            "evidence": self.evidence * evidential_loss(video, labels),
            "progressive": self.progressive * progressive,
        }


def uncertainty(logits: Tensor) -> Tensor:
    """Share of belief without evidence, ``C / sum(exp(logits) + 1)`` over the classes and the background.

    Args:
        logits: Class logits, ``(..., C)``.

    Returns:
        Uncertainty in (0, 1), ``(...)``.

    Source:
        Subjective logic as in arXiv:1806.01768, with exponential evidence.

    >>> uncertainty(torch.zeros(2))
    tensor(0.5000)
    """
    return 1 / _strength(logits).mean(dim=-1)


def evidential_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Penalise missing evidence for the classes of a video.

    Among the labelled classes, the one with the least evidence counts most; a video of high uncertainty counts little.

    Args:
        logits: Video logits without background, ``(B, C)``.
        labels: Multi-hot labels, ``(B, C)``; a video without a label adds nothing.

    Returns:
        Scalar.

    Source:
        The video-level loss of DELU, ECCV 2022, section 3, as in its public code.
    """
    alpha = _strength(logits)
    total = alpha.sum(dim=1, keepdim=True)
    certain = 1 - uncertainty(logits).detach()
    missing = labels / alpha
    share = labels.sum(dim=1, keepdim=True) * missing / missing.sum(dim=1, keepdim=True).clamp(min=1e-9)
    return (certain * (share * (total.log() - alpha.log())).sum(dim=1)).mean()


def easy_to_hard(uncertain: Tensor, mask: Tensor, progress: float, amplitude: float) -> Tensor:
    """Weight each snippet: at first more on the certain ones of its video, in the end more on the uncertain ones.

    Args:
        uncertain: Uncertainty of the snippets, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.
        progress: Progress of the training: 0 at its start, 1 at its end and after it.
        amplitude: Largest distance of a weight from 1.

    Returns:
        Weights, ``(B, T)``, whose mean over the real snippets of a video is 1.

    Source:
        The snippet-level progressive learning of DELU, ECCV 2022, section 3.

    >>> easy_to_hard(torch.tensor([[0.1, 0.9]]), torch.tensor([[True, True]]), progress=0.0, amplitude=1.0)
    tensor([[1.4621, 0.5379]])
    """
    rank = uncertain.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    place = 2 * (rank + 0.5) / mask.sum(dim=1, keepdim=True) - 1  # -1 at the most certain, 1 at the least
    return 1 + amplitude * torch.tanh(place * (2 * min(progress, 1.0) - 1))


def _strength(logits: Tensor) -> Tensor:
    """Parameters of the Dirichlet distribution."""
    return logits.clamp(-10, 10).exp() + 1
