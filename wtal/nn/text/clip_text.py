"""The frozen text tower of any open_clip model; the only file that depends on how open_clip encodes text."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.nn.encoders.clip_model import load_clip
from wtal.nn.text.tokens import Tokens, tokens_of_clip
from wtal.nn.text.tower import Calibration, TextTower, insert

__all__ = ["ClipTextTower"]


class ClipTextTower(TextTower):
    """An open_clip model without its visual part, frozen, and its tokenizer.

    A causal tower reads several sentences in one sequence after their shared prefix: a token attends to the prefix and
    to the earlier tokens of its own sentence. The features thus equal those of one sentence at a time.

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
        self.name = model
        self.cuts = self.causal
        scale, bias = float(self.model.logit_scale.exp().mean()), getattr(self.model, "logit_bias", None)
        self.calibration = None if pretrained == "random" else Calibration(scale)  # as random weights mean nothing
        if bias is not None:
            self.calibration = Calibration(scale, float(bias.mean()), "sigmoid")

    @property
    def text(self) -> Any:  # noqa: ANN401  open_clip has no types
        """The part that holds the text Transformer: the model itself, or its ``text`` (CustomTextCLIP)."""
        return getattr(self.model, "text", self.model)

    @property
    def embedding(self) -> nn.Embedding:
        """The layer that embeds tokens.

        Raises:
            ConfigError: If the tower has no token embedding of open_clip's own.
        """
        if not hasattr(self.text, "token_embedding"):
            raise ConfigError(
                f"Prompts cannot be learned through the text tower of {self.note}: use templates or a file."
            )
        found: nn.Embedding = self.text.token_embedding
        return found

    @property
    def causal(self) -> bool:
        """Whether no token attends to a later one, and features come from the end token, not the last position."""
        masked = getattr(self.text, "attn_mask", None) is not None and getattr(self.text, "cls_emb", None) is None
        return masked and self._pool in ("argmax", "eos")

    @property
    def _pool(self) -> str:
        return str(getattr(self.text, "pool_type", None) or getattr(self.text, "text_pool_type", "argmax"))

    def rows(self, sentences: Sequence[str]) -> Tensor:
        """Token ids with all empty places, ``(N, length)``."""
        ids: Tensor = self.tokenizer(list(sentences))
        return ids

    def _rules(self) -> Tokens:
        return tokens_of_clip(self.tokenizer)

    def _own(self, ids: Tensor) -> Tensor:
        return self.model.encode_text(ids)  # type: ignore[no-any-return]

    def _features(self, ids: Tensor, places: Tensor, context: Tensor, shared: int, chunk: int) -> Tensor:
        if self.causal:
            return self._encode_packed(ids, places, context, shared, chunk if shared else 1)
        return super()._features(ids, places, context, shared, chunk)

    def _encode_packed(self, ids: Tensor, places: Tensor, context: Tensor, shared: int, pack: int) -> Tensor:
        """Encode with ``pack`` sentences in each sequence, after the shared tokens."""
        text, (count, length) = self.text, ids.shape
        own = length - shared
        x = insert(text.token_embedding(ids), places, context) + text.positional_embedding[:length]
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

    def _lengths(self, ids: Tensor) -> Tensor:
        return self._place_of_end(ids) + 1

    def _place_of_end(self, ids: Tensor) -> Tensor:
        """Index of the end token of each sentence, ``(N,)``."""
        if self._pool == "eos":
            end = getattr(self.text, "eos_id", None) or self.text.text_eos_id
            return (ids == end).int().argmax(dim=1)  # type: ignore[no-any-return]
        return ids.argmax(dim=1)
