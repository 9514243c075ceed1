"""Every picture is where the clock says: numbers painted into synthetic videos, and ffmpeg on real ones."""

import os
import pickle
import re
import shutil
import struct
import subprocess
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.errors import VideoError
from wtal.video import decode as video
from wtal.video.decode import FrameReader, probe

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
MILLISECOND = Fraction(1, 1000)


def painted(number: int, width: int = 64, height: int = 48, pixel: str = "rgb24") -> av.VideoFrame:
    """A picture that carries a number: eight columns of bits in two rows, white for 1."""
    bits = [(number >> bit) & 1 for bit in range(16)]
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 8 // width
    grey = np.array(bits, np.uint8).reshape(2, 8)[rows[:, None], columns[None]] * 255
    frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), "rgb24")
    return frame.reformat(format=pixel)


def number_of(picture: np.ndarray) -> int:
    """The number a picture carries."""
    height, width = picture.shape[:2]
    rows, columns = (np.arange(2) * 2 + 1) * height // 4, (np.arange(8) * 2 + 1) * width // 16
    bits = picture[rows[:, None], columns[None], 1].ravel() > 127
    return int(sum(1 << place for place, bit in enumerate(bits) if bit))


def make(
    path, stamps, unit=MILLISECOND, codec="libx264", pixel="yuv420p", size=(64, 48), rate=25, last=None, **options
):
    """Write one numbered picture at each time stamp (of ``unit`` seconds)."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixel
        stream.codec_context.time_base = unit
        for number, stamp in enumerate(stamps):
            frame = painted(number, *size, pixel)
            frame.pts, frame.time_base = int(stamp), unit
            container.mux(stream.encode(frame))
        container.start_encoding()
        container.mux(stream.encode(None))
    return path


def steady(path, count, rate, **options):
    """Write numbered pictures at a constant rate."""
    return make(path, range(count), 1 / Fraction(rate), rate=Fraction(rate), **options)


def with_sound(path, pictures_s, sound_s):
    """Write numbered pictures, 25 a second, and silence; each from one time to another."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4" if path.suffix != ".flv" else "flv1", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        tone = container.add_stream("aac", rate=16000)
        parts = []
        for number in range(25 * pictures_s[0], 25 * pictures_s[1]):
            frame = painted(number, pixel="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            parts.append((frame.time, pictures, frame))
        for number in range(16000 * sound_s[0], 16000 * sound_s[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, number, Fraction(1, 16000)
            parts.append((frame.time, tone, frame))
        for _, stream, frame in sorted(parts, key=lambda part: part[0]):
            container.mux(stream.encode(frame))
        for stream in (pictures, tone):
            container.mux(stream.encode(None))
    return path


def numbers(reader):
    return [number_of(picture) for picture in reader]


def slow_clock(times_s, fps, end_s):
    """What is on the screen at each frame: the last picture whose nearest frame has come."""
    frames = [int(t * fps + Fraction(1, 2)) for t in times_s]
    count = max(int(end_s * fps + Fraction(1, 2)), frames[-1], 1)
    return [max(i for i, frame in enumerate(frames) if frame <= n) for n in range(count)]


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
@pytest.mark.parametrize("rate", [24, 25, 30, 60, Fraction(30000, 1001)])
def test_a_constant_rate(tmp_path, name, rate):
    reader = FrameReader(steady(tmp_path / name, 120, rate, codec="mpeg4"), short_side=None)
    shown = numbers(reader)
    assert shown == slow_clock([n / Fraction(rate) for n in range(120)], 25, 120 / Fraction(rate))
    assert reader.damage is None
    assert reader.duration_s == pytest.approx(120 / rate, abs=0.021)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=30), st.sampled_from([5, 25, 30]))
def test_a_variable_rate(tmp_path_factory, steps, fps):
    path = tmp_path_factory.mktemp("vfr") / "a.mkv"
    stamps = np.cumsum([0, *steps])
    reader = FrameReader(make(path, stamps, codec="ffv1"), fps=fps, short_side=None)
    shown = numbers(reader)
    times = [Fraction(int(stamp), 1000) for stamp in stamps]
    expected = slow_clock(times, fps, times[-1])
    assert shown[: len(expected)] == expected
    assert set(shown[len(expected) :]) <= {len(stamps) - 1}
    assert len(shown) - len(expected) <= fps / 25 + 1
    assert reader.damage is None


def test_pictures_are_reordered(tmp_path):
    path = steady(tmp_path / "a.mp4", 60, 25)
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stamps != sorted(stamps)  # there are B-frames
    assert numbers(FrameReader(path, short_side=None)) == list(range(60))


def test_two_passes_and_two_threads_agree(tmp_path):
    path = steady(tmp_path / "a.mp4", 50, 30)
    reader = pickle.loads(pickle.dumps(FrameReader(path, threads=2)))
    first, second = list(reader), list(reader)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, list(FrameReader(path)))
    assert all(picture.dtype == np.uint8 and picture.flags.c_contiguous for picture in first)


