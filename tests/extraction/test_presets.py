"""``--preset`` of `wtal extract` and `wtal detect`."""

from pathlib import Path

import numpy as np
import pytest

from wtal.commands.main import main
from wtal.data.appending import StoreAppender
from wtal.data.manifest import read_manifest
from wtal.errors import ConfigError
from wtal.extraction.pipeline import Extraction
from wtal.extraction.presets import FLOWS, chosen_flow
from wtal.extraction.settled import settle
from wtal.video.flow import flow_stream

FLOW = ["--random-weights", "--streams", "flow", "--workers", "0"]


def test_exact_is_the_default() -> None:
    assert Extraction().flow == FLOWS["exact"] == chosen_flow("exact", None) == chosen_flow("exact", "tvl1")


def test_a_preset_and_another_flow_disagree() -> None:
    with pytest.raises(ConfigError, match=r"`--preset fast` means `--flow tvl1_fast`, but `--flow dis` is given too"):
        chosen_flow("fast", "dis")


def test_a_store_names_its_flow_and_takes_no_other(
    tmp_path: Path, painted_video, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Flow and network are replaced by quick ones, as only their names matter."""
    painted_video(tmp_path / "a.mp4", 9)
    asked = []
    monkeypatch.setattr(
        "wtal.video.snippets.flow_stream", lambda frames, method: asked.append(method) or flow_stream(frames, "dis")
    )
    monkeypatch.setattr(
        "wtal.extraction.module.encode_crops",
        lambda network, frames, stream, crops: frames[:, 0, 0, 0].float().repeat(1, 512),
    )
    command = ["extract", str(tmp_path / "a.mp4"), "--output", str(tmp_path / "out"), *FLOW]
    assert main([*command, "--preset", "fast"]) == 0
    manifest = read_manifest(tmp_path / "out" / "i3d")
    assert manifest is not None
    assert manifest.origin["optical flow"] == "tvl1_fast"
    assert asked == ["tvl1_fast"]
    painted_video(tmp_path / "b.mp4", 9)
    capsys.readouterr()
    assert main(["extract", str(tmp_path / "b.mp4"), *command[2:], "--preset", "exact"]) == 2
    assert "was made with" in (message := capsys.readouterr().err)
    assert "tvl1_fast" in message
    assert main([*command, "--preset", "fast", "--flow", "dis"]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_new_features_are_made_as_fast_ones_were(tmp_path: Path) -> None:
    origin = {"flow": "random weights, seed 0", "optical flow": "tvl1_fast"}
    store = StoreAppender(tmp_path / "i3d", Extraction().grid, origin=origin, crop="center")
    store.add("a", np.zeros((3, 1024), np.float32))
    settled = settle({}, {}, tmp_path, None)
    assert settled.making.flow == "tvl1_fast"
    assert "flow tvl1_fast" in settled.remark
