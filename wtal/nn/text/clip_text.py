"""The frozen text tower of any open_clip model; the only file that depends on how open_clip encodes text."""

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

    It is deliberately not an ``nn.Module``: as an attribute of one, it is not saved, trained or broadcast. Random
    weights are the same in every process and run, so that they need not be in the checkpoint.

    Args:
        model: Name of an open_clip model, such as ``ViT-B-16``, or path of a JSON file with its configuration. For a
            local file of OpenAI's weights, use ``ViT-B-16-quickgelu``; with their tag this is automatic.
        pretrained: Tag of open_clip's weights, path of a local checkpoint, or ``random`` for random weights.

    Raises:
        ConfigError: If the model or tag is unknown, or the weights cannot be found or downloaded.
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
            ConfigError: If the tower has no token embedding of open_clip's own.
        """
        if not hasattr(self.text, "token_embedding"):
            raise ConfigError(
                f"Prompts cannot be learned through the text tower of {self.note}: use templates or a file."
            )
        return int(self.text.token_embedding.embedding_dim)

    @property
    def causal(self) -> bool:
        """Whether no token attends to a later one, and features come from the end token, not the last position."""
        masked = getattr(self.text, "attn_mask", None) is not None and getattr(self.text, "cls_emb", None) is None
        return masked and self._pool in ("argmax", "eos")

    @property
    def _pool(self) -> str:
        return str(getattr(self.text, "pool_type", None) or getattr(self.text, "text_pool_type", "argmax"))

    def tokenize(self, sentences: Sequence[str]) -> Tensor:
        """Token ids ``(N, L)``; for a causal tower cut after the longest sentence, as nothing sees the rest."""
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
        """Unit-norm features of sentences, in which vectors may replace some tokens.

        A causal tower reads several sentences in one sequence after their shared prefix: a token attends to the prefix
        and to the earlier tokens of its own sentence. The features thus equal those of one sentence at a time.

        Args:
            ids: Token ids from :meth:`tokenize`, ``(N, L)``.
            context: Vectors that replace token embeddings, ``(P, W)``, or ``(N, P, W)`` if each sentence has its own.
            places: Indices of the tokens that they replace, ``(N, P)``.
            shared: Number of leading tokens that are the same in all sentences, including their vectors.
            chunk: Number of sentences in one sequence, if they share a prefix.
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
        """Text of a token."""
        tokenizer: Any = self.tokenizer
        return str(getattr(tokenizer, "tokenizer", tokenizer).decode([token])).strip()

    def _encode(self, ids: Tensor, places: Tensor, context: Tensor) -> Tensor:
        """Encode by open_clip's own `encode_text`, with the vectors inserted by a hook."""
        if not places.shape[1]:
            return self.model.encode_text(ids)  # type: ignore[no-any-return]
        hook = self.text.token_embedding.register_forward_hook(lambda module, inputs, x: _insert(x, places, context))
        try:
            return self.model.encode_text(ids)  # type: ignore[no-any-return]
        finally:
            hook.remove()

    def _encode_packed(self, ids: Tensor, places: Tensor, context: Tensor, shared: int, pack: int) -> Tensor:
        """Encode with ``pack`` sentences in each sequence, after the shared tokens."""
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
        """Index of the end token of each sentence, ``(N,)``."""
        if self._pool == "eos":
            end = getattr(self.text, "eos_id", None) or self.text.text_eos_id
            return (ids == end).int().argmax(dim=1)  # type: ignore[no-any-return]
        return ids.argmax(dim=1)


def _insert(embedded: Tensor, places: Tensor, context: Tensor) -> Tensor:
    """Replace the embeddings ``(N, L, W)`` at places ``(N, P)`` by vectors ``(N, P, W)``."""
    if not places.shape[1]:
        return embedded
    return embedded.scatter(1, places[..., None].expand_as(context), context.to(embedded.dtype))
