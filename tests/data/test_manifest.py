import json
from pathlib import Path

import pytest

from wtal.data.manifest import MANIFEST, Manifest, is_measure, read_manifest
from wtal.errors import FeatureError
from wtal.types import TimeGrid

WHOLE = Manifest(TimeGrid(30, 4, 16, 0.1), 3, "float32", {"a": 4, "v_b": 2}, {"a": 30.0, "v_b": 24.0}, {"a": 1}, "ten")


def changed(folder: Path, **changes: object) -> Path:
    """A folder with a manifest that differs from a valid one."""
    WHOLE.write(folder)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | changes))
    return folder


def test_a_written_manifest_is_read(tmp_path: Path) -> None:
    WHOLE.write(tmp_path)
    assert read_manifest(tmp_path) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_optional_entries_may_be_missing(tmp_path: Path) -> None:
    WHOLE.write(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_text())
    few = {name: content[name] for name in ("version", "grid", "dim", "dtype", "videos")}
    (tmp_path / MANIFEST).write_text(json.dumps(few))
    assert read_manifest(tmp_path) == Manifest(WHOLE.grid, 3, "float32", WHOLE.videos)


def test_without_a_manifest_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / "file").touch()
    assert read_manifest(tmp_path / "file") is None


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"version": 1}', '{"version": 9, "videos": {}}', '{"version": 1, "grid": {"x": 1}}']
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(FeatureError, match=rf"{tmp_path}/{MANIFEST} is not the manifest .* make it again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "another version of the program wrote it"),
        ({"grid": {"fps": 0}}, "time grid is not above 0"),
        ({"grid": {"offset_s": 1e10}}, "offset of its time grid is too large"),
        ({"fps": {"a": 1e12}}, "time grid is not above 0, or is too large"),
        ({"videos": {"../a": 3}}, r"'\.\./a' cannot be the name of a file"),
        ({"videos": {"a": "many"}}, "invalid literal"),
        ({"dim": None}, "int"),
        ({"more": 1}, "more"),
    ],
)
def test_impossible_entries_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        read_manifest(changed(tmp_path, **changes))


def test_measures_are_positive_and_finite() -> None:
    measures = (29.97, 1, 0, -1, 5e-324, 1e12, float("inf"), float("nan"))
    assert [is_measure(value) for value in measures] == [True, True] + [False] * 6
