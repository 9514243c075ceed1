"""The script that simulates UCF-Crime over its real annotations."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "simulation" / "ucf_crime.py"
LINES = "Abuse028_x264.mp4  Abuse  165  240  -1  -1\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"


@pytest.mark.slow
def test_test_videos_keep_their_anomalies_and_half_of_the_training_is_normal(tmp_path: Path) -> None:
    (tmp_path / "annotation.txt").write_text(LINES)
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "annotation.txt", "out", "--train", "4"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=100)
    videos = json.loads(next((tmp_path / "out").glob("*annotations*.json")).read_text())["database"]
    assert videos["Abuse028_x264"]["annotations"] == [{"label": "Abuse", "segment": [165 / 30, 241 / 30]}]
    assert videos["Normal_Videos_003_x264"]["annotations"] == []
    train = [video for video in videos.values() if video["subset"] == "train"]
    assert [bool(video["annotations"]) for video in train] == [True, False, True, False]
    assert (tmp_path / "out" / "anomaly.yaml").is_file()
