from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import Dataset

from wtal.data.resumable import EpochSampler, ResumableLoader, derive_seed


class Echo(Dataset[tuple[int, int]]):
    """Returns the key it is asked for: the index drawn and its seed."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key


def loader(workers: int = 0, size: int = 11) -> ResumableLoader[tuple[int, int]]:
    data = Echo(size)
    return ResumableLoader(
        data,
        EpochSampler(data, seed=3),
        batch_size=2,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=list,
    )


def test_seeds_of_neighbours_differ() -> None:
    seeds = {derive_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert derive_seed(1, 2) == derive_seed(1, 2)


def test_an_epoch_has_every_item_once_in_its_own_order() -> None:
    sampler = EpochSampler(Echo(11), seed=3)
    first = list(sampler)
    assert sorted(index for index, _ in first) == list(range(11))
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert [index for index, _ in second] != [index for index, _ in first]
    assert {seed for _, seed in second}.isdisjoint(seed for _, seed in first)
    assert list(EpochSampler(Echo(11), seed=4)) != first


def test_processes_share_an_epoch() -> None:
    ranks = [list(EpochSampler(Echo(12), seed=3, num_replicas=2, rank=rank)) for rank in (0, 1)]
    together = dict(ranks[0]) | dict(ranks[1])
    assert together == dict(EpochSampler(Echo(12), seed=3))  # the same seeds in any process
    assert len(ranks[0]) == len(ranks[1]) == 6


@pytest.mark.parametrize("workers", [0, 2])
def test_a_restart_continues_where_it_stopped(workers: int) -> None:
    whole = loader()
    whole.sampler.set_epoch(5)
    expected = list(whole)

    interrupted = loader(workers)
    interrupted.sampler.set_epoch(5)
    batches = iter(interrupted)
    taken = [next(batches) for _ in range(2)]
    state = interrupted.state_dict()
    assert state == {"epoch": 5, "taken": 2}

    resumed = loader(workers)
    resumed.load_state_dict(state)
    rest = iter(resumed)
    resumed.sampler.set_epoch(5)  # Lightning sets the epoch after it has made the iterator
    assert taken + list(rest) == expected
    assert resumed.state_dict() == {"epoch": 5, "taken": 6}

    resumed.sampler.set_epoch(6)  # the next epoch is whole again
    whole.sampler.set_epoch(6)
    assert list(resumed) == list(whole)


def test_a_pass_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(loader())
    assert torch.equal(torch.get_rng_state(), before)


class Diary(LightningModule):
    """Records the batch of each step of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.pages: list[tuple[int, list[tuple[int, int]]]] = []

    def training_step(self, batch: list[tuple[int, int]], batch_idx: int) -> torch.Tensor:
        self.pages.append((self.current_epoch, [(int(index), int(seed)) for index, seed in batch]))
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder: Path, workers: int, **options: Any) -> Diary:
    diary = Diary()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        use_distributed_sampler=False,
        callbacks=ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1),
        **quiet,
    )
    trainer.fit(diary, loader(workers), **options)
    return diary


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_training_sees_what_it_would_have_seen(tmp_path: Path, workers: int) -> None:
    whole = fit(tmp_path / "whole", 0).pages
    assert len(whole) == 18  # three epochs of six batches
    for step in (4, 6, 8):  # inside the first epoch, at its end, inside the second
        resumed = fit(tmp_path / "resumed", workers, ckpt_path=tmp_path / "whole" / f"step={step}.ckpt")
        assert resumed.pages == whole[step:]
