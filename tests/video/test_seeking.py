"""Frames that are sought are those of a pass from the beginning."""

from fractions import Fraction

import av
import numpy as np
import pytest

from wtal.errors import VideoError
from wtal.video import FrameReader
from wtal.video.seeking import frames_at


def write(path, stamps, codec="mpeg4", unit=Fraction(1, 100), **options):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 10
        stream.codec_context.time_base = unit
        for n, stamp in enumerate(stamps):
            pixels = np.full((48, 64, 3), (7 * n) % 256, np.uint8)
            pixels[:, : (3 * n) % 64] //= 2
            picture = av.VideoFrame.from_ndarray(pixels)
            picture.pts, picture.time_base = stamp, unit
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


STEADY = [4 * n for n in range(150)]
CASES = {
    "steady.mp4": {"stamps": STEADY},
    "b_frames.mp4": {"stamps": STEADY, "bf": "2"},
    "late.mkv": {"stamps": [500 + s for s in STEADY]},
    "uneven.mkv": {"stamps": np.cumsum(np.random.default_rng(0).integers(1, 12, 150)).tolist()},
    "broadcast.ts": {"stamps": STEADY, "codec": "mpeg2video"},
    "film.avi": {"stamps": STEADY},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fps", [25, 10.0])
def test_sought_frames_are_those_of_a_pass_from_the_beginning(tmp_path, name, fps):
    path = write(tmp_path / name, **CASES[name])
    reader = FrameReader(path, fps, short_side=None)
    whole = list(reader)
    end = len(whole)
    runs = [range(0, 3), range(5, 6), range(end // 2, end // 2 + 8), range(end - 4, end + 5), range(end + 9, end + 12)]
    found = [[frame.rgb() for frame in run] for run in frames_at(path, fps, runs)]
    assert [len(run) for run in found] == [3, 1, 8, 4, 0]
    for run, pictures in zip(runs, found, strict=True):
        for index, picture in zip(run, pictures, strict=False):
            assert (picture == whole[index]).all(), index


def test_runs_that_go_back_are_found_too(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY)
    whole = list(FrameReader(path, 25, short_side=None))
    (first,), (second,) = frames_at(path, 25, [range(120, 121), range(7, 8)])
    assert (first.rgb() == whole[120]).all()
    assert (second.rgb() == whole[7]).all()


def test_most_pictures_are_not_decoded(tmp_path, monkeypatch):
    decoded = []
    from wtal.video import seeking

    original = seeking.pictures_of
    monkeypatch.setattr(seeking, "pictures_of", lambda *a: (decoded.append(1) or p for p in original(*a)))
    path = write(tmp_path / "a.mp4", [4 * n for n in range(600)])
    assert [len(run) for run in frames_at(path, 25, [range(500, 516)])] == [16]
    assert len(decoded) < 60


def test_a_file_that_does_not_keep_what_its_packets_say_is_read_from_the_beginning(tmp_path):
    path = write(tmp_path / "jump.ts", [*range(0, 400, 4), *range(100_000, 100_200, 4)], codec="mpeg2video")
    whole = list(FrameReader(path, 25, short_side=None))
    found = list(frames_at(path, 25, [range(10, 12), range(120, 125)]))
    assert all(
        (frame.rgb() == whole[i]).all()
        for run, frames in zip((range(10, 12), range(120, 125)), found, strict=True)
        for i, frame in zip(run, frames, strict=True)
    )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"nowhere.mp4: the file does not exist"):
        list(frames_at(tmp_path / "nowhere.mp4", 25, [range(3)]))
