"""The contract of a frozen text tower, and what all of them share: prompts, insertion of vectors, chunks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wtal.errors import ConfigError
from wtal.nn.text.tokens import Tokens

__all__ = ["Calibration", "Prompts", "TextTower", "insert"]

_PROBE = "x y"


class Calibration(NamedTuple):
    """How a model was trained to read a cosine: as ``link(scale * cosine + bias)``."""

    scale: float
    bias: float = 0.0
    link: Literal["softmax", "sigmoid"] = "softmax"


class Prompts(NamedTuple):
    """Rows of ids in which placeholders surround the names of classes."""

    ids: Tensor  # (N, L)
    places: Tensor  # (N, prefix + postfix), where the placeholders are
    prefix: int
    postfix: int


class TextTower(ABC):
    """A frozen text encoder and its tokenizer; the other half of the model is an image or video tower.

    It is deliberately not an ``nn.Module``: as an attribute of one, it is not saved, trained or broadcast. Random
    weights are the same in every process and run, so that they need not be in the checkpoint.

    Attributes:
        model: The model, frozen, without what encodes images.
        tokenizer: Its tokenizer.
        note: Model and weights, for every table.
        name: Name of the model in messages.
        cuts: Whether rows may be cut after the longest sentence, because no place sees the empty ones behind it.
        calibration: How it was trained to read a cosine; None if its logits are not made of cosines.
    """

    model: Any  # neither library has useful types
    tokenizer: Any
    note: str
    name: str
    cuts: bool
    calibration: Calibration | None

    @property
    @abstractmethod
    def embedding(self) -> nn.Embedding:
        """The layer that embeds tokens.

        Raises:
            ConfigError: If prompts cannot be learned through the tower.
        """

    @abstractmethod
    def rows(self, sentences: Sequence[str]) -> Tensor:
        """Token ids by the model's own tokenizer, with all empty places, ``(N, length)``."""

    @abstractmethod
    def _rules(self) -> Tokens:
        """The rules of the tokenizer."""

    @abstractmethod
    def _own(self, ids: Tensor) -> Tensor:
        """Features of rows of ids by the model's own code, of any norm, ``(N, D)``."""

    @property
    def width(self) -> int:
        """Width of a token's embedding.

        Raises:
            ConfigError: If prompts cannot be learned through the tower.
        """
        return int(self.embedding.embedding_dim)

    @cached_property
    def tokens(self) -> Tokens:
        """The rules of the tokenizer, checked against its own rows.

        Raises:
            ConfigError: If it builds rows in a way that is not known.
        """
        rules = self._rules()
        if rules.row(rules.words(_PROBE)) != self.rows([_PROBE])[0].tolist():
            raise ConfigError(
                f"Prompts cannot be learned through {self.name}, whose tokenizer arranges texts in an unknown way: "
                "use `TemplateText` or `FileText`, or another model that `wtal vlp` lists."
            )
        return rules

    def tokenize(self, sentences: Sequence[str]) -> Tensor:
        """Token ids ``(N, L)``; cut after the longest sentence where nothing sees the rest."""
        return self._cut(self.rows(sentences))

    def prompts(self, names: Sequence[str], prefix: int, postfix: int, fit: bool = False) -> Prompts:
        """Rows of ``[prefix] name [postfix]``.

        Args:
            names: Names of the classes, as text.
            prefix: Number of vectors before a name.
            postfix: Number of vectors after it.
            fit: Take fewer vectors, in the same proportion, where so many do not fit.

        Raises:
            ConfigError: If the prompt of a class is longer than what the model reads, or with ``fit``, if no vector
                fits beside its name.
        """
        tokens = self.tokens
        words = [tokens.following(name) if prefix else tokens.words(name) for name in names]
        longest = max(words, key=len, default=[])
        room, count = tokens.room - len(longest), prefix + postfix
        if fit and count > max(room, 0):
            if room < 1:
                raise ConfigError(
                    f"{names[words.index(longest)]!r} has {len(longest)} tokens, and {self.name} reads {tokens.room} "
                    "beside its special ones: there is no room for learned vectors; shorten the name, or use "
                    "`TemplateText` or another model."
                )
            before = math.ceil(room * prefix / count)
            prefix, postfix = before, room - before
            words = words if prefix else [tokens.words(name) for name in names]
        for name, word_ids in zip(names, words, strict=True):
            if len(word_ids) + prefix + postfix > tokens.room:
                raise ConfigError(
                    f"The prompt of {name!r} with {prefix} + {postfix} context vectors is longer than the "
                    f"{tokens.length} tokens that {self.name} reads: use a shorter `prefix` or `postfix`, or `fit: "
                    "auto`."
                )
        ids, places = tokens.prompts(words, prefix, postfix)
        return Prompts(self._cut(ids), places, prefix, postfix)

    def encode(
        self,
        ids: Tensor,
        context: Tensor | None = None,
        places: Tensor | None = None,
        shared: int = 0,
        chunk: int = 16,
        checkpointed: bool = False,
    ) -> Tensor:
        """Unit-norm features of sentences, in which vectors may replace some tokens.

        Args:
            ids: Token ids from :meth:`tokenize` or :meth:`prompts`, ``(N, L)``.
            context: Vectors that replace token embeddings, ``(P, W)``, or ``(N, P, W)`` if each sentence has its own.
            places: Indices of the tokens that they replace, ``(N, P)``.
            shared: Number of leading tokens that are the same in all sentences, including their vectors.
            chunk: Number of sentences in one sequence, if they share a prefix, and with ``checkpointed`` at once.
            checkpointed: Keep no activations for the backward pass, but recompute them chunk by chunk.

        Returns:
            Features ``(N, D)``.
        """
        self.model.to(ids.device)
        count = len(ids)
        chunk = math.ceil(count / math.ceil(count / chunk))  # the last chunk as full as the others
        if context is None or places is None:
            context, places = ids.new_zeros((count, 0, 1), dtype=torch.float32), ids[:, :0]

        def part(ids: Tensor, places: Tensor, context: Tensor) -> Tensor:
            return self._features(ids, places, context, shared, chunk)

        inputs = ids, places, context.expand(count, -1, -1)
        if checkpointed:
            chunks = zip(*(torch.split(x, chunk) for x in inputs), strict=True)
            features = torch.cat([checkpoint(part, *x, use_reentrant=False, preserve_rng_state=False) for x in chunks])
        else:
            features = part(*inputs)
        return F.normalize(features, dim=-1)

    def word(self, token: int) -> str:
        """Text of a token."""
        return str(getattr(self.tokenizer, "tokenizer", self.tokenizer).decode([token])).strip()

    def _features(self, ids: Tensor, places: Tensor, context: Tensor, shared: int, chunk: int) -> Tensor:
        """Features by the model's own code, with the vectors inserted by a hook."""
        if not places.shape[1]:
            return self._own(ids)
        hook = self.embedding.register_forward_hook(lambda module, inputs, x: insert(x, places, context))
        try:
            return self._own(ids)
        finally:
            hook.remove()

    def _cut(self, ids: Tensor) -> Tensor:
        """Rows without the places that are empty in all of them, where nothing sees these."""
        return ids[:, : int(self._lengths(ids).max())] if self.cuts else ids

    def _lengths(self, ids: Tensor) -> Tensor:
        """Number of tokens of each row up to its last special token, ``(N,)``."""
        return self.tokens.real(ids).sum(dim=1)


def insert(embedded: Tensor, places: Tensor, context: Tensor) -> Tensor:
    """Replace the embeddings ``(N, L, W)`` at places ``(N, P)`` by vectors ``(N, P, W)``."""
    if not places.shape[1]:
        return embedded
    return embedded.scatter(1, places[..., None].expand_as(context), context.to(embedded.dtype))
