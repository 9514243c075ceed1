"""Sources of the text features of the classes: learned prompts, hand-written templates or a file."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.io.bounds import read_npy_header, read_text
from wtal.nn.text.open_tower import open_text_tower
from wtal.nn.text.tower import Calibration, TextTower

__all__ = ["TEMPLATES", "FileText", "PromptedText", "TemplateText", "TextSource", "nearest_words", "readable"]

TEMPLATES = ("a video of a person doing {}.", "a video of the action of {}.", "a photo of {}.", "{}.")


def readable(class_name: str) -> str:
    """A class name as text for CLIP: separate words in lower case.

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

    note: str  # the weights, named in every table
    calibration: Calibration | None = None  # how the model was trained to read cosines, where it is known

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__()
        self.class_names = list(class_names)

    @property
    def dim(self) -> int:
        """Width ``D`` of the features."""
        with torch.no_grad():
            return int(self().shape[1])

    @abstractmethod
    def forward(self) -> Tensor:
        """Features ``(C, D)``."""

    @abstractmethod
    def vanilla(self) -> "TextSource":
        """The text features of the same classes before any learning."""


class PromptedText(TextSource):
    """``[p_1 .. p_n] class name [p_n+1 .. p_n+m]`` through the frozen text tower, with learned context vectors.

    The tower reads real token ids in which the context is a row of placeholders; the learned vectors replace their
    embeddings. In a causal tower, the prefix that all prompts share is computed once per chunk of classes.

    Args:
        class_names: Names of the classes.
        model: See :func:`~wtal.nn.text.open_text_tower`.
        pretrained: See :func:`~wtal.nn.text.open_text_tower`.
        prefix: Number of context vectors before the class name.
        postfix: Number of context vectors after it.
        per_class: Whether each class has its own context.
        checkpointed: Recompute the tower's activations in the backward pass instead of keeping them, chunk by chunk:
            memory hardly grows with the number of classes, but a step takes longer.
        chunk: Number of classes that are encoded together.
        fit: With ``auto``, ``prefix`` and ``postfix`` are reduced in proportion until the prompt of the longest class
            name fits into what the model reads, which the note then says; with ``exact`` too long a prompt is refused.

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
        chunk: int = 8,
        fit: Literal["exact", "auto"] = "exact",
    ) -> None:
        super().__init__(class_names)
        tower = open_text_tower(model, pretrained)
        width, self.calibration = tower.width, tower.calibration
        self._tower = (tower,)  # in a tuple: not saved, not trained and hidden from DDP
        self.note, self.chunk, self.checkpointed = f"text: {tower.note}", chunk, checkpointed
        made = tower.prompts([readable(name) for name in class_names], prefix, postfix, fit == "auto")
        ids, count = made.ids, made.prefix + made.postfix
        if count < prefix + postfix:
            self.note += f", {made.prefix} + {made.postfix} vectors"
        self.ids: Tensor
        self.places: Tensor
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("places", made.places, persistent=False)
        self._shared = 0 if per_class or not made.prefix else int(self.places[0, made.prefix - 1]) + 1
        self.context = nn.Parameter(torch.empty(len(ids) if per_class else 1, count, width).normal_(std=0.02))
        self._cached: tuple[Tensor, bool, Tensor] | None = None

    def forward(self) -> Tensor:
        """Features ``(C, D)``, cached until the context changes if no gradient is needed."""
        if torch.is_grad_enabled() and self.context.requires_grad:
            return self._encode(self.checkpointed)
        autocast = torch.is_autocast_enabled(self.context.device.type)
        if self._cached is not None:
            context, autocasted, features = self._cached
            if context.device == self.context.device and autocast == autocasted and torch.equal(context, self.context):
                return features
        with torch.inference_mode(False), torch.no_grad():  # a training step may use the result
            self._cached = self.context.detach().clone(), autocast, self._encode(False)
        return self._cached[2]

    def vanilla(self) -> "TemplateText":
        """Hand-written templates, through the same tower."""
        return TemplateText(self.class_names, tower=self._tower[0])

    def _encode(self, checkpointed: bool) -> Tensor:
        return self._tower[0].encode(self.ids, self.context, self.places, self._shared, self.chunk, checkpointed)


class TemplateText(TextSource):
    """The average over hand-written templates; nothing is learned.

    Args:
        class_names: Names of the classes.
        model: See :func:`~wtal.nn.text.open_text_tower`.
        pretrained: See :func:`~wtal.nn.text.open_text_tower`.
        templates: Sentences with ``{}`` for the class name.
        tower: An existing tower, instead of ``model`` and ``pretrained``.

    Raises:
        ConfigError: If there are no templates, or one lacks ``{}``.
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
        if not templates or not all("{}" in template for template in templates):
            raise ConfigError(f"`templates` must be sentences with {{}} for the class name, got {list(templates)}.")
        tower = tower or open_text_tower(model, pretrained)
        self.note, self.calibration = f"text: {tower.note}", tower.calibration
        sentences = [template.replace("{}", readable(name)) for name in class_names for template in templates]
        with torch.no_grad():
            features = tower.encode(tower.tokenize(sentences)).view(len(self.class_names), len(templates), -1)
        self.register_buffer("features", F.normalize(features.mean(dim=1), dim=1))

    def forward(self) -> Tensor:
        """Features ``(C, D)``."""
        return self.features

    def vanilla(self) -> "TemplateText":
        """The same features, as nothing is learned."""
        return self


