"""A CASE head: snippets are clustered, and a cluster that lies with the foreground makes its snippets action."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.functional.pooling import best_snippets
from wtal.losses.video import mil_loss
from wtal.nn.heads.head import Head, joint_background
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv
from wtal.types import BranchOutput

__all__ = ["CASEHead", "CASEOutput", "generalized_cross_entropy", "transport"]


@dataclass
class CASEOutput(BranchOutput):
    """With what each modality says; a leading dimension of 2: RGB, flow."""

    logits: Tensor  # (2, B, T, C)
    actionness: Tensor  # (2, B, T)
    embeddings: Tensor  # (2, B, T, E) not normalised
    clusters: Tensor  # (2, B, T, K) logits

    @property
    def suppressed(self) -> Tensor:
        """The video's classes compete among themselves: background gets no share."""
        return F.pad(self.cas, (0, 1), value=-torch.inf)


class _Modality(nn.Module):
    """Class logits, actionness, embedding and cluster logits of one modality."""

    def __init__(self, dim: int, hidden: int, classes: int, clusters: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.classes, self.base = MaskedConv(dim, hidden, kernel_size), MaskedConv(dim, hidden, kernel_size)
        self.dropout = nn.Dropout(dropout)
        self.classifier, self.attention = nn.Linear(hidden, classes), nn.Linear(hidden, 1)
        self.prototypes = nn.Parameter(F.normalize(torch.randn(clusters, hidden), dim=1))

    def forward(self, x: Tensor, mask: Tensor, sharpness: float) -> tuple[Tensor, ...]:
        base = self.base(x, mask).relu()
        logits = self.classifier(self.dropout(self.classes(x, mask).relu())).float()
        actionness = self.attention(self.dropout(base)).squeeze(2).float().sigmoid()
        cosine = F.normalize(base.float(), dim=2) @ F.normalize(self.prototypes, dim=1).T
        return logits, actionness, base.float(), sharpness * cosine.float()


class CASEHead(Head):
    """Classes and actionness of each modality, and clusters of snippets that are themselves told apart.

    Votes go mostly by actionness, which learns from these very votes: a start that favours background stays with it.
    One of two seeds did so on simulated THUMOS14, whatever the learning rate: no run of it carries a claim yet.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features, RGB then flow, half each.
        hidden: Width of each modality's two embeddings.
        num_clusters: Clusters of snippets.
        kernel_size: Snippets that one embedding sees; odd (1 in the public code).
        dropout: On the embeddings, before the last layers (none in the public code).
        ratio: Snippets per vote of top-k pooling and per pseudo foreground of a class.
        exponent: Of the generalised cross-entropy: near 0 it is the plain one, at 1 the mean absolute error.
        sharpness: Of cluster and kind probabilities, times a cosine.
        momentum: Share of the clusters' kinds that one training step keeps.
        clustering: Weight of the snippets' assignment to clusters (``w_clu``).
        separation: Weight of the clusters' assignment to foreground and background (``w_cls``).

    Source:
        CASE, ICCV 2023, arXiv:2312.14138, section 3. Differs from its public code: features are normalised, a
        convolution sees neighbours, the kinds used in inference are averaged over steps (there the last batch's), and
        the prior of the clusters is even (there it follows the rank by actionness, but so wide, ``std = 10`` on ranks
        in [0, 1], that it is even within half a percent).
    """

    kinds: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        num_clusters: int = 16,
        kernel_size: int = 3,
        dropout: float = 0.5,
        ratio: int = 8,
        exponent: float = 0.7,
        sharpness: float = 10.0,
        momentum: float = 0.9,
        clustering: float = 1.0,
        separation: float = 0.3,
    ) -> None:
        super().__init__(ratio)
        self.exponent, self.sharpness, self.momentum = exponent, sharpness, momentum
        self.clustering, self.separation = clustering, separation
        self.norm = FeatureNorm(in_dim)
        self.modalities = nn.ModuleList(
            _Modality(in_dim // 2, hidden, len(class_names), num_clusters, kernel_size, dropout) for _ in range(2)
        )
        self.register_buffer("kinds", torch.full((num_clusters,), 0.5))  # foreground probability of each cluster

    def forward(self, features: Tensor, mask: Tensor) -> CASEOutput:
        """Score each snippet."""
        halves = self.norm(features, mask).chunk(2, dim=2)
        both = [modality(x, mask, self.sharpness) for modality, x in zip(self.modalities, halves, strict=True)]
        logits, actionness, embeddings, clusters = (torch.stack(parts) for parts in zip(*both, strict=True))
        cas = logits.log_softmax(dim=3).logsumexp(dim=0)  # its softmax is the mean of the two
        attention = torch.cat([actionness, clusters.softmax(dim=3) @ self.kinds]).mean(dim=0)
        background = joint_background(cas, attention)
        embedding = torch.cat(list(embeddings), dim=2)
        return CASEOutput(cas, background, attention, embedding, logits, actionness, embeddings, clusters)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Classification and actionness of both modalities, clusters of snippets, kinds of clusters."""
        assert isinstance(out, CASEOutput)
        chosen = self._votes(out, mask)
        foreground = (chosen & (labels[:, None] > 0)).any(dim=2)
        videos = (out.logits * chosen).sum(dim=2) / chosen.sum(dim=1)
        snippets = transport(out.clusters.detach().mean(dim=0)[mask] / self.sharpness)  # (N, K)
        embeddings = out.embeddings[:, mask]
        kind = torch.stack([foreground[mask], ~foreground[mask]], dim=1).to(embeddings)  # (N, 2)
        prototypes, kinds = (F.normalize(x.T @ embeddings, dim=2) for x in (snippets, kind))
        logits = prototypes @ kinds.transpose(1, 2)  # (2, K, 2)
        target = transport(logits.detach().mean(dim=0), kind.mean(dim=0))
        if self.training:
            self.kinds = self.kinds.lerp(target[:, 0], 1 - self.momentum)  # in place it would spoil the backward pass
        return {
            "mil": torch.stack([mil_loss(video, labels) for video in videos]).mean(),
            "actionness": torch.stack(
                [generalized_cross_entropy(a, foreground, mask, self.exponent) for a in out.actionness]
            ).sum(),
            "clusters": self.clustering * _both(out.clusters[:, mask], snippets),
            "kinds": self.separation * _both(self.sharpness * logits, target),
        }

    def _votes(self, out: CASEOutput, mask: Tensor) -> Tensor:
        """Snippets that vote for each class: those of highest class probability and actionness, ``(B, T, C)``."""
        score = (out.cas.softmax(dim=2) + out.actionness.sum(dim=0)[..., None]).detach().transpose(1, 2)  # (B, C, T)
        each = mask[:, None].expand_as(score).flatten(0, 1)
        return best_snippets(score.flatten(0, 1), each, self.ratio).view_as(score).transpose(1, 2)


def transport(similarity: Tensor, share: Tensor | None = None, entropy: float = 0.05, rounds: int = 3) -> Tensor:
    """Assign items to groups by similarity, so that each group gets its share (Sinkhorn-Knopp).

    Args:
        similarity: ``(N, K)``.
        share: Of the items that each group gets, ``(K,)``, adding up to 1; None: even.
        entropy: Weight of the assignment's entropy: the smaller, the harder.
        rounds: Times that groups and items are brought to their sums.

    Returns:
        Probabilities of an item's groups, ``(N, K)``.

    Source:
        arXiv:1911.05371 and arXiv:2006.09882, as CASE uses it.

    >>> transport(torch.tensor([[1.0, 0.9], [1.0, 0.0]])).round(decimals=1)  # one must take the second
    tensor([[0.1000, 0.9000],
            [1.0000, 0.0000]])
    """
    if share is None:
        share = similarity.new_full((similarity.shape[1],), 1 / similarity.shape[1])
    plan = ((similarity - similarity.max()) / entropy).exp()
    for _ in range(rounds):
        plan = plan / plan.sum(dim=0).clamp(min=1e-30) * share
        plan = plan / plan.sum(dim=1, keepdim=True).clamp(min=1e-30)
    return plan


def generalized_cross_entropy(probability: Tensor, positive: Tensor, mask: Tensor, exponent: float) -> Tensor:
    """Actionness against pseudo-labels of which some are wrong: hard ones pull less than in a cross-entropy.

    Args:
        probability: ``(B, T)``.
        positive: True on pseudo foreground, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.
        exponent: In (0, 1].

    Returns:
        Scalar; positive and negative snippets of a video weigh the same.

    Source:
        arXiv:1805.07836, eq. 6; balanced as in the code of CASE.

    >>> both = torch.tensor([[True, True]])
    >>> generalized_cross_entropy(torch.tensor([[0.25, 0.5]]), torch.tensor([[True, False]]), both, exponent=1.0)
    tensor(1.2500)
    """
    right = torch.where(positive, probability, 1 - probability).clamp(1e-6, 1)
    loss = (1 - right**exponent) / exponent
    sides = (positive & mask, ~positive & mask)
    return torch.stack([((loss * s).sum(dim=1) / s.sum(dim=1).clamp(min=1)).mean() for s in sides]).sum()


def _both(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropies of both modalities to the same target, added."""
    return -(target * logits.log_softmax(dim=2)).sum(dim=2).mean(dim=1).sum()
