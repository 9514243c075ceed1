"""The notebooks, from the first cell to the last."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "experiments" / "notebooks").glob("*.ipynb"))


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_small_and_without_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert path.stat().st_size < 20_000
    assert len(code) < len(notebook.cells) < 2.2 * len(code)  # text beside the code
