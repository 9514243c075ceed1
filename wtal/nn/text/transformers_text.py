"""The frozen text tower of a model of ``transformers``; the only file that depends on how the library encodes text."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.nn.encoders.transformers_model import load_transformers, unavailable
from wtal.nn.text.tokens import Tokens, tokens_of_transformers
from wtal.nn.text.tower import Calibration, TextTower

__all__ = ["TransformersTextTower"]

_OTHER_PARTS = (
    *("vision_model", "visual_projection", "mit", "prompts_generator", "prompts_visual_layernorm"),
    *("prompts_visual_projection", "video_model", "video_encoder", "video_head"),
)


class TransformersTextTower(TextTower):
    """A model of ``transformers`` without its image or video tower, frozen, and its tokenizer.

    The mask, the pooling and the projection are the model's own: empty places are masked where its tokenizer says so
    and seen where it does not, as SigLIP was trained with. X-CLIP changes its texts by each video; this tower gives
    the texts before that, as features of classes hold for all videos, and says so in its note.

    Args:
        model: See :func:`~wtal.nn.encoders.transformers_model.load_transformers`.
        pretrained: See :func:`~wtal.nn.encoders.transformers_model.load_transformers`.

    Raises:
        ConfigError: If the model or its tokenizer cannot be loaded, or it has no text tower that can be used.
        MissingPackageError: If ``transformers`` is not installed.
    """

    def __init__(self, model: str, pretrained: str = "main") -> None:
        loaded = load_transformers(model, pretrained)
        import transformers

        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(loaded.place, revision=loaded.revision)
        except Exception as error:  # as with the model
            raise ConfigError(unavailable(f"The tokenizer of {model}", loaded.place, error)) from error
        self.model, self.name, self.kind = loaded.model, model, loaded.kind
        remark = loaded.family.remark
        self.note = f"{loaded.note[:-1]}; {remark})" if remark else loaded.note
        self.masked = "attention_mask" in self.tokenizer.model_input_names and not loaded.family.causal
        self.cuts = (loaded.family.causal or self.masked) and self.tokenizer.padding_side == "right"
        self.length = int(self.model.config.get_text_config().max_position_embeddings)
        self.calibration = self._calibration(pretrained == "random")
        for name in _OTHER_PARTS:
            if hasattr(self.model, name):
                setattr(self.model, name, None)

    @property
    def embedding(self) -> nn.Embedding:
        """The layer that embeds tokens."""
        found: nn.Embedding = self.model.text_model.get_input_embeddings()
        return found

    def rows(self, sentences: Sequence[str]) -> Tensor:
        """Token ids with all empty places, ``(N, length)``."""
        made: Any = self.tokenizer(
            list(sentences), padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )
        return made["input_ids"]  # type: ignore[no-any-return]

    def _rules(self) -> Tokens:
        return tokens_of_transformers(self.tokenizer, self.length)

    def _own(self, ids: Tensor) -> Tensor:
        mask = {"attention_mask": self.tokens.real(ids).to(ids.dtype)} if self.masked else {}
        if self.kind == "pe_video":  # the library's own function for this is out of reach inside its constructor
            seen = self.model.text_model(input_ids=ids, output_hidden_states=True, **mask).hidden_states[-1]
            return self.model.text_video_head(seen[:, 0])  # type: ignore[no-any-return]
        return self.model.get_text_features(input_ids=ids, **mask).pooler_output  # type: ignore[no-any-return]

    def _calibration(self, random: bool) -> Calibration | None:
        """The learned scale and bias; PE video and VideoPrism have none for cosines."""
        scale, bias = (getattr(self.model, name, None) for name in ("logit_scale", "logit_bias"))
        if scale is None:
            return None
        factor = float(torch.as_tensor(scale).exp().mean())
        if bias is not None:
            return Calibration(factor, float(bias.mean()), "sigmoid")
        return None if random else Calibration(factor)
