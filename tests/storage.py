"""Storage for tests: in memory, and a local S3 server with a line to it that can be cut."""

import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from wtal.io import remote_cache


@dataclass
class Storage:
    """The server.

    Args:
        bucket: Address of an empty bucket.
        port: The server's port.
        cuts: Number of answers that break off after some bytes.
    """

    bucket: str
    port: int
    cuts: int = 0
    after: int = 100_000

    def files(self) -> set[str]:
        """What is in the bucket."""
        storage = fsspec.filesystem("s3")
        storage.invalidate_cache()
        top = self.bucket.removeprefix("s3://")
        return {name.removeprefix(f"{top}/") for name in storage.find(top)}


def _forward(storage: Storage, client: socket.socket) -> None:
    """Pass on one connection; of the answer, only some bytes if it is to be cut."""
    with client, socket.create_connection(("127.0.0.1", storage.port)) as server:

        def ask() -> None:
            with suppress(OSError):  # the other direction was cut
                while content := client.recv(1 << 16):
                    server.sendall(content)
                server.shutdown(socket.SHUT_WR)

        threading.Thread(target=ask, daemon=True).start()
        passed = 0
        while content := server.recv(1 << 14):
            passed += len(content)
            if passed > storage.after and storage.cuts:
                storage.cuts -= 1
                break
            client.sendall(content)
        client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """An S3 server of one's own with an empty bucket, behind a line that can be cut, and an empty cache."""
    if find_spec("moto") is None or find_spec("s3fs") is None:
        pytest.skip("needs a local S3 server: pip install 'wtal[remote]' 'moto[server]'")
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("WTAL_CACHE", str(tmp_path / "cache"))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")  # what another test has left
    urllib.request.urlopen(ask).close()
    storage = Storage("s3://bucket", port)
    line = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = line.accept()
            except OSError:  # closed
                return
            threading.Thread(target=_safely, args=(storage, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.getsockname()[1]}")
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="bucket")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield storage
    finally:
        line.close()
        server.stop()
        s3fs.S3FileSystem.clear_instance_cache()


def _safely(storage: Storage, client: socket.socket) -> None:
    with suppress(OSError):  # one of both has gone
        _forward(storage, client)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryFileSystem:
    """An empty storage, and an empty cache of 1 MiB."""
    monkeypatch.setenv("WTAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WTAL_CACHE_GIB", str(1 / 1024))
    monkeypatch.setattr(remote_cache, "_locks", {})
    storage = fsspec.filesystem("memory")
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]
    return storage
