"""Where the text features of the classes come from: learned prompts, hand-written templates, or a file."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wtal.errors import ConfigError
from wtal.nn.clip_text import TextTower

__all__ = ["TEMPLATES", "FileText", "PromptedText", "TemplateText", "TextSource", "nearest_words", "readable"]

TEMPLATES = ("a video of a person doing {}.", "a video of the action of {}.", "a photo of {}.", "{}.")


def readable(class_name: str) -> str:
    """A class name as CLIP may have read it: words apart, in small letters.

    >>> [readable(name) for name in ("CleanAndJerk", "Playing_volleyball", "v_HighJump", "Clean and jerk")]
    ['clean and jerk', 'playing volleyball', 'high jump', 'clean and jerk']
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", class_name.removeprefix("v_")).replace("_", " ")
    return " ".join(words.lower().split())


class TextSource(nn.Module):
    """Unit-norm text features of the classes.

    Args:
        class_names: Names of the classes.
    """

    note: str  # which weights, for every table

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__()
        self.class_names = list(class_names)

    @abstractmethod
    def forward(self) -> Tensor:
        """Features ``(C, D)``."""

    @abstractmethod
    def vanilla(self) -> "TextSource":
        """The same classes as before any learning."""


class PromptedText(TextSource):
    """``[p_1 .. p_n] class name [p_n+1 .. p_n+m]`` through the frozen text tower, the context vectors learned.

    The tower reads real token ids in which the context is a row of placeholders; a hook on its token embedding puts the
    learned vectors there, so masks, pooling and projection stay open_clip's own. Two exact savings for a causal tower:
    positions behind the longest prompt are cut, and what all prompts share before the class name is computed once.

    Args:
        class_names: Names of the classes.
        model: Name of an open_clip model, or path of a JSON with its configuration.
        pretrained: Tag of its weights, path of a local file, or ``random``.
        prefix: Context vectors before the class name.
        postfix: Context vectors after it.
        per_class: Whether each class has its own context.
        checkpointed: Compute the tower's activations again in the backward pass instead of keeping them.

    Raises:
        ConfigError: If a prompt is longer than the tower's context.

    Source:
        arXiv:2212.09335, section 3.2; 16 + 16 vectors as in the authors' earlier work (arXiv:2112.04478).
    """

    def __init__(
        self,
        class_names: Sequence[str],
        model: str = "ViT-B-16",
        pretrained: str = "openai",
        prefix: int = 16,
        postfix: int = 16,
        per_class: bool = False,
        checkpointed: bool = False,
    ) -> None:
        super().__init__(class_names)
        tower = TextTower(model, pretrained)
        self._tower = (tower,)  # in a tuple: neither saved, nor trained, nor DDP's
        self.note, self.prefix, self.checkpointed = f"text: {tower.note}", prefix, checkpointed
        names = [readable(name) for name in class_names]
        ids = tower.tokenizer([" ".join([*["x"] * prefix, name, *["x"] * postfix, "."]) for name in names])
        self.start = int(tower.tokenizer(["a"])[0, 0] == tower.tokenizer(["b"])[0, 0])  # 1 after a start token
        lengths = [int(tower.place_of_end(tower.tokenizer([name]))[0]) - self.start for name in names]
        end = tower.place_of_end(ids)
        for name, length, place in zip(names, lengths, end.tolist(), strict=True):
            if place < self.start + prefix + length + postfix:
                raise ConfigError(
                    f"The prompt of {name!r} has {prefix} + {length} + {postfix} tokens, more than {model} reads "
                    f"({ids.shape[1]} with its marks): take a shorter `prefix` or `postfix`."
                )
        if tower.causal:
            ids = ids[:, : int(end.max()) + 1]
        # Where each class's postfix begins; the place of each context vector, (C, prefix + postfix).
        after = torch.tensor(lengths)[:, None] + self.start + prefix + torch.arange(postfix)
        before = (self.start + torch.arange(prefix)).expand(len(ids), -1)
        self.ids: Tensor
        self.places: Tensor
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("places", torch.cat([before, after], dim=1), persistent=False)
        shape = (len(ids), prefix + postfix, tower.width) if per_class else (prefix + postfix, tower.width)
        self.context = nn.Parameter(torch.empty(shape).normal_(std=0.02))
        self._cached: tuple[tuple[int, int], Tensor] | None = None

    def forward(self) -> Tensor:
        """Features ``(C, D)``; kept until the context changes, while no gradient is asked for."""
        learns = torch.is_grad_enabled() and self.context.requires_grad
        if learns and self.checkpointed:
            return checkpoint(self._encode, self.context, use_reentrant=False)  # type: ignore[no-any-return]
        if learns:
            return self._encode(self.context)
        state = (self.context.data_ptr(), self.context._version)
        if self._cached is None or self._cached[0] != state:
            self._cached = (state, self._encode(self.context))
        return self._cached[1]

    def vanilla(self) -> "TemplateText":
        """Hand-written templates through the same tower."""
        return TemplateText(self.class_names, tower=self._tower[0])

    def _encode(self, context: Tensor) -> Tensor:
        tower = self._tower[0]
        tower.to(context.device)
        text, length = tower.text, self.ids.shape[1]

        def insert(module: nn.Module, inputs: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
            vectors = context.to(embedded.dtype).expand(len(embedded), -1, -1)
            return embedded.scatter(1, self.places[..., None].expand_as(vectors), vectors)

        hook = text.token_embedding.register_forward_hook(insert)  # type: ignore[union-attr]
        position, mask = text.positional_embedding, text.attn_mask
        try:
            if mask is not None:
                text.positional_embedding = nn.Parameter(position[:length], requires_grad=False)  # type: ignore[index]
                text.attn_mask = mask[:length, :length]  # type: ignore[index]
            return tower.encode(self.ids)
        finally:
            hook.remove()
            text.positional_embedding, text.attn_mask = position, mask  # type: ignore[assignment]


class TemplateText(TextSource):
    """Hand-written templates, averaged; nothing is learned.

    Args:
        class_names: Names of the classes.
        model: Name of an open_clip model, or path of a JSON with its configuration.
        pretrained: Tag of its weights, path of a local file, or ``random``.
        templates: Sentences with ``{}`` for the class name.
        tower: A tower that is there already, instead of ``model`` and ``pretrained``.
    """

    features: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        model: str = "ViT-B-16",
        pretrained: str = "openai",
        templates: Sequence[str] = TEMPLATES,
        tower: TextTower | None = None,
    ) -> None:
        super().__init__(class_names)
        tower = tower or TextTower(model, pretrained)
        self.note = f"text: {tower.note}"
        with torch.no_grad():
            sentences = [template.format(readable(name)) for name in class_names for template in templates]
            features = tower.encode(tower.tokenizer(sentences)).unflatten(0, (len(self.class_names), len(templates)))
        self.register_buffer("features", F.normalize(features.mean(dim=1), dim=1))

    def forward(self) -> Tensor:
        """Features ``(C, D)``."""
        return self.features

    def vanilla(self) -> "TemplateText":
        """Itself."""
        return self


