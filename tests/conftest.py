"""Fixtures that every folder of tests may use."""

from pathlib import Path

import pytest
from hypothesis import settings

import wtal  # noqa: F401  before anything that imports torchvision

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations, predictions and videos, where a checkout has them beside it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "README.md").is_file():
        pytest.skip("the folder of real data, ../shared, is not here")
    return folder
