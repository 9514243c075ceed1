from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wtal.data.dataset import SnippetDataset, SnippetFeatures, sample_snippets
from wtal.data.features import FeatureStore
from wtal.errors import FeatureError
from wtal.types import TimeGrid


def store(arrays: dict[str, np.ndarray], grid: TimeGrid | None = None) -> FeatureStore:
    """Features in memory."""
    readers = {name: lambda rows=rows: rows for name, rows in arrays.items()}
    shapes = {name: lambda rows=rows: rows.shape for name, rows in arrays.items()}
    return FeatureStore(Path("some/folder"), readers, shapes, lambda _: grid or TimeGrid())


def counted(length: int, dim: int, start: float = 0, dtype: type = np.float32) -> np.ndarray:
    """Row ``i`` is ``start + i`` in every channel."""
    return (start + np.arange(length)[:, None] + np.zeros(dim)).astype(dtype)


def features(lengths: tuple[int, ...] = (3, 7), clip_lengths: tuple[int, ...] | None = None) -> SnippetFeatures:
    i3d = store({f"v{n}": counted(length, 4, 100 * n, np.float16) for n, length in enumerate(lengths)})
    clip = store({f"v{n}": counted(length, 2, 1000 * n) for n, length in enumerate(clip_lengths or lengths)})
    return SnippetFeatures({"i3d": i3d, "clip": clip})


def dataset(num_snippets: int | None = None, **options: object) -> SnippetDataset:
    return SnippetDataset(features(), ["v0", "v1"], np.eye(2), num_snippets, **options)  # type: ignore[arg-type]


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["random", "uniform"]),
    st.integers(0, 2**32 - 1),
)
def test_a_crop_is_in_order_within_bounds_and_repeats_nothing(length: int, size: int, sampling: str, seed: int) -> None:
    index = sample_snippets(length, size, sampling, seed)  # type: ignore[arg-type]
    assert len(index) == min(length, size)
    assert index[0] >= 0
    assert index[-1] < length
    assert (np.diff(index) > 0).all()
    if sampling == "random":
        assert index[-1] - index[0] == len(index) - 1
    assert (index == sample_snippets(length, size, sampling, seed)).all()  # type: ignore[arg-type]


def test_random_crops_reach_both_ends_and_uniform_ones_every_part() -> None:
    starts = {int(sample_snippets(10, 8, "random", seed)[0]) for seed in range(40)}
    assert starts == {0, 1, 2}
    spread = np.stack([sample_snippets(9, 3, "uniform", seed) for seed in range(60)])
    assert [sorted(set(part)) for part in spread.T] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_batch_is_its_videos_padded() -> None:
    data = dataset()
    batch = data.collate([data[1], data[0]])
    assert batch.video.tolist() == [1, 0]
    assert batch.labels.tolist() == [[0, 1], [1, 0]]
    assert batch.mask.tolist() == [[True] * 7, [True] * 3 + [False] * 4]
    assert batch.grid_index[0].tolist() == list(range(7))
    assert batch.streams["i3d"].shape == (2, 7, 4)
    assert batch.streams["clip"].shape == (2, 7, 2)
    assert {rows.dtype for rows in (*batch.streams.values(), batch.labels)} == {torch.float32}
    assert batch.streams["i3d"][0, :, 0].tolist() == [100, 101, 102, 103, 104, 105, 106]
    assert batch.streams["i3d"][1, :, 3].tolist() == [0, 1, 2, 0, 0, 0, 0]
    for place, row in enumerate([1, 0]):
        alone, real = data.collate([data[row]]), batch.mask[place]
        for name, rows in batch.streams.items():
            assert torch.equal(rows[place][real], alone.streams[name][0])
        assert torch.equal(batch.grid_index[place][real], alone.grid_index[0])


@pytest.mark.parametrize("sampling", ["random", "uniform"])
def test_a_crop_knows_its_places_on_the_grid(sampling: str) -> None:
    data = dataset(num_snippets=4, sampling=sampling)
    places = set()
    for seed in range(20):
        batch = data.collate([data[(1, seed)]])
        assert torch.equal(batch.streams["i3d"][0, :, 0] - 100, batch.grid_index[0].float())
        assert torch.equal(batch.streams["clip"][0, :, 0] - 1000, batch.grid_index[0].float())
        places.add(tuple(batch.grid_index[0].tolist()))
    assert len(places) > 2
    assert torch.equal(data.collate([data[(1, 5)]]).grid_index, data.collate([data[(1, 5)]]).grid_index)


def test_an_absent_stream_is_missing() -> None:
    clip = store({"v0": counted(3, 2)}, TimeGrid(stride=8))
    alone = SnippetFeatures({"clip": clip})
    assert alone.grid("v0").stride == 8
    data = SnippetDataset(alone, ["v0"], np.ones((1, 1)))
    batch = data.collate([data[0]])
    assert {name: rows.shape for name, rows in batch.streams.items()} == {"clip": (1, 3, 2)}
    assert alone.dims == {"clip": 2}
    with pytest.raises(ValueError, match="at least one"):
        SnippetFeatures({})


@pytest.mark.parametrize(("clip_length", "rows"), [(9, [0, 1, 2, 3, 4, 5, 6, 7]), (7, [0, 1, 2, 3, 4, 5, 6, 6])])
def test_lengths_that_differ_by_rounding_are_made_equal(clip_length: int, rows: list[int]) -> None:
    pair = features((8,), (clip_length,))
    assert pair.length("v0") == 8
    assert pair.read("v0", slice(None))["clip"][:, 0].tolist() == rows


def test_clip_on_another_grid_is_resampled() -> None:
    i3d = store({"v0": counted(4, 3)}, TimeGrid(stride=16, window=16))
    clip = store({"v0": counted(8, 2)}, TimeGrid(stride=8, window=8))
    pair = SnippetFeatures({"i3d": i3d, "clip": clip})
    assert pair.read("v0", slice(1, 3))["clip"][:, 0].tolist() == [2.5, 4.5]
    pair.keep(["v0"])
    assert pair.read("v0", np.array([0, 3]))["clip"][:, 0].tolist() == [0.5, 6.5]


def test_lengths_that_differ_by_more_are_refused() -> None:
    pair = features((8,), (20,))
    with pytest.raises(
        FeatureError, match=r"video v0 differ .*: i3d 8 rows = 5.1 s and clip 20 rows = 12.8 s.*some/folder"
    ):
        pair.length("v0")