class FileText(TextSource):
    """Text features computed elsewhere, optionally with a learned residual per class.

    They are saved in the checkpoint: with ``path: null`` they are loaded from a checkpoint, whether or not the file
    still exists.

    Args:
        class_names: Names of the classes.
        path: A ``.npy`` file of shape ``(C, D)``. A ``classes.txt`` beside it, one name per line, gives the order of
            its rows; without it the order is that of ``class_names``.
        residual: Weight of the learned residual (task residual); 0 for none.
        dim: Width ``D``, used without a file.

    Raises:
        ConfigError: If the file does not match the classes.

    Source:
        Task residual: arXiv:2211.10277, eq. 4.
    """

    features: Tensor

    def __init__(self, class_names: Sequence[str], path: Path | None, residual: float = 0.5, dim: int = 512) -> None:
        super().__init__(class_names)
        self.note, self.scale, self._awaited = "", residual, path is None
        size = len(self.class_names), dim
        features = torch.full(size, torch.nan) if path is None else _read_text(Path(path), self.class_names)
        self.register_buffer("features", F.normalize(features, dim=1))
        self.residual = nn.Parameter(torch.zeros_like(self.features)) if residual else None

    @property
    def dim(self) -> int:
        """Width ``D`` of the features, also before they are loaded."""
        return int(self.features.shape[1])

    def forward(self) -> Tensor:
        """Features ``(C, D)``.

        Raises:
            ConfigError: If neither a file nor a checkpoint has supplied them.
        """
        if self._awaited and self.features.isnan().any():
            raise ConfigError(
                "There are no text features: give the `path` of a .npy file, or a checkpoint that holds them."
            )
        self._awaited = False
        if self.residual is None:
            return self.features
        return F.normalize(self.features + self.scale * self.residual, dim=1)

    def vanilla(self) -> "FileText":
        """The features of the file, without residual."""
        plain = FileText(self.class_names, None, residual=0, dim=self.features.shape[1])
        plain.features = self.features.clone()
        return plain


def _read_text(path: Path, class_names: Sequence[str]) -> Tensor:
    """Rows of a file of text features in the order of the class names."""
    rows = _read_rows(path)
    order_file = path.with_name("classes.txt")
    lines = read_text(order_file, ConfigError).split("\n") if order_file.is_file() else class_names
    names = [name.strip() for name in lines if name.strip()]
    if len(names) != len(rows):
        raise ConfigError(f"{path} has {len(rows)} rows for {len(names)} classes: it needs one row per class.")
    index = {readable(name): row for row, name in enumerate(names)}
    missing = [name for name in class_names if readable(name) not in index]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ConfigError(
            f"{order_file} lacks the class {missing[0]!r}{more} of the data: add it, and its row to {path}."
        )
    return torch.tensor(rows[[index[readable(name)] for name in class_names]], dtype=torch.float32)


def _read_rows(path: Path) -> np.ndarray:
    """Finite numbers, ``(C, D)``."""
    try:
        with path.open("rb") as file:
            read_npy_header(path, file, path.stat().st_size)
        rows: np.ndarray = np.load(path)
    except Exception as error:  # a damaged file may raise anything
        raise ConfigError(f"{path} cannot be read ({error}): give the path of text features, (C, D).") from error
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not np.isfinite(rows.astype(np.float32)).all():
        raise ConfigError(
            f"{path} has {rows.dtype} of shape {rows.shape}; text features must be finite numbers, (C, D)."
        )
    return rows


@torch.no_grad()
def nearest_words(prompted: PromptedText, count: int = 3) -> list[list[tuple[str, float]]]:
    """The tokens whose embeddings are nearest to each learned context vector.

    Args:
        prompted: Learned prompts.
        count: Number of tokens per vector.

    Returns:
        For each vector, class after class if each has its own, tokens and their Euclidean distances, nearest first.

    Source:
        CoOp, arXiv:2109.01134, section 4.2.
    """
    tower = prompted._tower[0]
    table = tower.embedding.weight
    distance, index = torch.cdist(prompted.context.flatten(0, 1).to(table), table).topk(count, largest=False)
    return [
        [(tower.word(i), d) for i, d in zip(ids, distances, strict=True)]
        for ids, distances in zip(index.tolist(), distance.tolist(), strict=True)
    ]
