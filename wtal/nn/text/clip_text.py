"""The frozen text tower of any open_clip model; the only file that knows how open_clip reads."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wtal.errors import ConfigError
from wtal.nn.encoders.clip_model import load_clip

__all__ = ["TextTower"]


class TextTower:
    """An open_clip model without its visual part, frozen, and its tokenizer.

    Deliberately no ``nn.Module``: inside one it is neither saved, nor trained, nor broadcast. Random weights are the
    same in every process and run, so that a checkpoint, which does not hold them, finds them again.

    Args:
        model: Name of an open_clip model, such as ``ViT-B-16``, or path of a JSON with its configuration. With a local
            file of OpenAI's weights it is ``ViT-B-16-quickgelu``; their tag finds out by itself.
        pretrained: Tag of open_clip's weights, path of a local checkpoint, or ``random`` to do without weights.

    Raises:
        ConfigError: For an unknown model or tag, or where weights can be neither found nor fetched.
    """

    def __init__(self, model: str = "ViT-B-16", pretrained: str = "openai") -> None:
        self.model, self.tokenizer, self.note = load_clip(model, pretrained)
        self.model.visual = None

    @property
    def text(self) -> Any:  # noqa: ANN401  open_clip has no types
        """The part that holds the text Transformer: the model itself, or its ``text`` (CustomTextCLIP)."""
        return getattr(self.model, "text", self.model)

    @property
    def width(self) -> int:
        """Width of a token's embedding.

        Raises:
            ConfigError: For a tower without a token embedding of open_clip's own.
        """
        if not hasattr(self.text, "token_embedding"):
            raise ConfigError(
                f"Prompts cannot be learned through the text tower of {self.note}: use templates or a file."
            )
        return int(self.text.token_embedding.embedding_dim)

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one, and the end token, not the last place, speaks for the sentence."""
        masked = getattr(self.text, "attn_mask", None) is not None and getattr(self.text, "cls_emb", None) is None
        return masked and self._pool in ("argmax", "eos")

    @property
    def _pool(self) -> str:
        return str(getattr(self.text, "pool_type", None) or getattr(self.text, "text_pool_type", "argmax"))

    def tokenize(self, sentences: Sequence[str]) -> Tensor:
        """Token ids ``(N, L)``, for a causal tower without what comes behind the longest sentence: nothing sees it."""
        ids = self.tokenizer(list(sentences))
        return ids[:, : int(self._place_of_end(ids).max()) + 1] if self.causal else ids

    def encode(
        self,
        ids: Tensor,
        context: Tensor | None = None,
        places: Tensor | None = None,
        shared: int = 0,
        chunk: int = 16,
        checkpointed: bool = False,
    ) -> Tensor:
        """Unit-norm features of sentences, some of whose tokens may be replaced by vectors.

        A causal tower reads several sentences in one sequence behind the part that all share: a token sees that part
        and, of its own sentence, what comes before it. So the features are those of one sentence at a time.

        Args:
            ids: From :meth:`tokenize`, ``(N, L)``.
            context: Vectors that replace token embeddings, ``(P, W)``, or ``(N, P, W)`` for each sentence its own.
            places: Which tokens they replace, ``(N, P)``.
            shared: Leading tokens that are the same in all sentences, their vectors included.
            chunk: Sentences in one sequence, where they share something.
            checkpointed: Keep no activations for the backward pass but compute them again, a chunk at a time.

        Returns:
            Features ``(N, D)``.
        """
        self.model.to(ids.device)
        count = len(ids)
        chunk = math.ceil(count / math.ceil(count / chunk))  # the last one as full as the others
        if context is None or places is None:
            context, places = ids.new_zeros((count, 0, 1), dtype=torch.float32), ids[:, :0]

        def part(ids: Tensor, places: Tensor, context: Tensor) -> Tensor:
            if self.causal:
                return self._encode_packed(ids, places, context, shared, chunk if shared else 1)
            return self._encode(ids, places, context)

        inputs = ids, places, context.expand(count, -1, -1)
        if checkpointed:
            chunks = zip(*(torch.split(x, chunk) for x in inputs), strict=True)
            features = torch.cat([checkpoint(part, *x, use_reentrant=False, preserve_rng_state=False) for x in chunks])
        else:
            features = part(*inputs)
        return F.normalize(features, dim=-1)

    def word(self, token: int) -> str:
        """What a token id stands for."""
        tokenizer: Any = self.tokenizer
        return str(getattr(tokenizer, "tokenizer", tokenizer).decode([token])).strip()

    def _encode(self, ids: Tensor, places: Tensor, context: Tensor) -> Tensor:
        """By open_clip's own `encode_text`; a hook puts the vectors in, so all else stays open_clip's."""
        if not places.shape[1]:
            return self.model.encode_text(ids)  # type: ignore[no-any-return]
        hook = self.text.token_embedding.register_forward_hook(lambda module, inputs, x: _insert(x, places, context))
        try:
            return self.model.encode_text(ids)  # type: ignore[no-any-return]
        finally:
            hook.remove()

    def _encode_packed(self, ids: Tensor, places: Tensor, context: Tensor, shared: int, pack: int) -> Tensor:
        """Behind the shared tokens, ``pack`` sentences in each sequence."""
        text, (count, length) = self.text, ids.shape
        own = length - shared
        x = _insert(text.token_embedding(ids), places, context) + text.positional_embedding[:length]
        rest = F.pad(x[:, shared:], (0, 0, 0, 0, 0, -count % pack)).reshape(-1, pack * own, x.shape[2])
        x = torch.cat([x[:1, :shared].expand(len(rest), -1, -1), rest], dim=1)
        place = torch.arange(x.shape[1], device=x.device)
        sentence = torch.where(place < shared, -1, (place - shared) // own)
        visible = (place <= place[:, None]) & ((sentence == sentence[:, None]) | (sentence == -1))
        mask = x.new_zeros(visible.shape).masked_fill(~visible, -torch.inf)
        x = text.transformer(x, attn_mask=mask)[:, shared:].reshape(-1, own, x.shape[2])
        x = text.ln_final(x[torch.arange(count, device=x.device), self._place_of_end(ids) - shared])
        projection = text.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
        return x  # type: ignore[no-any-return]

    def _place_of_end(self, ids: Tensor) -> Tensor:
        """Where the end token of each sentence is, ``(N,)``."""
        if self._pool == "eos":
            end = getattr(self.text, "eos_id", None) or self.text.text_eos_id
            return (ids == end).int().argmax(dim=1)  # type: ignore[no-any-return]
        return ids.argmax(dim=1)


def _insert(embedded: Tensor, places: Tensor, context: Tensor) -> Tensor:
    """Put vectors ``(N, P, W)`` in their places ``(N, P)`` among embeddings ``(N, L, W)``."""
    if not places.shape[1]:
        return embedded
    return embedded.scatter(1, places[..., None].expand_as(context), context.to(embedded.dtype))
