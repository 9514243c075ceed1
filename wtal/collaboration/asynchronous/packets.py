"""One version of a teacher's labels of all training videos, and the file that it travels in."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wtal.collaboration.pseudo_labels import Thresholds
from wtal.errors import PredictionError

__all__ = ["LabelPacket", "packed", "unpacked"]


@dataclass(frozen=True, eq=False)
class LabelPacket:
    """A teacher's labels of all training videos, one video after the other on their full grids (``S`` snippets).

    Args:
        version: Number of the packet among those of its teacher, counted from 1.
        step: Number of optimizer steps that the teacher had taken.
        is_final: Whether the teacher has finished its training, so that there will be no newer packet.
        thresholds: Thresholds by which it was confident.
        label: 1 foreground, 0 background, -1 ignored, int8 ``(S,)``.
        class_index: Class of foreground snippets, otherwise -1, int16 ``(S,)``.
        attention: Actionness, float16 ``(S,)``; empty unless a lesson needs the fused scores of both branches.
        probability: Probabilities of each video's own labels in the order of the classes, float16 ``(S, L)`` with ``L``
            the most labels of any video; empty like ``attention``.
    """

    version: int
    step: int
    is_final: bool
    thresholds: Thresholds
    label: NDArray[np.int8]
    class_index: NDArray[np.int16]
    attention: NDArray[np.float16]
    probability: NDArray[np.float16]

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of everything but the version: equal for equal content."""
        head = [self.step, self.is_final, self.thresholds.low, self.thresholds.high]
        whole = hashlib.sha256(json.dumps(head).encode())
        for rows in (self.label, self.class_index, self.attention, self.probability):
            whole.update(np.ascontiguousarray(rows).tobytes())
        return whole.hexdigest()[:16]

    def tensors(self) -> dict[str, torch.Tensor]:
        """The labels and classes, as a buffer of pseudo-labels loads them."""
        return {"label": torch.from_numpy(self.label), "class_index": torch.from_numpy(self.class_index)}


def packed(packet: LabelPacket) -> bytes:
    """A packet as the content of its file."""
    head = {
        "version": packet.version,
        "step": packet.step,
        "is_final": packet.is_final,
        "low": packet.thresholds.low,
        "high": packet.thresholds.high,
        "digest": packet.digest,
    }
    arrays: dict[str, Any] = {name: getattr(packet, name) for name in _ROWS}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


_ROWS: Mapping[str, type] = {
    "label": np.int8,
    "class_index": np.int16,
    "attention": np.float16,
    "probability": np.float16,
}


def unpacked(content: bytes, path: Path) -> LabelPacket:
    """A packet from the content of its file.

    Args:
        content: The content.
        path: The file, for the error.

    Raises:
        PredictionError: If the content is damaged: it must have the digest that it states.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            rows = {name: file[name].astype(kind, casting="no") for name, kind in _ROWS.items()}
        packet = LabelPacket(
            int(head["version"]),
            int(head["step"]),
            bool(head["is_final"]),
            Thresholds(head["high"], head["low"]),
            **rows,
        )
        if packet.digest == head["digest"]:
            return packet
        reason = "its rows do not have the digest that it states"
    except Exception as error:  # a damaged file can raise anything
        reason = str(error)
    raise PredictionError(
        f"{path} is not a whole packet of labels ({reason}): delete it, and start the training again."
    )
