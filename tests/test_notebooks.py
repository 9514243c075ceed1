"""The notebooks, from the first cell to the last."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "experiments" / "notebooks").glob("*.ipynb"))
TUTORIAL = ROOT / "experiments" / "notebooks" / "tutorial.ipynb"  # the one that is read with its outputs


def execute(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Run a notebook in a folder that has the configurations; the outputs of its cells."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copytree(ROOT / "configs", folder / "configs")
    notebook = nbformat.read(ROOT / "experiments" / "notebooks" / name, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(outputs: list[dict[str, object]]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_own_features(tmp_path: Path, monkeypatch):
    outputs = execute("own_features.ipynb", tmp_path, monkeypatch)
    assert pictures(outputs) == 2
    text = json.dumps(outputs)
    assert "A training can run." in text
    assert "Cannot train: 1 of 30 train videos have no features: clip_07." in text
    assert "exit code 2" in text


@pytest.mark.slow
def test_inspect_checkpoint(tmp_path: Path, monkeypatch):
    outputs = execute("inspect_checkpoint.ipynb", tmp_path, monkeypatch)
    assert pictures(outputs) == 4
    assert "'no prompts were learned'" in json.dumps(outputs)


@pytest.mark.slow
def test_the_tutorial_still_says_what_it_shows(tmp_path: Path, monkeypatch):
    outputs = execute(TUTORIAL.name, tmp_path, monkeypatch)
    assert pictures(outputs) == 2
    now, kept = (json.dumps(one, ensure_ascii=False) for one in (outputs, [*kept_outputs()]))
    for said in ("mAP in % at tIoU", "completeness", "F: VLP teaches CBP", "foreground", "sigma 0.5", "WEBVTT"):
        assert said in now
        assert said in kept


def kept_outputs() -> Iterator[dict[str, object]]:
    """The outputs in the file of the tutorial."""
    for cell in nbformat.read(TUTORIAL, as_version=4).cells:
        yield from cell.get("outputs", ())


def test_the_tutorial_can_be_followed_without_running_it():
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for output in kept_outputs()}
    assert kinds <= {"stream", "display_data", "execute_result"}  # no error
    assert pictures([*kept_outputs()]) == 2
    assert TUTORIAL.stat().st_size < 200_000
    assert str(ROOT) not in TUTORIAL.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path != TUTORIAL], ids=lambda path: path.name)
def test_a_notebook_is_kept_small_and_without_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert path.stat().st_size < 20_000
    assert len(code) < len(notebook.cells) < 2.2 * len(code)  # text beside the code
