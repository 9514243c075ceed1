"""Scores of a stream while it comes, by a branch or a pair whose heads look only back."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wtal.branches.branch import Branch
from wtal.branches.localization import LocalizationModule
from wtal.collaboration.module import CollaborationModule
from wtal.data.datamodule import SnippetDataModule, Split
from wtal.errors import ConfigError, FeatureError
from wtal.functional.pooling import running_topk_pool
from wtal.localization.online import Emission, OnlineLocalizer, OnlineRules
from wtal.types import BranchOutput, SnippetBatch, SnippetScores

__all__ = ["OnlineScorer", "emissions_of"]

_PIECE = 64  # snippets that are scored at once, however many are given


class OnlineScorer:
    """Scores snippets as they come; each score is the one that the whole video would give, and is never changed.

    A score depends on as many earlier snippets as the head says, so their features are kept and the head runs over
    them again with each new one: whatever the head is made of, the state stays the same size. What offline is a value
    of the whole video, the probability of a class in it, is here one of what was seen so far: of the last ``horizon``
    snippets.

    Args:
        model: A branch, or a pair of branches, in evaluation mode.
        horizon: Number of snippets that the probability of a class in the video knows.

    Raises:
        ConfigError: If the model cannot score a stream; the sentence says what can.
    """

    def __init__(self, model: LocalizationModule, horizon: int = 1024) -> None:
        self.model = model
        self._parts = [_RunningBranch(branch, horizon) for branch in _branches_of(model)]

    @property
    def past(self) -> int:
        """The largest number of earlier snippets whose features are kept."""
        return max(part.past for part in self._parts)

    @torch.no_grad()
    def push(self, streams: Mapping[str, Tensor]) -> dict[str, SnippetScores]:
        """Score the next snippets.

        Args:
            streams: Their features by stream, ``(N, D)`` each.

        Returns:
            Scores by source on the CPU. Of :class:`~wtal.types.SnippetScores`, ``video`` has one row a snippet,
            ``(N, C)``: the probability of each class in what was seen until then.

        Raises:
            FeatureError: If a stream is missing, or the streams have different lengths.
        """
        lengths = {len(rows) for rows in streams.values()}
        if len(lengths) != 1:
            raise FeatureError(f"The streams have {sorted(lengths)} snippets, but all must have the same number.")
        (length,), classes = lengths, len(self.model.class_names)
        nothing = SnippetScores(torch.zeros(0, classes), torch.zeros(0), torch.zeros(0, classes))
        pieces = [dict.fromkeys(self.model.sources, nothing)] + [
            self._score({name: rows[begin : begin + _PIECE] for name, rows in streams.items()})
            for begin in range(0, length, _PIECE)
        ]
        return {
            source: SnippetScores(*map(torch.cat, zip(*(piece[source] for piece in pieces), strict=True)))
            for source in self.model.sources
        }

    def _score(self, streams: Mapping[str, Tensor]) -> dict[str, SnippetScores]:
        found = [part.push(streams) for part in self._parts]
        if isinstance(self.model, CollaborationModule):
            found.append(self.model.fusion(*found))
        on_cpu = [SnippetScores(*(values.float().cpu() for values in scores)) for scores in found]
        return dict(zip(self.model.sources, on_cpu, strict=True))


class _RunningBranch:
    """A branch, the features that its next scores depend on, and the logits that its video scores are pooled from."""

    def __init__(self, branch: Branch, horizon: int) -> None:
        assert branch.head.past is not None
        self.branch, self.past, self.horizon = branch, branch.head.past, horizon
        self._rows: dict[str, Tensor] = {}
        self._logits: Tensor | None = None

    def push(self, streams: Mapping[str, Tensor]) -> SnippetScores:
        count = len(next(iter(streams.values())))
        out = self._output({name: streams[name] for name in self.branch.streams if name in streams})
        logits = out.suppressed[0, -count:]
        kept = logits if self._logits is None else torch.cat([self._logits, logits])
        self._logits = kept[-(self.horizon - 1) :].clone() if self.horizon > 1 else None
        video = running_topk_pool(kept, self.branch.head.ratio, self.horizon, count)
        probability = out.plain[0, -count:].softmax(dim=1)[:, :-1]
        return SnippetScores(probability, out.attention[0, -count:], video.softmax(dim=1)[:, :-1])

    def _output(self, new: Mapping[str, Tensor]) -> BranchOutput:
        """The head's output for the kept snippets and the new ones, which become kept ones."""
        device = self.branch.device
        rows = {name: part.to(device) for name, part in new.items()}
        rows = {name: torch.cat([self._rows[name], part]) if self._rows else part for name, part in rows.items()}
        self._rows = {name: part[max(0, len(part) - self.past) :].clone() for name, part in rows.items()}
        length = max(map(len, rows.values()), default=0)
        batch = SnippetBatch(
            streams={name: part[None] for name, part in rows.items()},
            mask=torch.ones(1, length, dtype=torch.bool, device=device),
            grid_index=torch.arange(length, device=device)[None],
            labels=torch.zeros(1, len(self.branch.class_names), device=device),
            video=torch.zeros(1, dtype=torch.long, device=device),
        )
        return self.branch(batch)  # type: ignore[no-any-return]