def test_frames_are_converted_on_demand(tmp_path, monkeypatch):
    path = steady(tmp_path / "a.mp4", 50, 50)
    converted = []
    plain = video._ToRGB.__call__
    monkeypatch.setattr(video._ToRGB, "__call__", lambda self, picture: converted.append(1) or plain(self, picture))
    frames = list(FrameReader(path, fps=100).frames())
    assert len(frames) == 100
    assert not converted
    assert number_of(frames[20].rgb()) == number_of(frames[21].rgb()) == 10
    assert frames[20].rgb(24).shape[0] == 24
    assert len(converted) == 2


def test_repeated_pictures_are_separate_arrays(tmp_path):
    shown = list(FrameReader(steady(tmp_path / "a.mp4", 5, 5), short_side=None))
    shown[0][:] = 7
    assert len(shown) == 25
    assert number_of(shown[1]) == 0


def test_a_picture_that_needs_no_conversion_is_copied(tmp_path):
    path = steady(tmp_path / "a.mov", 1, 25, codec="qtrle", pixel="rgb24")
    with av.open(str(path)) as container:
        (stored,) = container.decode(video=0)
    video._ToRGB(path, None)(stored)[:] = 255
    assert number_of(stored.to_ndarray()) == 0


@pytest.mark.parametrize(("rate", "converted"), [(60, 25), (10, 10)])
def test_only_shown_pictures_are_converted_and_once(tmp_path, monkeypatch, rate, converted):
    calls = []
    convert = video._ToRGB.__call__
    monkeypatch.setattr(video._ToRGB, "__call__", lambda self, picture: calls.append(1) or convert(self, picture))
    assert len(list(FrameReader(steady(tmp_path / "a.mp4", rate, rate)))) == 25
    assert len(calls) == converted


def test_one_picture(tmp_path):
    assert numbers(FrameReader(steady(tmp_path / "a.mp4", 1, 60), short_side=None)) == [0]
    assert probe(tmp_path / "a.mp4").duration_s == pytest.approx(1 / 60, abs=1e-3)


def test_time_is_counted_from_the_first_picture(tmp_path):
    path = make(tmp_path / "a.nut", range(5000, 7000, 40), codec="ffv1")
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).time == 5
    reader = FrameReader(path, short_side=None)
    assert numbers(reader) == list(range(50))
    assert reader.damage is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_times_are_those_that_a_player_shows(tmp_path, name):
    """Sound from 0 to 3 s, a picture from 2 to 3 s."""
    path = with_sound(tmp_path / name, pictures_s=(2, 3), sound_s=(0, 3))
    reader = FrameReader(path, short_side=None)
    assert len(list(reader.frames())) == 25
    assert reader.start_s == pytest.approx(2, abs=0.07)  # the encoder of the sound adds 0.064 s in front
    assert (reader.duration_s, probe(path).duration_s) == pytest.approx((3, 3), abs=0.1)
    assert probe(path).start_s == reader.start_s
    assert reader.damage is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_sound_that_begins_after_the_picture_shifts_nothing(tmp_path, name):
    reader = FrameReader(with_sound(tmp_path / name, pictures_s=(0, 2), sound_s=(1, 2)), short_side=None)
    assert len(list(reader.frames())) == 50
    assert (reader.start_s, reader.duration_s) == (0, 2)


def test_a_silent_mp4_begins_where_its_edit_list_says(tmp_path):
    path = make(tmp_path / "a.mp4", range(4000, 6000, 40), avoid_negative_ts="disabled")
    reader = FrameReader(path, short_side=None)
    assert numbers(reader) == list(range(50))
    assert (reader.start_s, reader.duration_s, probe(path).duration_s) == (4, 6, 6)


