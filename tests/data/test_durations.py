from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wtal.data.custom import CustomDataModule
from wtal.data.durations import check_durations, check_streams
from wtal.data.features import FeatureSource, open_features
from wtal.data.inspection import inspect
from wtal.data.store import FeatureStore
from wtal.errors import FeatureError
from wtal.localization.localizer import Localizer
from wtal.types import SnippetScores, TimeGrid

RNG = np.random.default_rng(3)
LONG = {f"v{i}": float(seconds) for i, seconds in enumerate(RNG.uniform(20, 200, 20).round(2))}
SHORT = {f"v{i}": float(seconds) for i, seconds in enumerate(RNG.uniform(2, 12, 20).round(2))}


def store_of(rows: dict[str, int], grid: TimeGrid = TimeGrid()) -> FeatureStore:  # noqa: B008  frozen
    shapes = {name: lambda count=count: (count, 4) for name, count in rows.items()}
    return FeatureStore(
        Path("features"), {}.fromkeys(rows, lambda: np.zeros(0)), shapes, lambda _: grid, 4, transposed=False
    )


def extracted(durations_s: dict[str, float], fps: float = 25, stride: float = 16, window: float = 16) -> dict[str, int]:
    """Rows of an extractor that takes whole windows only."""
    return {name: max(1, int((d * fps - window) // stride) + 1) for name, d in durations_s.items()}


def checked(rows: dict[str, int], grid: TimeGrid, durations_s: dict[str, float], **options: Any) -> Any:
    return check_durations("i3d", store_of(rows, grid), pd.Series(durations_s), **options)


@pytest.mark.parametrize("durations_s", [LONG, SHORT])
@pytest.mark.parametrize(
    ("fps", "stride", "window"),
    [(25, 16, 16), (30, 4, 16), (15, 16, 16), (25, 64, 64), (30, 1, 1), (100, 1, 1), (29.97, 16, 32)],
)
def test_right_settings_pass_without_a_word(
    durations_s: dict[str, float], fps: float, stride: float, window: float
) -> None:
    grid = TimeGrid(fps, stride, window)
    dropped = extracted(durations_s, fps, stride, window)
    padded = {name: int(-(-d * fps // stride)) for name, d in durations_s.items()}
    for rows in (dropped, padded):
        found = checked(rows, grid, durations_s)
        assert (found.off_s, found.problem, found.warning) == ({}, "", "")
    assert not checked(dropped, grid, {name: round(d) or 1 for name, d in durations_s.items()}).problem
    assert checked(dropped, grid, dict.fromkeys(durations_s, np.nan)).off_s == {}


@pytest.mark.parametrize(
    ("made", "read", "times", "remedy"),
    [
        (TimeGrid(25, 4, 4), TimeGrid(25, 16, 16), "4.0 times", "set `stride` to 4 (it is 16)"),
        (TimeGrid(25, 16, 16), TimeGrid(25, 4, 16), "0.2", "set `stride` to 16 (it is 4)"),
        (TimeGrid(30, 4, 16), TimeGrid(25, 4, 16), "1.2 times", "set `fps` to 30 (it is 25)"),
        (TimeGrid(15, 16, 16), TimeGrid(25, 16, 16), "0.60 times", "set `fps` to 15 (it is 25)"),
        (TimeGrid(25, 1, 1), TimeGrid(25, 16, 16), "1", "set `stride` to 1 (it is 16)"),
        (TimeGrid(30, 4, 16), TimeGrid(25, 16, 16), "4.", "`stride` (they are 25 and 16), for example to 30 and 4"),
        (TimeGrid(25, 64, 64), TimeGrid(25, 16, 16), "0.2", "set `stride` to 64 (it is 16)"),
    ],
)
@pytest.mark.parametrize("durations_s", [LONG, dict(list(LONG.items())[:3]), {n: d + 8 for n, d in SHORT.items()}])
def test_wrong_settings_are_refused_with_the_likely_ones(
    made: TimeGrid, read: TimeGrid, times: str, remedy: str, durations_s: dict[str, float]
) -> None:
    rows = extracted(durations_s, made.fps, made.stride, made.window)
    found = checked(rows, read, durations_s)
    assert f"by all {len(durations_s)} known durations" in found.problem
    if durations_s is LONG:
        assert f" {times}" in found.problem
        assert remedy in found.problem
    assert not checked(rows, read, durations_s, tolerance_s=1e6).problem


def test_some_that_do_not_fit_are_named() -> None:
    rows = extracted(LONG)
    rows["v3"] *= 2
    found = checked(rows, TimeGrid(), LONG)
    assert not found.problem
    assert list(found.off_s) == ["v3"]
    assert "do not fit 1 of 20 known durations" in found.warning
    assert f"v3: {rows['v3']} rows = " in found.warning


def test_rates_of_their_own_are_suggested() -> None:
    rows = {name: int(d * (15, 24, 30, 60)[i % 4] / 16) for i, (name, d) in enumerate(LONG.items())}
    found = checked(rows, TimeGrid(25, 16, 16), LONG)
    assert not found.problem
    assert "each video may have a frame rate of its own, which a file as `fps` gives" in found.warning


def test_a_picture_that_starts_late_fits() -> None:
    rows = extracted({name: d - 8 for name, d in LONG.items()})
    assert checked(rows, TimeGrid(offset_s=8), LONG).warning == ""
    assert "do not fit" in checked(rows, TimeGrid(), LONG).warning


def test_two_videos_are_only_warned_of() -> None:
    durations_s = {"a": 75.0, "b": 45.0}
    found = checked(extracted(durations_s, stride=4), TimeGrid(), durations_s)
    assert not found.problem
    assert "do not fit 2 of 2 known durations (4.0 times as long" in found.warning
    assert "set `stride` to 4 (it is 16)" in found.warning


def test_segments_tell_where_durations_are_unknown() -> None:
    table = pd.DataFrame({"duration_s": np.nan}, index=list(LONG))
    segments = pd.DataFrame({"video_id": list(LONG), "end_s": [0.9 * d for d in LONG.values()]})
    stores = {"i3d": store_of(extracted(LONG))}
    assert check_streams(stores, table, segments=segments) == []
    (doubt,) = check_streams({"i3d": store_of(extracted(LONG, stride=4))}, table, segments=segments)
    assert "In 20 videos of unknown duration no segment lies beyond 23% of the i3d features at features: check" in doubt
    (doubt,) = check_streams({"i3d": store_of(extracted(LONG, stride=64))}, table, segments=segments)
    assert "the last segments end at 3.57 times" in doubt


# In a data module -----------------------------------------------------------------------------------------------


def write(folder: Path, rows: dict[str, int]) -> None:
    lines = ["video,label,start,end,duration,subset"]
    (folder / "features").mkdir()
    for i, (name, count) in enumerate(rows.items()):
        np.save(folder / "features" / f"{name}.npy", np.ones((count, 4), np.float32))
        lines.append(f"{name},{'run' if i % 2 else 'jump'},1,2,{LONG[name]},{'test' if i > 11 else 'train'}")
    (folder / "labels.csv").write_text("\n".join(lines))


def data_of(folder: Path, **source: Any) -> CustomDataModule:
    return CustomDataModule(folder / "labels.csv", i3d=FeatureSource(folder / "features", **source))


def test_fit_test_and_check_refuse(tmp_path: Path) -> None:
    write(tmp_path, extracted(LONG, stride=4))
    for stage in ("fit", "test"):
        with pytest.raises(FeatureError, match=r"times as long as their videos, .* set `stride` to 4 \(it is 16\)"):
            data_of(tmp_path).setup(stage)
    (problem,) = inspect(data_of(tmp_path)).problems
    assert "set `stride` to 4" in problem
    data_of(tmp_path, stride=4).setup("fit")
    assert inspect(data_of(tmp_path, stride=4)).problems == []


def test_some_are_warned_of_in_fit(tmp_path: Path) -> None:
    rows = extracted(LONG)
    write(tmp_path, rows | {"v3": 2 * rows["v3"]})
    with pytest.warns(UserWarning, match="do not fit 1 of 12 known durations"):
        data_of(tmp_path).setup("fit")


def test_rows_of_a_fixed_number(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(LONG, 100))
    with pytest.raises(FeatureError, match=r"100 rows for each of the 12 videos, .*: set `rows: rescaled`"):
        data_of(tmp_path).setup("fit")
    data = data_of(tmp_path, rows="rescaled")
    data.setup("fit")
    for video in data.videos("train"):
        assert video.num_snippets == 100
        assert video.grid.edge_s(0) == 0
        assert video.grid.edge_s(100) == pytest.approx(LONG[video.video_id])
    assert inspect(data).problems == []


def test_rescaled_rows_are_localized_on_the_video(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    write(tmp_path, dict.fromkeys(LONG, 100))
    video = data_of(tmp_path, rows="rescaled").videos("test")[0]
    score = torch.zeros(100)
    score[20:40] = 1
    found = Localizer(upsampling=1)(SnippetScores(score[:, None], score, torch.ones(1)), video)
    assert found.start_s[0] == pytest.approx(0.2 * video.duration_s)
    assert found.end_s[0] == pytest.approx(0.4 * video.duration_s)


def test_rescaled_rows_need_durations(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(LONG, 100))
    store = open_features(FeatureSource(tmp_path / "features", rows="rescaled"), ["v0"], durations_s={"v0": np.nan})
    with pytest.raises(FeatureError, match=r"video v0 at .* are `rescaled`, so its duration must be known: add"):
        store.grid("v0")