def emissions_of(
    model: LocalizationModule,
    data: SnippetDataModule,
    split: Split = "test",
    rules: OnlineRules = OnlineRules(),  # noqa: B008  frozen
    chunk: int = 1,
) -> dict[str, list[Emission]]:
    """Play the stored features of videos as streams, each from its beginning.

    Args:
        model: See :class:`OnlineScorer`.
        data: Data with the model's classes.
        split: Split of the videos.
        rules: When an instance begins and ends.
        chunk: Number of snippets that come together.

    Returns:
        For each video, by its name, the detections in the order in which they were written.

    Raises:
        ConfigError: If the model cannot score a stream.
    """
    videos, dataset = data.videos(split), data.dataset(split)
    found: dict[str, list[Emission]] = {}
    for row, video in enumerate(videos):
        scorer = OnlineScorer(model)
        localizer = OnlineLocalizer(len(model.class_names), video.grid, rules, model.localizer, model.lag)
        streams, written = dataset.collate([dataset[row]]).streams, list[Emission]()
        for begin in range(0, video.num_snippets, chunk):
            part = {name: rows[0, begin : begin + chunk] for name, rows in streams.items()}
            emitted_s = localizer.seen_s(min(begin + chunk, video.num_snippets))
            new = localizer.push(scorer.push(part)[model.sources[-1]])
            written += [one._replace(emitted_s=emitted_s) for one in new]
        found[video.video_id] = written + localizer.finish()
    return found


def _branches_of(model: LocalizationModule) -> list[Branch]:
    """The branches of a model that can score a stream.

    Raises:
        ConfigError: If it cannot.
    """
    if isinstance(model, CollaborationModule):
        branches = list(model.branches.values())
    elif isinstance(model, Branch):
        branches = [model]
    else:
        raise ConfigError(
            f"{type(model).__name__} sees a whole video before it answers, so it cannot score a stream: give a run of "
            "`wtal fit -c profiles/causal.yaml`, whose branches look only back."
        )
    for branch in branches:
        if branch.encoded is not None and branch.encoded.is_trained:
            raise ConfigError(
                f"The encoder of {branch.name!r} was trained with it and reads whole films, so it cannot score a "
                "stream: train on features of a frozen encoder, with `-c profiles/causal.yaml`."
            )
        if branch.head.past is None:
            raise ConfigError(
                f"The {type(branch.head).__name__} of {branch.name!r} looks at what comes after a snippet, so it "
                "cannot score a stream: train it again with `-c profiles/causal.yaml` (`causal: true`), which "
                "AttentionMILHead, BaSNetHead, AnchoredTextHead and TextHead know."
            )
    return branches
