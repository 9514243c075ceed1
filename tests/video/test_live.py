"""Pictures of files, cameras and network streams, as they come."""

import io
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from threading import Thread

import av
import cv2
import numpy as np
import pytest

from wtal.errors import VideoError
from wtal.video.decode import FrameReader
from wtal.video.live import _WAITING, LiveReader, _Ahead


def pictures(count, size=(64, 48)):
    return [np.full((size[1], size[0], 3), 5 * n % 250, np.uint8) for n in range(count)]


def transport_stream(count, fps=25):
    """A film of a few pictures as a broadcast sends it."""
    made = io.BytesIO()
    with av.open(made, "w", format="mpegts") as file:
        stream = file.add_stream("mpeg2video", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pixels in pictures(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        file.mux(stream.encode(None))
    return made.getvalue()


def answer(number, rest):
    return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{rest}".encode()


def serve(server, content):
    """A server of one stream for one client, which hangs up after the content."""
    client, _ = server.accept()
    with client:
        waiting = b""
        while b"PLAY" not in waiting.split(b" ")[0]:
            waiting = b""
            while b"\r\n\r\n" not in waiting:
                waiting += client.recv(4096)
            verb, number = waiting.split(b" ")[0].decode(), re.search(rb"CSeq: (\d+)", waiting)[1].decode()
            sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
            rest = {
                "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
                "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}",
                "SETUP": "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
                "PLAY": "Session: 1\r\n\r\n",
            }[verb]
            client.sendall(answer(number, rest))
        for count, begin in enumerate(range(0, len(content), 7 * 188)):
            payload = content[begin : begin + 7 * 188]
            packet = struct.pack("!BBHII", 0x80, 33, count % 65536, 3600 * count, 1) + payload
            client.sendall(struct.pack("!BBH", 0x24, 0, len(packet)) + packet)


@contextmanager
def rtsp(content) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve, args=(server, content), daemon=True)
        thread.start()
        yield f"rtsp://user:secret@127.0.0.1:{server.getsockname()[1]}/stream"
        thread.join(20)


def test_a_file_is_read_as_a_frame_reader_reads_it_as_often_as_is_said(tmp_path, painted_video):
    film = painted_video(tmp_path / "film.mp4", 12, (64, 48))
    expected = list(FrameReader(film, 10.0, None))
    live = LiveReader(str(film), 10.0, passes=2)
    found = [frame.rgb() for frame in live.frames()]
    assert live.is_file
    assert len(found) == live.count == 2 * len(expected)
    for one, other in zip(found, expected + expected, strict=True):
        np.testing.assert_array_equal(one, other)
    endless = LiveReader(str(film), passes=None).frames()
    assert len(list(islice(endless, 50))) == 50


def test_a_network_stream_is_read_until_it_is_lost_and_its_password_is_not_told():
    content = transport_stream(30)
    with rtsp(content) as address:
        live, found = LiveReader(address, fps=25.0), []
        with pytest.raises(
            VideoError, match=r"^rtsp://127.0.0.1:\d+/stream has sent nothing more after 1\.\d s"
        ) as error:
            found.extend(frame.rgb(24) for frame in live.frames())
    assert "secret" not in str(error.value)
    assert 25 <= len(found) == live.count <= 30
    assert found[0].shape == (24, 32, 3)
    assert abs(float(found[20].mean()) - 100) < 6


def test_an_address_without_a_server_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(VideoError, match=rf"^rtsp://127.0.0.1:{port}/x cannot be opened .*look at the address"):
        next(LiveReader(f"rtsp://a:b@127.0.0.1:{port}/x").frames())


@pytest.mark.parametrize("source", ["http://host/film.m3u8", "file:///etc/passwd", "concat://a|b"])
def test_other_addresses_are_refused(source):
    with pytest.raises(VideoError, match="begins with rtsp://"):
        LiveReader(source)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        LiveReader(str(tmp_path / "none.mp4"))


class Camera:
    """Gives a few pictures, 20 ms apart."""

    def __init__(self, number):
        self.number, self.left = number, pictures(6)

    def isOpened(self):  # noqa: N802  OpenCV's name
        return self.number == 3

    def read(self):
        time.sleep(0.02)
        return (True, self.left.pop(0)) if self.left else (False, None)

    def release(self):
        self.number = None


def test_a_camera_is_read_by_the_clock(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    live, found = LiveReader("/dev/video3", fps=100.0), []
    with pytest.raises(VideoError, match="/dev/video3 has sent nothing more"):
        found.extend(int(frame.rgb().mean()) for frame in live.frames())
    assert len(found) >= 9  # 5 gaps of at least 2 frames
    assert found == sorted(found)
    assert len(set(found)) >= 4
    with pytest.raises(VideoError, match="Camera 0 cannot be opened"):
        next(LiveReader("0").frames())


def test_what_comes_too_fast_is_left_out_the_oldest_first():
    ahead = _Ahead(iter(range(500)))
    deadline = time.monotonic() + 5
    while not ahead._is_over and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(ahead) == list(range(500 - _WAITING, 500))
    assert ahead.left_out == 500 - _WAITING


def test_an_error_in_the_thread_reaches_the_reader():
    def broken():
        yield 1
        raise VideoError("broken")

    items = iter(_Ahead(broken()))
    assert next(items) == 1
    with pytest.raises(VideoError, match="broken"):
        next(items)
