"""Rows of token ids, built from the ids of words and what a tokenizer puts around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["Tokens", "tokens_of_clip", "tokens_of_transformers"]

_PROBE = "x"  # a word of every tokenizer


@dataclass(frozen=True)
class Tokens:
    """How a model's tokenizer builds its rows.

    Args:
        words: The ids of a text, without special tokens.
        start: Special tokens before the words.
        end: Special tokens after them.
        pad: Token of the empty places.
        length: Number of tokens that the model reads.
        pads_left: Whether the empty places come first.
    """

    words: Callable[[str], list[int]]
    start: tuple[int, ...]
    end: tuple[int, ...]
    pad: int
    length: int
    pads_left: bool = False

    @property
    def room(self) -> int:
        """Number of tokens beside the special ones."""
        return self.length - len(self.start) - len(self.end)

    def row(self, words: Sequence[int]) -> list[int]:
        """The ids that the model reads for a text that fits, ``length`` of them."""
        row, empty = [*self.start, *words, *self.end], [self.pad] * (self.room - len(words))
        return [*empty, *row] if self.pads_left else [*row, *empty]

    def following(self, text: str) -> list[int]:
        """The ids of a text that follows another word, which differ from those at the start in some tokenizers."""
        before, whole = self.words(_PROBE), self.words(f"{_PROBE} {text}")
        return whole[len(before) :] if whole[: len(before)] == before else self.words(text)

    def prompts(self, names: Sequence[Sequence[int]], prefix: int, postfix: int) -> tuple[Tensor, Tensor]:
        """Rows in which placeholders surround names.

        Args:
            names: Ids of each name; all fit.
            prefix: Number of placeholders before a name.
            postfix: Number of placeholders after it.

        Returns:
            Ids ``(N, length)`` and the places of the placeholders ``(N, prefix + postfix)``.
        """
        one = self.words(_PROBE)[-1:]
        rows = [self.row([*one * prefix, *name, *one * postfix]) for name in names]
        first = [len(self.start) + self.pads_left * (self.room - prefix - postfix - len(name)) for name in names]
        places = [
            [*range(at, at + prefix), *range(at + prefix + len(name), at + prefix + len(name) + postfix)]
            for at, name in zip(first, names, strict=True)
        ]
        return torch.tensor(rows), torch.tensor(places, dtype=torch.long).view(len(rows), prefix + postfix)

    def real(self, ids: Tensor) -> Tensor:
        """Which tokens are no padding, ``(N, L)``; an end token may be the token of the empty places too."""
        beside = (self.start if self.pads_left else tuple(reversed(self.end)))[:1]
        empty = ids == self.pad
        run = (empty if self.pads_left else empty.flip(1)).int().cumprod(dim=1).sum(dim=1, keepdim=True)
        run = (run - int(beside == (self.pad,))).clamp(min=0)
        place = torch.arange(ids.shape[1], device=ids.device)
        return place >= run if self.pads_left else place < ids.shape[1] - run


def tokens_of_clip(tokenizer: Any) -> Tokens:  # noqa: ANN401  open_clip has no types
    """The rules of a tokenizer of open_clip: its own, or one of ``transformers`` that it wraps."""
    if not hasattr(tokenizer, "tokenizer"):
        return Tokens(
            tokenizer.encode, (tokenizer.sot_token_id,), (tokenizer.eot_token_id,), 0, int(tokenizer.context_length)
        )
    found = tokens_of_transformers(
        tokenizer.tokenizer, int(tokenizer.context_length), getattr(tokenizer, "clean_fn", str)
    )
    if not getattr(tokenizer, "strip_sep_token", False):
        return found
    end = tuple(0 if i == tokenizer.tokenizer.sep_token_id else i for i in found.end)
    return replace(found, end=end)


def tokens_of_transformers(tokenizer: Any, length: int, clean: Callable[[str], str] = str) -> Tokens:  # noqa: ANN401
    """The rules of a tokenizer of ``transformers``.

    Args:
        tokenizer: The tokenizer.
        length: Number of tokens that the model reads.
        clean: What is done to a text before.
    """

    def words(text: str) -> list[int]:
        return [int(i) for i in tokenizer(clean(text), add_special_tokens=False)["input_ids"]]

    probe, whole = words(_PROBE), [int(i) for i in tokenizer(clean(_PROBE))["input_ids"]]
    at = next((i for i in range(len(whole)) if whole[i : i + len(probe)] == probe), 0)
    start, end = tuple(whole[:at]), tuple(whole[at + len(probe) :])
    return Tokens(words, start, end, int(tokenizer.pad_token_id or 0), length, tokenizer.padding_side == "left")