class FileText(TextSource):
    """Text features computed elsewhere, with a learned residual for each class on request.

    They are kept in the checkpoint. Where the file has gone since, its place is held for what the checkpoint brings.

    Args:
        class_names: Names of the classes.
        path: A ``.npy`` of shape ``(C, D)``. A ``classes.txt`` beside it, one name a line, says the order of its rows;
            without one it is that of ``class_names``.
        residual: How much of the learned residual is added (task residual); 0 for none.

    Raises:
        ConfigError: If the file does not fit the classes.

    Source:
        Task residual: arXiv:2211.10277, eq. 4.
    """

    features: Tensor

    def __init__(self, class_names: Sequence[str], path: Path, residual: float = 0.5) -> None:
        super().__init__(class_names)
        self.path, self.scale = Path(path), residual
        self.note = ""
        self.register_buffer("features", F.normalize(_read_text(self.path, self.class_names), dim=1))
        self.residual = nn.Parameter(torch.zeros_like(self.features)) if residual else None

    def forward(self) -> Tensor:
        """Features ``(C, D)``."""
        if self.residual is None:
            return self.features
        return F.normalize(self.features + self.scale * self.residual, dim=1)

    def vanilla(self) -> "FileText":
        """The features as the file has them."""
        return FileText(self.class_names, self.path, residual=0)


def _read_text(path: Path, class_names: Sequence[str]) -> Tensor:
    """Rows of a file of text features in the order of the class names."""
    try:
        rows = np.load(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The text features {path} cannot be read ({error}): give the path of a .npy of shape (C, D).") from error
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ConfigError(f"{path} has shape {rows.shape}; text features are finite and of shape (C, D).")
    order_file = path.with_name("classes.txt")
    names = order_file.read_text().split("\n") if order_file.is_file() else list(class_names)
    names = [name.strip() for name in names if name.strip()]
    if len(names) != len(rows):
        raise ConfigError(f"{path} has {len(rows)} rows for {len(names)} classes: one row a class is needed.")
    place = {readable(name): row for row, name in enumerate(names)}
    lacking = [name for name in class_names if readable(name) not in place]
    if lacking:
        raise ConfigError(f"{order_file} lacks the class {lacking[0]!r}{' and others' if len(lacking) > 1 else ''} of the data.")
    return torch.tensor(rows[[place[readable(name)] for name in class_names]], dtype=torch.float32)


@torch.no_grad()
def nearest_words(prompted: PromptedText, count: int = 3) -> list[list[tuple[str, float]]]:
    """The tokens whose embeddings are nearest to each learned context vector.

    Args:
        prompted: Learned prompts with a context that all classes share.
        count: Words per vector.

    Returns:
        Of each vector the words and their Euclidean distances, nearest first.

    Source:
        CoOp, arXiv:2109.01134, section 4.2.
    """
    tower = prompted._tower[0]
    table = tower.text.token_embedding.weight  # type: ignore[union-attr]
    distance, index = torch.cdist(prompted.context.to(table.device), table).topk(count, largest=False)  # type: ignore[arg-type]
    decode = tower.tokenizer.decode  # type: ignore[attr-defined]
    return [
        [(decode([i]).strip(), d) for i, d in zip(ids, distances, strict=True)]
        for ids, distances in zip(index.tolist(), distance.tolist(), strict=True)
    ]
