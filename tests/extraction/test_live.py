"""``wtal detect --live``: a stream in, lines of JSON and a page out."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from wtal.branches import VLPBranch
from wtal.commands.main import main
from wtal.errors import VideoError
from wtal.extraction.live import LiveChunk, LiveDetector
from wtal.extraction.live_output import run_live
from wtal.extraction.pipeline import Extraction, Running, extract_features
from wtal.localization import Emission, Localizer
from wtal.nn.heads import AnchoredTextHead
from wtal.nn.text.prompts import FileText
from wtal.results.predictions import read_predictions
from wtal.types import SnippetBatch
from wtal.video.live import LiveReader

TINY = str(Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json")
MAKING = Extraction(streams=("clip",), clip_model=TINY, random_weights=True)
CLASSES = ["open a door", "pour tea"]


@pytest.fixture(scope="module")
def film(tmp_path_factory, painted_video) -> Path:
    """Six snippets, and a few frames that do not fill another."""
    return painted_video(tmp_path_factory.mktemp("films") / "film.mp4", 100, (64, 48))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> VLPBranch:
    path = tmp_path_factory.mktemp("texts") / "text.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 32)).astype(np.float32))
    torch.manual_seed(0)
    head = partial(
        AnchoredTextHead, text=partial(FileText, path=path), dim=32, width=8, heads=2, causal=True, attended=2
    )
    made = VLPBranch(CLASSES, head, average=0, localizer=Localizer(attention_weight=1.0, video_power=0.0))
    for parameter in made.head.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return made.eval()


def test_scores_are_those_of_extracted_features_offline(film, model, tmp_path):
    extract_features({"film": film}, tmp_path, MAKING, Running(workers=0, devices="1"))
    rows = torch.from_numpy(np.load(tmp_path / "clip" / "film.npy"))[None]
    batch = SnippetBatch(
        {"clip": rows}, torch.ones(rows.shape[:2], dtype=torch.bool), torch.arange(6)[None], torch.zeros(1, 2),
        torch.zeros(1, dtype=torch.long)
    )  # fmt: skip
    with torch.no_grad():
        whole = model.scores(batch)
    expected = (whole.probability * whole.attention[..., None])[0]
    detector = LiveDetector(model, MAKING)
    for detector.chunk, lengths in ((1, [1] * 6 + [0]), (4, [4, 2, 0])):
        chunks = list(detector.read(LiveReader(str(film))))
        np.testing.assert_allclose(np.concatenate([one.curves for one in chunks]), expected, rtol=0, atol=1e-5)
        assert [len(one.times_s) for one in chunks] == lengths
        assert np.concatenate([one.times_s for one in chunks]) == pytest.approx(0.32 + 0.64 * np.arange(6))
        assert chunks[-1].frames == 100
        assert chunks[-1].now_s == pytest.approx(4.0)


def test_clip_alone_watches_a_film(film, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["detect", "--live", str(film), "--labels", *CLASSES, "--clip-model", TINY, "--random-weights"]
    assert main([*words, "--output", str(out), "--minimum", "0", "--loop", "3"]) == 0
    printed = capsys.readouterr()
    lines = (out / "live.jsonl").read_text().splitlines()
    assert printed.out.splitlines() == lines
    found = [json.loads(line) for line in lines]
    assert found
    assert [one["emitted"] for one in found] == sorted(one["emitted"] for one in found)
    assert all(0 <= one["start"] < one["end"] <= one["emitted"] <= 12 for one in found)
    assert "Read until 0:12.0: 300 frames" in printed.err
    page = (out / "live.html").read_text()
    assert "mean nothing" in page
    assert "The stream has ended." in page
    assert "http-equiv" not in page
    assert set(read_predictions(out / "live.jsonl")["video_id"]) == {"film"}

    assert main([*words, "--output", str(out)]) == 2
    assert "live.jsonl holds the detections of an earlier stream" in capsys.readouterr().err
    assert (out / "live.jsonl").read_text().splitlines() == lines


class Interrupted(LiveDetector):
    """Finds two actions, and is then interrupted."""

    def __init__(self, error: BaseException, model: VLPBranch) -> None:
        self.error, self.model = error, model

    def read(self, reader):
        found = [Emission(1.0, 2.0, 0, 0.5, 2.5), Emission(1.0, 2.0, 1, 0.1, 2.5)]
        yield LiveChunk(found, np.array([1.0, 2.0]), np.array([[0.5, 0.1], [0.2, 0.1]]), 2.5, 0.01, 62)
        raise self.error


def test_ctrl_c_ends_it_with_what_was_found(film, model, tmp_path, capsys):
    detector, lowest = Interrupted(KeyboardInterrupt(), model), {"pour tea": 0.2}
    assert run_live(detector, LiveReader(str(film)), "film", tmp_path, lowest) == 1
    (line,) = (tmp_path / "live.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "video": "film", "label": "open a door", "start": 1.0, "end": 2.0, "score": 0.5, "emitted": 2.5
    }  # fmt: skip
    assert "Stopped by Ctrl-C." in (tmp_path / "live.html").read_text()
    assert f"1 detection in {tmp_path / 'live.jsonl'}." in capsys.readouterr().err


def test_a_lost_stream_leaves_what_was_found(film, model, tmp_path):
    with pytest.raises(VideoError, match="lost"):
        run_live(Interrupted(VideoError("It is lost."), model), LiveReader(str(film)), "film", tmp_path, {})
    assert len((tmp_path / "live.jsonl").read_text().splitlines()) == 2
    assert "It is lost." in (tmp_path / "live.html").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["film.mp4", "--live", "0", "--labels", "a"], "Give either videos or"),
        (["--labels", "a"], "Give either videos or"),
        (["--live", "nowhere.mp4", "--labels", "a"], "nowhere.mp4: the file does not exist"),
        (["--live", "http://camera/x", "--labels", "a"], "begins with rtsp://"),
        (["--live", "0", "--labels", "a", "--chunk", "0"], "--chunk"),
    ],
)
def test_mistakes_are_one_sentence(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", *words, "--output", "out"]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
