"""From files with sound to a store of log-mels, as `wtal extract --streams mel` makes it."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from wtal.commands.main import main
from wtal.data.store import open_store
from wtal.errors import ConfigError
from wtal.extraction.sounds import LogMel, log_mel_rows
from wtal.functional.mel import log_mel, mel_filters
from wtal.video.sound import SoundReader

RATE = 16000


def tone(seconds: float, frequency: float = 1000, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(samples, channels) * 32767).round().astype("<i2").tobytes())
    return path


def write_film(path: Path, samples: np.ndarray, delay_s: float = 0.0) -> Path:
    """A second of black pictures, and a sound that may begin later."""
    with av.open(str(path), "w") as file:
        pictures = file.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = file.add_stream("pcm_s16le", rate=RATE)
        sound.layout = "mono"
        for _ in range(25):
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        file.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round(delay_s * RATE)
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    return path


def heard(path: Path, rate: int = RATE) -> tuple[np.ndarray, SoundReader]:
    reader = SoundReader(path, rate)
    return np.concatenate(list(reader)), reader


def test_samples_are_those_of_the_file(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 5000)
    found, reader = heard(write_wav(tmp_path / "a.wav", samples))
    assert found == pytest.approx(samples, abs=1e-4)
    assert (reader.count, reader.start_s, reader.damage) == (5000, 0.0, None)


def test_several_channels_are_averaged_and_another_rate_is_brought_to_the_wanted_one(tmp_path):
    found, _ = heard(write_wav(tmp_path / "a.wav", tone(1, rate=44100), 44100, channels=2))
    assert len(found) == pytest.approx(RATE, abs=40)
    spectrum = np.abs(np.fft.rfft(found))
    assert spectrum.argmax() * RATE / len(found) == pytest.approx(1000, abs=2)
    assert np.abs(found[1000:-1000]).max() == pytest.approx(0.5, abs=0.02)


def test_the_sound_of_a_film_knows_when_it_begins(tmp_path):
    samples = tone(0.5)
    assert heard(write_film(tmp_path / "film.mkv", samples))[1].start_s == 0
    found, reader = heard(write_film(tmp_path / "late.mkv", samples, delay_s=0.3))
    assert reader.start_s == pytest.approx(0.3, abs=0.005)
    assert found == pytest.approx(samples, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.001, 0.025, 1.0, 7.3])
def test_block_by_block_features_are_those_of_the_whole(tmp_path, seconds, monkeypatch):
    monkeypatch.setattr("wtal.extraction.sounds._BLOCK", 16)
    samples = np.random.default_rng(1).uniform(-1, 1, round(seconds * RATE))
    making = LogMel(bands=20, rate=RATE)
    path = write_wav(tmp_path / "a.wav", samples)
    found = np.concatenate(list(log_mel_rows(SoundReader(path, RATE), making)))
    whole, _ = heard(path)
    whole = np.pad(whole, (0, max(0, making.window - len(whole))))
    expected = log_mel(whole, mel_filters(20, RATE, making.window, 50), making.window, making.hop)
    assert found.shape == expected.shape
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_command_writes_a_store_and_does_the_rest_later(tmp_path, capsys):
    (tmp_path / "songs").mkdir()
    write_wav(tmp_path / "songs" / "one.wav", tone(1.0, 500))
    write_film(tmp_path / "songs" / "two.mkv", tone(0.5), delay_s=0.3)
    words = ["extract", str(tmp_path / "songs"), "--output", str(tmp_path / "features"), "--streams", "mel"]
    words += ["--sound.bands", "40", "--sound.rate", "16000"]
    assert main(words) == 0
    assert f"2 sounds written to {tmp_path / 'features' / 'mel'}." in capsys.readouterr().out
    store = open_store(tmp_path / "features" / "mel")
    assert store["one"].shape == (1 + (RATE - 400) // 160, 40)
    assert store.grid("one").step_s == pytest.approx(0.01)
    assert store.grid("one").edge_s(0) == pytest.approx(0.0075)
    assert store.grid("two").edge_s(0) == pytest.approx(0.3075, abs=0.005)

    write_wav(tmp_path / "songs" / "three.wav", tone(0.3))
    (tmp_path / "songs" / "broken.mp3").write_bytes(b"no sound at all" * 20)
    assert main(words) == 2
    out = capsys.readouterr()
    assert "1 sound written to" in out.out
    assert "2 already had them" in out.out
    assert "1 of 4 files cannot be read and are left out: broken" in out.err

    assert main([*words[:-3], "20", "--sound.rate", "16000"]) == 2
    assert "was made with another" in capsys.readouterr().err


def test_pictures_without_sound_are_named(tmp_path, painted_video, capsys):
    painted_video(tmp_path / "silent.mp4", 5)
    words = ["extract", str(tmp_path / "silent.mp4"), "--output", str(tmp_path / "f"), "--streams", "mel"]
    assert main(words) == 2
    assert "silent.mp4 has no sound." in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"bands": 0}, {"rate": -1}, {"bands": 500}, {"hop_ms": 0.01}, {"low_hz": 1e5}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="`sound"):
        LogMel(**options)