def test_pictures_that_an_edit_list_leaves_out(tmp_path):
    path = make(tmp_path / "a.mp4", range(-400, 1600, 40), avoid_negative_ts="disabled")
    reader = FrameReader(path, short_side=None)
    assert numbers(reader) == list(range(10, 50))
    assert reader.damage is None


def test_the_first_time_stamps_are_missing(tmp_path):
    path = make(tmp_path / "a.mkv", range(-400, 1600, 40), avoid_negative_ts="disabled")
    with av.open(str(path)) as container:
        assert [frame.pts for frame in container.decode(video=0)][8:12] == [None, None, 0, 40]
    assert numbers(FrameReader(path, short_side=None)) == list(range(50))


def test_missing_time_stamps(tmp_path):
    path = steady(tmp_path / "a.h264", 40, 25)
    assert numbers(FrameReader(path, short_side=None)) == list(range(40))


def test_time_that_restarts(tmp_path):
    once = steady(tmp_path / "a.ts", 50, 25, codec="mpeg2video").read_bytes()
    (tmp_path / "twice.ts").write_bytes(once * 2)
    reader = FrameReader(tmp_path / "twice.ts", short_side=None)
    assert numbers(reader) == [*range(50)] * 2
    assert "time stamps that jump by -2.0 s at 2.0 s" in reader.damage


def test_a_gap_of_hours_is_closed(tmp_path):
    stamps = [*range(0, 1000, 40), *range(36_000_000, 36_001_000, 40)]
    reader = FrameReader(make(tmp_path / "a.mkv", stamps, codec="ffv1"), short_side=None)
    assert numbers(reader) == list(range(50))
    assert "jump by 35999.0 s at 1.0 s" in reader.damage


def test_no_video_is_longer_than_a_day(tmp_path):
    path = make(tmp_path / "a.mkv", range(0, 100_000_000, 500_000), codec="ffv1")
    reader = FrameReader(path, fps=0.1, short_side=None)
    assert sum(1 for _ in reader) == 8640
    assert "is cut after 86400 s" in reader.damage


def test_a_long_still_picture_is_held(tmp_path):
    reader = FrameReader(make(tmp_path / "a.mkv", [0, 40, 60_000], codec="ffv1"), fps=2, short_side=None)
    assert numbers(reader) == [1] * 120 + [2] * (len(numbers(reader)) - 120)
    assert reader.damage is None


