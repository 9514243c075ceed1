"""List the vision-language models that can be used, or describe one."""

from collections.abc import Sequence

import pandas as pd

from wtal.errors import ConfigError
from wtal.nn.encoders.model_list import ModelInfo, list_models
from wtal.results.tables import print_table

__all__ = ["run"]


def run(name: str | None = None, /) -> None:
    """List the vision-language models that can be used, or describe one; nothing is downloaded.

    Each name is one for ``--clip-model`` of ``wtal extract`` and ``wtal detect``, and for ``model`` of ``PromptedText``
    and ``TemplateText`` in a configuration.

    Args:
        name: Name of a model, to list its weights, or part of names, to list fewer.

    Raises:
        ConfigError: If no model has such a name.
    """
    models = list_models()
    exact = [model for model in models if name is not None and model.name.lower() == name.lower()]
    if exact:
        print(_described(exact[0]))
        return
    found = [model for model in models if name is None or name.lower() in model.name.lower()]
    if not found:
        raise ConfigError(f"No model has {name!r} in its name: `wtal vlp` lists all.")
    print_table(
        _table(found),
        "room: tokens for a class name and learned vectors; a dash where no prompts can be learned; an empty place: "
        "only the model's repository says it; licences: without guarantee; `wtal vlp NAME` lists the weights of a "
        "model; transformers: any repository of these families",
    )


def _table(models: Sequence[ModelInfo]) -> pd.DataFrame:
    rows = [
        {
            "dim": model.dim or "",
            "context": model.context or "",
            "room": (model.room or "") if model.prompts else "-",
            "tokenizer": model.tokenizer,
            "frames": model.frames,
            "extra": model.extra,
            "licence": ", ".join(dict.fromkeys(filter(None, model.weights.values()))),
        }
        for model in models
    ]
    return pd.DataFrame(rows, index=pd.Index([model.name for model in models], name="model"), dtype=str)


def _described(model: ModelInfo) -> str:
    """One model, line by line."""
    in_repository = "as its repository says"
    room = "no prompts can be learned: use templates or a file" if not model.prompts else model.room or in_repository
    tokenizer = model.tokenizer or "its own tokenizer"
    lines = [
        model.name,
        f"  features:  {f'{model.dim} channels' if model.dim else in_repository}, of {model.frames}",
        f"  context:   {f'{model.context} tokens' if model.context else in_repository}, by {tokenizer}",
        f"  room:      {room}",
        f"  needs:     {f'''pip install 'wtal[{model.extra}]' ''' if model.extra else 'nothing else'}",
        *(f"  weights:   {tag}{f' ({licence})' if licence else ''}" for tag, licence in model.weights.items()),
    ]
    return "\n".join(line.rstrip() for line in lines)
