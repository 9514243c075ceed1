"""A local server that speaks as much of the Hugging Face Hub's HTTP interface as pushing and pulling need."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

_LARGE = (".safetensors", ".npy")  # go through the storage of large files, as on the Hub


@dataclass
class FakeHub:
    """Repositories by ``models/user/repo`` or ``datasets/user/repo``: the files of each commit, the newest last."""

    url: str = ""
    repos: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)  # digests of the large files that were uploaded
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path and `Range` of each request
    cut_downloads: int = 0  # downloads of large files that break off halfway
    failing_uploads: int = 0  # uploads of large files that are refused

    def files(self, repo: str, kind: str = "models") -> dict[str, bytes]:
        """The files of the newest commit."""
        return self.repos[f"{kind}/{repo}"][-1]

    def put(self, repo: str, files: dict[str, bytes], kind: str = "models") -> None:
        """Commit files, as their author may do without any check."""
        self.repos.setdefault(f"{kind}/{repo}", []).append(files)

    def commit_id(self, key: str, number: int) -> str:
        """Forty hexadecimal digits."""
        return hashlib.sha1(f"{key} {number}".encode()).hexdigest()

    def at(self, key: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Id and files of a commit; None without it."""
        commits = self.repos.get(key, [])
        ids = [self.commit_id(key, number) for number in range(len(commits))]
        if revision == "main" and commits:
            return ids[-1], commits[-1]
        return (revision, commits[ids.index(revision)]) if revision in ids else None


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Be silent."""

    def _answer(self, status: int, content: object = b"", **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _missing(self, code: str) -> None:
        self._answer(404, {"error": "not found"}, X_Error_Code=code)

    def _path(self) -> str:
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        return path

    def do_POST(self) -> None:
        path, body = self._path(), self._body()
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer(200, {"warnings": [], "errors": []})
        elif found := re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)/preupload/main", path):
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(_LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [{"oid": one["oid"], "size": one["size"]} for one in json.loads(body)["objects"]]
            for one in objects:
                if one["oid"] not in self.hub.large:
                    one["actions"] = {"upload": {"href": f"{self.hub.url}/storage/{one['oid']}"}}
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif found := re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)/commit/main", path):
            self._commit(found[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._missing("EntryNotFound")

    def _create(self, content: dict[str, str]) -> None:
        kind, name = f"{content.get('type', 'model')}s", f"{content['organization']}/{content['name']}"
        prefix = "datasets/" if kind == "datasets" else ""
        status = 409 if f"{kind}/{name}" in self.hub.repos else 200
        if content["organization"] == "stranger":
            status = 403
        else:
            self.hub.repos.setdefault(f"{kind}/{name}", [])
        self._answer(status, {"url": f"{self.hub.url}/{prefix}{name}"})

    def _commit(self, key: str, lines: list[dict]) -> None:
        commits = self.hub.repos[key]
        files = dict(commits[-1]) if commits else {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        commits.append(files)
        oid = self.hub.commit_id(key, len(commits) - 1)
        self._answer(200, {"commitUrl": f"{self.hub.url}/{key}/commit/{oid}", "commitOid": oid})

    def do_PUT(self) -> None:
        oid, body = self._path().rpartition("/")[2], self._body()
        if self.hub.failing_uploads:
            self.hub.failing_uploads -= 1
            self._answer(403, {"error": "no room"})
            return
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.hub.sent.append(oid)
        self._answer(200)

    def do_GET(self) -> None:
        path = self._path()
        if found := re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self._listing(found[1], found[2], found[3] or "main")
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(f"{found[1] or 'models/'}{found[2]}", found[3], found[4])
        else:
            self._missing("EntryNotFound")

    do_HEAD = do_GET  # noqa: N815

    def _listing(self, key: str, what: str | None, revision: str) -> None:
        commit = self.hub.at(key, revision)
        if commit is None:
            self._missing("RepoNotFound" if key not in self.hub.repos else "RevisionNotFound")
            return
        oid, files = commit
        if what == "tree":
            self._answer(200, [self._entry(name, content) for name, content in files.items()])
            return
        siblings = [{"rfilename": name} for name in files]
        self._answer(200, {"id": key.partition("/")[2], "sha": oid, "siblings": siblings, "tags": []})

    def _entry(self, name: str, content: bytes) -> dict:
        entry = {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        if name.endswith(_LARGE):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _file(self, key: str, revision: str, name: str) -> None:
        commit = self.hub.at(key, revision)
        if commit is None or name not in commit[1]:
            self._missing("EntryNotFound")
            return
        content = commit[1][name]
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit[0]}
        if self.command == "HEAD":
            self.send_response(200)
            for header, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(header, value)
            self.end_headers()
            return
        begin = int(re.sub(r"\D", "", self.headers.get("Range", "").partition("-")[0]) or 0)
        self.send_response(206 if begin else 200)
        rest = content[begin:]
        for header, value in {**headers, "Content-Length": str(len(rest))}.items():
            self.send_header(header, value)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if name.endswith(_LARGE) and self.hub.cut_downloads:
            self.hub.cut_downloads -= 1
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(rest)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub of one's own, with an empty cache and no waiting before a transfer is tried again."""
    pytest.importorskip("huggingface_hub", reason="needs wtal[hub]")
    import huggingface_hub.constants

    fake = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": fake}))
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # by which it writes; small files are whole chunks
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
