"""``wtal data compare``: each usual mistake is found on made-up features in which it was made, and named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from wtal.commands.main import main
from wtal.data.agreement import ARRANGEMENTS, agreement, align, best_arrangement
from wtal.data.feature_comparison import compare_features
from wtal.data.manifest import Manifest
from wtal.errors import FeatureError
from wtal.nn.encoders import TinyMotionEncoder
from wtal.types import Pixels, TimeGrid

Features = dict[str, np.ndarray]
_DIM = 64


def smooth(videos: int, rows: int, seed: int = 0) -> Features:
    """Features that change slowly and have much in common, as real ones: four rows for each snippet of ``A``."""
    rng = np.random.default_rng(seed)
    common, kernel = 2 * np.abs(rng.normal(size=_DIM)), np.exp(-np.arange(24) / 6)
    kernel /= np.linalg.norm(kernel)
    return {
        f"video_{n}": common
        + np.stack([np.convolve(channel, kernel, "same") for channel in rng.normal(size=(_DIM, 4 * (rows + 7 * n)))], 1)
        for n in range(videos)
    }


FINE = smooth(4, 50)
A = {name: rows[::4] for name, rows in FINE.items()}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, Features], Path]:
    """Writes features, one file a video."""

    def write(name: str, features: Features) -> Path:
        (tmp_path / name).mkdir()
        for video, rows in features.items():
            np.save(tmp_path / name / f"{video}.npy", rows if rows.dtype == np.float16 else rows.astype(np.float32))
        return tmp_path / name

    return write


def each(change: Callable[[np.ndarray], np.ndarray], features: Features = A) -> Features:
    return {name: change(rows) for name, rows in features.items()}


def mixed(rows: np.ndarray, channels: slice, seed: int = 1) -> np.ndarray:
    """Rows of which some channels answer otherwise, as those of a network that sees other colours or another crop."""
    rows, part = rows.copy(), rows[:, channels]
    mean = part.mean(axis=0)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(part.shape[1], part.shape[1])))[0]
    rows[:, channels] = mean + 0.6 * (part - mean) + 0.8 * (part - mean) @ turn
    return rows


def at_rate(rows: np.ndarray, rate: float) -> np.ndarray:
    return rows[np.round(np.arange(0, len(rows) - 1, 4 / rate)).astype(int)]


_HALF = _DIM // 2
CASES = {
    "are the same features in 4 videos: no value differs": A,
    "but for rounding": each(lambda rows: rows.astype(np.float16)),
    "B has 2 rows for each row of A: another stride (16 for A would be 8 for B)": each(lambda r: r[::2], FINE),
    "B has 0.5 rows for each row of A: another stride (16 for A would be 32 for B)": each(lambda r: r[::8], FINE),
    "B has 0.8 rows for each row of A: another stride (16 for A would be 20 for B)": each(lambda r: r[::5], FINE),
    "frame rate (25 for A would be 30 for B).": each(lambda r: at_rate(r, 1.2), FINE),
    "B begins 2 rows later.": each(lambda rows: rows[2:]),
    "B begins 1 row earlier.": each(lambda rows: np.concatenate([0.9 * rows[:1], rows])),
    "B has 2 rows more at the end.": each(lambda rows: np.concatenate([rows, rows[-1:], rows[-1:]])),
    "B was rescaled to 100 rows for every video.": each(
        lambda r: r[np.linspace(0, len(r) - 1, 100).round().astype(int)]
    ),
    "B is 3 times as large.": each(lambda rows: 3 * rows),
    "the rows of B are normalised to length 1.": each(lambda r: r / np.linalg.norm(r, axis=1, keepdims=True)),
    "each channel is shifted or scaled, as by standardisation.": each(
        lambda r: (r - FINE["video_0"].mean(axis=0)) / (np.arange(_DIM) / 20 + 0.1)
    ),
    "the halves of the channels (RGB and flow in two-stream features) are swapped.": each(
        lambda rows: np.roll(rows, _HALF, axis=1)
    ),
    "B has only the first half of A's channels (RGB in two-stream features).": each(lambda rows: rows[:, :_HALF]),
    "B has only the second half of A's channels (flow in two-stream features).": each(lambda rows: rows[:, _HALF:]),
    "the arrays of B are (channels, snippets).": each(lambda rows: rows.T.copy()),
    "frames in another colour order (BGR) or range, or other RGB weights.": each(lambda r: mixed(r, slice(_HALF))),
    "another method of optical flow, or other flow weights.": each(lambda r: mixed(r, slice(_HALF, None))),
    "frames prepared otherwise, by colour order (BGR), crop or size.": each(lambda rows: mixed(rows, slice(None))),
    "another network or other weights on the same videos.": each(
        lambda r: np.maximum(r @ np.random.default_rng(9).normal(size=(_DIM, _DIM)) / 8 + 1, 0)
    ),
    "A has 64 channels and B 100, so they come from other networks on the same videos.": each(
        lambda r: r @ np.random.default_rng(2).normal(size=(_DIM, 100))
    ),
    "other videos under the same names, or shuffled rows.": each(lambda r: r[::4], smooth(4, 50, seed=5)),
    "(RGB and flow in two-stream features) are swapped; B has 2 rows for each row of A": each(
        lambda r: np.roll(r[::2], _HALF, axis=1), FINE
    ),
    "B has the values of A with the opposite sign.": each(lambda rows: -rows),
    "every value of B is 0: its extraction failed.": each(lambda rows: 0 * rows),
    "the rows of B are those of A from last to first.": each(lambda rows: rows[::-1]),
    "the channels of B are those of A in another order.": each(
        lambda r: r[:, np.random.default_rng(3).permutation(_DIM)]
    ),
}


@pytest.mark.parametrize("verdict", CASES)
def test_the_verdict_names_what_was_done(verdict: str, written: Callable[[str, Features], Path]):
    comparison = compare_features(written("a", A), written("b", CASES[verdict]))
    assert verdict in comparison.verdict
    assert comparison.verdict.count(". ") == 0  # one sentence


def test_shuffled_rows_are_not_aligned(written: Callable[[str, Features], Path]):
    rng = np.random.default_rng(0)
    comparison = compare_features(written("a", A), written("b", each(rng.permutation)))
    assert "nothing agrees" in comparison.verdict
    assert (comparison.rate, comparison.offset) == (1, 0)


@pytest.mark.parametrize(("rate", "offset"), [(1, 0), (1, -3), (1, 4), (2, 0), (0.5, 0), (0.5, 3)])
def test_alignment_finds_the_line(rate: float, offset: int):
    fine = FINE["video_3"]
    a = fine[8::4]
    start = 8 - round(4 / rate * offset)
    b = fine[max(0, start) :: int(4 / rate)]
    expected = offset if start >= 0 else 8 * rate / 4  # B begins with the first row there is
    found = align(a, b)
    assert found.rate == pytest.approx(rate, rel=0.01)
    assert found.offset == pytest.approx(expected, abs=1)
    assert found.agreement > 0.95


def test_agreement_of_equal_arrays_is_perfect():
    found = agreement(A["video_0"], A["video_0"])
    assert found is not None
    assert found.cosine == pytest.approx(1)
    assert found.scale == found.structure == pytest.approx(1)
    assert (found.largest, found.alignment.rate, found.alignment.offset) == (0, 1, 0)


def test_channels_are_only_rearranged_if_that_is_clearly_better():
    rows = A["video_0"]
    twice = np.concatenate([rows[:, :_HALF], rows[:, :_HALF]], axis=1)  # halves that are alike
    assert best_arrangement([(twice, twice)]) == ARRANGEMENTS[0]
    assert best_arrangement([(rows, rows[:, :7])]) is None


def test_an_encoder_that_sees_blue_for_red_is_told_from_another_crop():
    """Of a real, if small, network: its motion features see colours, and the second half, of grey frames, does not."""
    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 256, (40, 2, 6, 6, 3)), np.ones((1, 4, 8, 8, 1))).astype(np.uint8)  # 40 snippets
    rgb, flow = TinyMotionEncoder(dim=32, seed=0), TinyMotionEncoder(dim=32, seed=1)

    @torch.no_grad()
    def features(pixels: np.ndarray) -> np.ndarray:
        grey = np.repeat(pixels.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
        parts = [net.eval()(Pixels(rgb=torch.from_numpy(of))) for net, of in ((rgb, pixels.copy()), (flow, grey))]
        return torch.cat(parts, dim=1).double().numpy()

    plain, bgr, crop = features(frames), features(frames[..., ::-1]), features(np.roll(frames, 9, axis=3))
    seen, moved = agreement(plain, bgr), agreement(plain, crop)
    assert seen is not None
    assert moved is not None
    assert seen.halves[1] > 0.98 > seen.halves[0]
    assert max(moved.halves) < 0.98


def test_what_manifests_state_is_quoted(written: Callable[[str, Features], Path]):
    folders = [
        written(name, each(lambda r: mixed(r, slice(None))) if seed else A) for name, seed in (("a", 0), ("b", 3))
    ]
    for folder, crop in zip(folders, ("center", "ten, averaged"), strict=True):
        Manifest(TimeGrid(), _DIM, "float32", {n: len(r) for n, r in A.items()}, crop=crop).write(folder)
    assert "their manifests state crop center and ten, averaged" in compare_features(*folders).verdict


def test_sets_without_a_common_video_are_refused(written: Callable[[str, Features], Path]):
    with pytest.raises(FeatureError, match="have no video in common: the first one has video_0, the second one other"):
        compare_features(written("a", A), written("b", {"other": A["video_0"]}))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.full((5, _DIM), np.nan), r"video video_0 has NaN or infinity in 5 of 5 rows, first in row 0: extract it"),
        (np.zeros((0, _DIM)), r"video video_0 is an empty array of shape \(0, 64\): extract it"),
        (np.zeros((2, 3, 4)), r"video_0.npy: shape \(2, 3, 4\) instead of \(snippets, channels\)"),
    ],
)
def test_an_array_that_cannot_be_compared_is_refused_with_its_fault(
    broken: np.ndarray, message: str, written: Callable[[str, Features], Path]
):
    with pytest.raises(FeatureError, match=message):
        compare_features(written("a", A), written("b", {"video_0": broken}))


def test_a_file_without_names_of_videos_is_refused(written: Callable[[str, Features], Path]):
    folder = written("a", A)
    with pytest.raises(FeatureError, match=r"video_0.npy has no names of videos: give a folder with a file of each"):
        compare_features(folder / "video_0.npy", folder)


def test_zeros_of_the_first_set_are_named(written: Callable[[str, Features], Path]):
    comparison = compare_features(written("a", each(lambda rows: 0 * rows)), written("b", A))
    assert comparison.verdict == "A and B differ in 4 videos: every value of A is 0: its extraction failed."


def test_a_chosen_video_that_one_set_lacks_is_named(written: Callable[[str, Features], Path]):
    with pytest.raises(FeatureError, match=r"b has no features of other: correct `--names`"):
        compare_features(written("a", A | {"other": A["video_0"]}), written("b", A), names=["other", "video_0"])


def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib")
    assert main(["data", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "--output", "figure.gif"]) == 2
    assert "figure.gif must end in .pdf, .png or .svg" in capsys.readouterr().err


def test_the_command_prints_a_sentence_and_draws_a_figure(
    written: Callable[[str, Features], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib")
    a, b = written("a", A), written("b", each(lambda rows: rows[2:]) | {"extra": A["video_0"]})
    assert main(["data", "compare", str(a), str(b), "--output", str(tmp_path / "figure.png")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "A and B differ in 4 videos: B begins 2 rows later."
    assert "4 videos in both; only in B: extra;" in " ".join(out.split())
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(("width", "panels"), [(64, 3), (40, 2)])
def test_rows_are_drawn_only_where_their_widths_agree(
    width: int, panels: int, written: Callable[[str, Features], Path]
):
    pytest.importorskip("matplotlib")
    from wtal.report.feature_comparison import comparison_figure

    a, b = written("a", A), written("b", each(lambda rows: rows[:, :width]))
    figure = comparison_figure(compare_features(a, b))
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titles) == panels
    assert ("centred rows" in titles[0]) == (panels == 3)
