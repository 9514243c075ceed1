"""A batch whose streams are a mapping goes wherever Lightning and torch send it."""

import pickle

import pytest
import torch
from lightning_fabric.utilities import move_data_to_device
from torch.utils.data._utils.pin_memory import pin_memory

from wtal.types import SnippetBatch


@pytest.fixture
def batch() -> SnippetBatch:
    streams = {"hand": torch.randn(2, 3, 4), "arm": torch.randn(2, 3, 5)}
    mask = torch.ones(2, 3, dtype=torch.bool)
    return SnippetBatch(streams, mask, torch.arange(3).expand(2, 3), torch.ones(2, 1), torch.arange(2))


def tensors(batch: SnippetBatch) -> list[torch.Tensor]:
    return [*batch.streams.values(), *batch[1:5]]  # type: ignore[list-item]


def test_it_moves_between_devices(batch: SnippetBatch):
    moved = move_data_to_device(batch, torch.device("meta"))
    assert isinstance(moved, SnippetBatch)
    assert list(moved.streams) == ["hand", "arm"]
    assert {tensor.device.type for tensor in tensors(moved)} == {"meta"}


def test_it_travels_between_processes(batch: SnippetBatch):
    again = pickle.loads(pickle.dumps(batch))
    assert all(torch.equal(a, b) for a, b in zip(tensors(again), tensors(batch), strict=True))


def test_every_tensor_is_pinned(batch: SnippetBatch, monkeypatch: pytest.MonkeyPatch):
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: pinned.append(tensor) or tensor)
    again = pin_memory(batch)
    assert isinstance(again, SnippetBatch)
    assert list(again.streams) == ["hand", "arm"]
    assert {id(tensor) for tensor in pinned} == {id(tensor) for tensor in tensors(batch)}
