from pathlib import Path

import pytest

from wtal.data.annotations import Annotations, read_annotations
from wtal.simulation.params import CLIPParams, I3DParams, SimulationParams

SMALL = SimulationParams(i3d=I3DParams(dim=48, nuisances=4), clip=CLIPParams(dim=24))
LINES = [
    "video,label,start,end,subset,duration",
    "a,run,3,9,train,40",
    "a,run,20,24,train,40",
    "b,jump,5,8,train,30",
    "b,run,12,20,train,30",
    "c,jump,5,9,test,30",
    "c,run,5,9,test,30",
    "d,throw,3,5,test,20",
    "e,none,,,train,20",
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of five videos, one without any action, and one with an event that has two labels."""
    path = tmp_path / "own.csv"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture
def annotations(table: Path) -> Annotations:
    return read_annotations(table)
