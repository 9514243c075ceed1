"""Fixtures that every folder of tests may use."""

import gc
from pathlib import Path

import pytest
from hub import hub
from hypothesis import settings
from painted import painted_video
from trained import trained

import wtal  # noqa: F401  before anything that imports torchvision

gc.disable()  # until everything is imported, which makes hundreds of thousands of objects and no garbage

__all__ = ["hub", "painted_video", "trained"]  # fixtures of a module of their own

settings.register_profile("wtal", deadline=None)  # a busy machine is no failure
settings.load_profile("wtal")


def pytest_collection_finish() -> None:
    """Spare the collector what was imported: it takes a third of a second to look through."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations, predictions and videos, where a checkout has them beside it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "README.md").is_file():
        pytest.skip("the folder of real data, ../shared, is not here")
    return folder


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of the toy model, ``toy.yaml``, in an empty working directory."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "toy.yaml"
    file.write_text(
        "model: {class_path: toy.ToyModel}\n"
        "data: {class_path: toy.ToyData}\n"
        "trainer: {max_epochs: 2, accelerator: cpu, enable_model_summary: false}\n"
    )
    return file
