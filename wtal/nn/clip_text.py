"""The frozen text tower of any open_clip model; the only file that knows open_clip's models for text."""

import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wtal.errors import ConfigError

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
        import open_clip  # takes seconds, and most commands need no tower

        name = _registered(model)
        if name not in open_clip.list_models():
            raise ConfigError(
                f"open_clip knows no model {model!r}: `python -c 'import open_clip; print(open_clip.list_models())'`."
            )
        weights = None if pretrained == "random" else pretrained
        known = open_clip.list_pretrained_tags_by_model(name)
        if weights is not None and weights not in known and not Path(weights).is_file():
            raise ConfigError(
                f"{pretrained!r} is neither a file nor a tag of {model}'s weights; tags: {', '.join(known) or 'none'}; "
                "`random` asks for random weights."
            )
        origin = open_clip.get_pretrained_cfg(name, pretrained) if weights in known else {}
        quick = bool(origin.get("quick_gelu"))  # open_clip only warns, and gives other features
        try:
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                self.model = open_clip.create_model(name, pretrained=weights, force_quick_gelu=quick)
            self.tokenizer: Callable[[Sequence[str]], Tensor] = open_clip.get_tokenizer(name)
        except Exception as error:  # whatever a library meets in a file or on the way to one
            raise ConfigError(_unavailable(model, pretrained, origin, error)) from error
        self.model.visual = None
        self.model.eval().requires_grad_(False)
        self.note = f"{Path(model).stem} ({'random weights' if weights is None else Path(pretrained).name})"

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


def _registered(model: str) -> str:
    """Register a model that is given by the path of its configuration; the name under which open_clip knows it."""
    import open_clip

    if not model.endswith(".json"):
        return model
    if not Path(model).is_file():
        raise ConfigError(f"There is no model configuration {model}.")
    try:
        json.loads(Path(model).read_text(encoding="utf-8"))  # open_clip would stumble over it from now on
    except ValueError as error:
        raise ConfigError(f"The model configuration {model} is no JSON: {error}.") from error
    open_clip.add_model_config(model)
    return Path(model).stem


@contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's remarks on weights that are missing because they were not asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.disable(before)


def _unavailable(model: str, pretrained: str, origin: dict[str, Any], error: Exception) -> str:
    """What to do about weights that did not load."""
    if not origin:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        reason = reason.rstrip(".:")
        if pretrained == "random":
            return f"open_clip cannot build {model}: {reason}; mend its configuration."
        return f"The weights {pretrained} do not load into {model}: {reason}; give the open_clip model they belong to."
    source = origin.get("hf_hub", "").strip("/") or origin.get("url", "")
    name = f"{model}-quickgelu" if origin.get("quick_gelu") and not model.endswith("-quickgelu") else model
    return (
        f"The weights {pretrained!r} of {model} cannot be fetched: where there is a network, download {source}, then "
        f"give the path of the file as `pretrained` and {name} as `model`; or ask for `random` weights."
    )
