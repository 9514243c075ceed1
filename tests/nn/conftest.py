from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def config() -> Callable[[str], str]:
    """Path of the configuration of a tiny open_clip model."""
    return lambda name: str(Path(__file__).parent / "model_configs" / f"{name}.json")
