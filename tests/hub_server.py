"""A Hugging Face hub on this machine: what `huggingface_hub` asks of one, for repositories that a test makes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

CHUNK = 1 << 16


@dataclass
class Repository:
    """revisions: of branches and tags the commit; commits: of each its files."""

    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool = False
    token: str | None = None  # that a private one asks for

    def commit(self, files: dict[str, bytes], *, branch: str = "main") -> str:
        name = hashlib.sha1(repr((sorted(files.items()), branch, len(self.commits))).encode()).hexdigest()
        self.commits[name], self.revisions[branch] = files, name
        return name


@dataclass
class Hub:
    """asked: the requests so far; delay: seconds before each chunk of a file; status: answered to everything, if set."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    delay: float = 0.0
    status: int | None = None
    address: str = ""

    def add(self, name: str, files: dict[str, bytes], **how) -> Repository:
        self.repositories[name] = repository = Repository(**how)
        repository.commit(files)
        return repository

    @property
    def downloads(self) -> list[str]:
        """The names of the files that were sent."""
        return [
            path.split("/resolve/")[1].partition("/")[2]
            for path in self.asked
            if path.startswith("GET") and "/resolve/" in path
        ]


@contextmanager
def running():
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body: bool):
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.status is not None:
            return self._error(self.hub.status, "")
        if path.startswith("/api/models/"):
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            return self._about(name, revision or "main")
        name, sign, rest = path.removeprefix("/").partition("/resolve/")
        if not sign:
            return self._error(404, "")
        revision, _, file = rest.partition("/")
        return self._file(name, revision, file, body=body)

    def _found(self, name: str, revision: str):
        repository = self.hub.repositories.get(name)
        if repository is None or (
            repository.token and self.headers.get("authorization") != f"Bearer {repository.token}"
        ):
            return self._error(401, "RepoNotFound")
        commit = repository.revisions.get(revision, revision)
        if commit not in repository.commits:
            return self._error(404, "RevisionNotFound")
        return repository, commit

    def _about(self, name: str, revision: str):
        if found := self._found(name, revision):
            repository, commit = found
            files = [{"rfilename": file, "size": len(data)} for file, data in repository.commits[commit].items()]
            self._send(
                json.dumps({"id": name, "sha": commit, "siblings": files}).encode(),
                {"Content-Type": "application/json"},
            )

    def _file(self, name: str, revision: str, file: str, *, body: bool):
        found = self._found(name, revision)
        if not found:
            return
        repository, commit = found
        if repository.gated:
            return self._error(403, "GatedRepo")
        if file not in repository.commits[commit]:
            return self._error(404, "EntryNotFound")
        data = repository.commits[commit][file]
        self._send(data, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": commit}, body=body)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes, headers: dict[str, str], *, body: bool = True) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        for begin in range(0, len(data) if body else 0, CHUNK):
            time.sleep(self.hub.delay)
            try:
                self.wfile.write(data[begin : begin + CHUNK])
            except OSError:  # the client has gone
                return