def turned(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Put a display matrix into the track header of an mp4."""
    data, one = bytearray(path.read_bytes()), 1 << 16
    at = data.index(struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "turns"), [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_a_phone_held_upright(tmp_path, matrix, turns):
    plain = steady(tmp_path / "a.mp4", 12, 25, size=(96, 48))
    stored = list(FrameReader(plain, short_side=None))
    path = turned(plain, *matrix)
    reader = FrameReader(path, short_side=None)
    shown = list(reader)
    np.testing.assert_array_equal(shown, [np.rot90(picture, turns) for picture in stored])
    assert all(picture.flags.c_contiguous for picture in shown)
    info = probe(path)
    assert (info.height, info.width, info.rotation) == (*shown[0].shape[:2], turns * 90)
    assert next(iter(FrameReader(path, short_side=24))).shape[:2] == ((24, 48) if turns % 2 == 0 else (48, 24))
    if shutil.which("ffmpeg"):
        np.testing.assert_allclose(shown, of_ffmpeg(path, 25, *shown[0].shape[:2]), atol=2)


def test_odd_sizes(tmp_path):
    path = steady(tmp_path / "a.mkv", 3, 25, codec="ffv1", pixel="bgr0", size=(67, 51))
    assert next(iter(FrameReader(path, short_side=None))).shape == (51, 67, 3)
    assert next(iter(FrameReader(path, short_side=256))).shape == (256, 336, 3)
    assert numbers(FrameReader(path)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("codec", "pixel"), [("ffv1", "yuv420p10le"), ("ffv1", "yuva420p"), ("ffv1", "gray"), ("png", "rgba")]
)
def test_pixels_of_other_kinds(tmp_path, codec, pixel):
    path = steady(tmp_path / "a.nut", 5, 25, codec=codec, pixel=pixel)
    shown = list(FrameReader(path, short_side=None))
    assert [number_of(picture) for picture in shown] == list(range(5))
    assert shown[1].min() <= 3
    assert shown[1].max() >= 252  # the full range


def test_the_size_of_the_first_picture_stays(tmp_path):
    small = steady(tmp_path / "small.ts", 50, 25, codec="mpeg2video", size=(64, 48)).read_bytes()
    large = steady(tmp_path / "large.ts", 50, 25, codec="mpeg2video", size=(128, 96)).read_bytes()
    (tmp_path / "both.ts").write_bytes(small + large)
    shown = list(FrameReader(tmp_path / "both.ts", short_side=None))
    assert {picture.shape for picture in shown} == {(48, 64, 3)}
    assert [number_of(picture) for picture in shown] == [*range(49), *range(50)]  # the decoder drops one


def test_the_first_video_stream_and_no_cover(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover, first, second = (container.add_stream(codec, rate=25) for codec in ("mjpeg", "mpeg4", "mpeg4"))
        for stream, pixel in ((cover, "yuvj420p"), (first, "yuv420p"), (second, "yuv420p")):
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixel
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(painted(999, pixel="yuvj420p")))
        for number in range(10):
            container.mux(first.encode(painted(number, pixel="yuv420p")))
            container.mux(second.encode(painted(100 + number, pixel="yuv420p")))
        for stream in (cover, first, second):
            container.mux(stream.encode(None))
    assert numbers(FrameReader(path, short_side=None)) == list(range(10))


@pytest.mark.parametrize(("name", "duration"), [("v_GGSY1Qvo990.mp4", "18.0"), ("plastering.avi", "54.0")])
def test_a_cut_file_is_read_up_to_its_end(shared, tmp_path, capfd, name, duration):
    path = shared / "data" / "videos" / name
    (tmp_path / name).write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    cut = FrameReader(tmp_path / name, fps=5, short_side=64)
    shown = list(cut)
    expected = list(FrameReader(path, fps=5, short_side=64))
    assert 0.4 < len(shown) / len(expected) < 0.8
    np.testing.assert_array_equal(shown[:-3], expected[: len(shown) - 3])
    seconds = float(re.search(rf"{name} ends after (\S+) of {duration} s: the rest is cut off", cut.damage)[1])
    assert seconds == pytest.approx(cut.duration_s, abs=0.11)
    assert capfd.readouterr() == ("", "")


def test_a_cut_mp4_without_its_index(tmp_path):
    path = steady(tmp_path / "a.mp4", 100, 25)
    os.truncate(path, path.stat().st_size * 6 // 10)
    with pytest.raises(VideoError, match="its index is cut off"):
        probe(path)


def test_a_cut_mp4_with_its_index_in_front(tmp_path, capfd):
    path = steady(tmp_path / "a.mp4", 100, 25, movflags="faststart")
    os.truncate(path, path.stat().st_size * 6 // 10)
    reader = FrameReader(path, short_side=None)
    shown = numbers(reader)
    assert shown[:-3] == list(range(len(shown) - 3))
    assert 5 < len(shown) < 90
    assert f"ends after {len(shown) / 25:.1f} of 4.0 s: the rest is cut off or damaged" in reader.damage
    assert capfd.readouterr() == ("", "")


def test_a_damaged_picture_is_left_out_and_the_one_before_held(tmp_path, capfd):
    path = steady(tmp_path / "a.mov", 20, 25, codec="png", pixel="rgb24")
    with av.open(str(path)) as container:
        at, size = [(packet.pos, packet.size) for packet in container.demux(video=0)][7]
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes(size) + data[at + size :])
    reader = FrameReader(path, short_side=None)
    assert numbers(reader) == [*range(7), 6, *range(8, 20)]
    assert "has damaged pictures that are left out (1)" in reader.damage
    assert capfd.readouterr() == ("", "")


def test_sound_may_be_longer_than_the_pictures(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("ffv1", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        tone = container.add_stream("aac", rate=16000)
        for number in range(25):
            container.mux(pictures.encode(painted(number, pixel="yuv420p")))
        for number in range(63):  # four seconds
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, 1024 * number
            container.mux(tone.encode(frame))
        for stream in (pictures, tone):
            container.mux(stream.encode(None))
    reader = FrameReader(path, short_side=None)
    assert numbers(reader) == list(range(25))
    assert probe(path).duration_s == pytest.approx(4, abs=0.2)  # that of the container
    assert reader.damage is None
    os.truncate(path, path.stat().st_size * 6 // 10)
    numbers(reader)
    assert "the rest is cut off or damaged" in reader.damage


def sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


def sound_in_mp4(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_files_that_are_not_videos(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("Not a video at all.\n" * 100)
    (tmp_path / "noise.avi").write_bytes(np.random.default_rng(0).bytes(100_000))
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, message in {
        "missing.mp4": "does not exist",
        "empty.mp4": "is empty",
        "text.mp4": "not a readable video",
        "noise.avi": "not a readable video",
        "pipe.mp4": "is not a file",
        ".": "is not a file",
        sound(tmp_path / "sound.wav").name: "not a readable video",
        sound_in_mp4(tmp_path / "sound.mp4").name: "has no video stream, only audio",
        steady(tmp_path / "none.avi", 0, 25, codec="mpeg4").name: "no picture can be decoded",
    }.items():
        for read in (probe, lambda path: next(iter(FrameReader(path)))):
            with pytest.raises(VideoError, match=message) as error:
                read(tmp_path / name)
            assert str(tmp_path) in str(error.value)
            assert "\n" not in str(error.value)


def test_a_file_without_permission(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    path = steady(tmp_path / "a.mp4", 1, 25)
    monkeypatch.setattr(Path, "open", forbidden)  # root may read everything
    with pytest.raises(VideoError, match="cannot be read: Permission denied"):
        probe(path)


def test_an_unknown_codec(tmp_path):
    path = steady(tmp_path / "a.avi", 5, 25, codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"zZzZ"))
    with pytest.raises(VideoError, match="codec of its video is unknown"):
        probe(path)


def test_references_to_other_files_are_refused(tmp_path):
    target = steady(tmp_path / "target.ts", 25, 25, codec="mpeg2video")
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {target.name}\n")
    for name in ("list.mp4", "concat.mp4"):
        with pytest.raises(VideoError, match="not a readable video"):
            probe(tmp_path / name)


@pytest.mark.parametrize("size", ["W60000 H60000", "W4 H16000"])
def test_forged_sizes(tmp_path, size):
    path = tmp_path / "a.y4m"
    path.write_bytes(f"YUV4MPEG2 {size} F25:1\nFRAME\n".encode() + bytes(100_000))
    with pytest.raises(VideoError, match=r"no picture can be decoded|too narrow for a video|not a readable video"):
        next(iter(FrameReader(path)))


def test_impossible_settings(tmp_path):
    for wrong in ({"fps": 0}, {"fps": float("nan")}, {"threads": 0}, {"short_side": 0}):
        with pytest.raises(ValueError, match="must be positive"):
            FrameReader(tmp_path, **wrong)


def of_ffmpeg(path, fps, height, width):
    """All frames of ffmpeg's own resampling."""
    command = f"ffmpeg -v error -i {path} -an -vf fps={fps} -fps_mode passthrough -sws_flags bilinear -pix_fmt rgb24"
    raw = subprocess.run([*command.split(), "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "fps", "count"),
    [("v_GGSY1Qvo990.mp4", 25, 451), ("v_ZNVhz7ctTq0.mp4", 10, 140), ("plastering.avi", 5, 270)],
)
def test_real_videos_agree_with_ffmpeg(shared, name, fps, count):
    path = shared / "data" / "videos" / name
    info = probe(path)
    shown = list(FrameReader(path, fps=fps, short_side=None))
    expected = of_ffmpeg(path, fps, info.height, info.width)
    assert len(shown) == len(expected) == count
    for mine, other in zip(shown, expected, strict=True):
        assert np.abs(mine.astype(np.int16) - other).max() <= 2


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_times_are_those_of_ffprobe(shared):
    path = shared / "data" / "videos" / "v_GGSY1Qvo990.mp4"
    command = "ffprobe -v error -select_streams v:0 -show_entries frame=pts_time -of csv=p=0"
    printed = subprocess.run([*command.split(), str(path)], capture_output=True, check=True, text=True).stdout
    times = [Fraction(line.strip(",")) for line in printed.split()]
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(stored) == len(times)
    order = slow_clock([t - times[0] for t in times], 25, Fraction(probe(path).duration_s))
    for picture, index in zip(FrameReader(path, short_side=None), order, strict=True):
        np.testing.assert_array_equal(picture, stored[index])
