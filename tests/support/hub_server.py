"""A Hub on the loopback interface, for the real client: repositories, large files, commits, faults.

``python tests/support/hub_server.py`` serves an empty one until interrupted and prints its
address; the client takes it from HF_ENDPOINT. Large files live under another host name, as on the
real Hub.
"""

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_owner"
LARGE_SUFFIXES = (".safetensors", ".pth", ".png", ".jpg")
CHUNK = 16 * 1024
KINDS = ("models", "datasets", "spaces")


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """Commits, each the table of all its files, and the branches that name them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False
    forbidden: bool = False

    def commit(self, changes: dict[str, bytes], branch: str = "main") -> str:
        files = self.commits.get(self.branches.get(branch, ""), {}) | changes
        digests = sorted(f"{name} {git_sha1(content)}" for name, content in files.items())
        parent = self.branches.get(branch, "")
        sha = hashlib.sha1("\n".join([parent, *digests]).encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        return sha

    def find(self, revision: str) -> str | None:
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None


@dataclass
class Faults:
    """What goes wrong with large files.

    Args:
        cut: break the connection after so many bytes, once.
        corrupt: flip a bit of the content.
        truncate: serve only the first half, and say so.
        pause: seconds before each chunk.
        down: answer everything with this status.
        headers: of that answer.
        strict: answer 401 to every token but the owner's, also for what needs none.
        plain: leave out all that tells a Hub from another server.
    """

    cut: int | None = None
    corrupt: bool = False
    truncate: bool = False
    pause: float = 0.0
    down: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    method: str
    host: str
    path: str
    range: str | None
    authorised: bool


class Hub(ThreadingHTTPServer):
    """The server; ``repositories`` is keyed by "models/user/repo" and alike."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.faults = Faults()
        self.requests: list[Request] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def storage(self) -> str:
        """The same server by another name, as large files lie on another host."""
        return f"http://localhost:{self.server_address[1]}"

    def add(self, repo_id: str, files: dict[str, bytes], kind: str = "models") -> str:
        """A commit with ``files``, in a repository that is made if it is missing."""
        repository = self.repositories.setdefault(f"{kind}/{repo_id}", Repository())
        for name, content in files.items():
            if name.endswith(LARGE_SUFFIXES):
                self.large[hashlib.sha256(content).hexdigest()] = content
        return repository.commit(files)

    def files(self, repo_id: str, kind: str = "models") -> dict[str, bytes]:
        """What the main branch holds."""
        repository = self.repositories[f"{kind}/{repo_id}"]
        return repository.commits[repository.branches["main"]]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port, closed at the end."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request. Paths and headers are those that huggingface_hub uses."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        """Nothing: ``Hub.requests`` is the log."""

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        path = urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        host = (self.headers.get("Host") or "").partition(":")[0]
        request = Request(self.command, host, path, self.headers.get("Range"), authorised)
        self.server.requests.append(request)
        faults = self.server.faults
        if faults.down:
            self._answer(faults.down, b"", **faults.headers)
        elif faults.strict and not authorised and "Authorization" in self.headers:
            self._error(401, "", "Invalid credentials in Authorization header")
        elif faults.plain:
            self._answer(200, b"<html>welcome</html>")
        elif path.startswith("/large/"):
            self._large(path.removeprefix("/large/"))
        elif "/resolve/" in path:
            self._resolve(path)
        elif not authorised and not (self.command == "GET" and path.startswith("/api/models/")):
            self._error(401, "", "Invalid username or password.")
        else:
            self._api(path)

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: object, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, b"", X_Error_Code=code, X_Error_Message=message)

    def _repository(self, kind: str, repo_id: str) -> Repository | None:
        """The repository, or None after the error that the visitor gets."""
        found = self.server.repositories.get(f"{kind}/{repo_id}")
        authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if found is None or (found.private and not authorised):
            self._error(401, "RepoNotFound", "Repository not found")
        elif found.gated and not authorised:
            self._error(403, "GatedRepo", "Access to this repository is restricted")
        elif found.forbidden:
            self._error(403, "", "Your token lacks the permission")
        else:
            return found
        return None

    def _resolve(self, path: str) -> None:
        above, _, below = path.strip("/").partition("/resolve/")
        kind, *names = above.split("/") if above.count("/") == 2 else ["models", *above.split("/")]
        revision, _, name = below.partition("/")
        repository = self._repository(kind, "/".join(names))
        if repository is None:
            return
        sha = repository.find(unquote(revision))
        if sha is None:
            self._error(404, "RevisionNotFound", "Invalid rev id")
            return
        content = repository.commits[sha].get(unquote(name))
        if content is None:
            self._answer(404, b"", X_Repo_Commit=sha, X_Error_Code="EntryNotFound")
        elif name.endswith(LARGE_SUFFIXES):
            self._redirect(sha, name, content)
        else:
            self._answer(200, content, X_Repo_Commit=sha, ETag=f'"{git_sha1(content)}"')

    def _redirect(self, sha: str, name: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self._answer(
            302,
            b"",
            Location=f"{self.server.storage}/large/{digest}?{name}",
            X_Repo_Commit=sha,
            X_Linked_Size=str(len(content)),
            X_Linked_Etag=f'"{digest}"',
        )

    def _large(self, digest: str) -> None:
        if self.command == "PUT":
            assert hashlib.sha256(self.body).hexdigest() == digest
            self.server.large[digest] = self.body
            self._answer(200, b"")
            return
        content, faults = self.server.large[digest], self.server.faults
        if faults.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if faults.truncate:
            content = content[: len(content) // 2]
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self._send_slowly(content, begin, faults)

    def _send_slowly(self, content: bytes, begin: int, faults: Faults) -> None:
        rest = content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(rest)))
        name = urlsplit(self.path).query
        self.send_header("Content-Disposition", f'inline; filename="{name}";')
        if begin:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
        self.end_headers()
        if faults.cut is not None:
            rest, faults.cut = rest[: faults.cut], None
            self.close_connection = True
        for start in range(0, len(rest), CHUNK):
            time.sleep(faults.pause)
            self.wfile.write(rest[start : start + CHUNK])

    def _api(self, path: str) -> None:
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            self._create(json.loads(self.body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path == "/api/whoami-v2":
            self._json({"name": "user", "type": "user"})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(self.body))
        elif parts[0] == "api" and parts[1] in KINDS and len(parts) >= 4:
            self._repository_api(parts[1], "/".join(parts[2:4]), parts[4:])
        else:
            self._error(404, "", f"no route {path}")

    def _create(self, wanted: dict[str, Any]) -> None:
        kind = wanted.get("type", "model") + "s"
        repo_id = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
        prefix = "" if kind == "models" else f"/{kind}"
        address = {"url": f"{self.server.endpoint}{prefix}/{repo_id}", "name": repo_id}
        there = f"{kind}/{repo_id}" in self.server.repositories
        if not there:
            self.server.repositories[f"{kind}/{repo_id}"] = Repository()
        self._json(address, 409 if there else 200)

    def _batch(self, wanted: dict[str, Any]) -> None:
        rows = []
        for row in wanted["objects"]:
            action = {"upload": {"href": f"{self.server.storage}/large/{row['oid']}"}}
            known = row["oid"] in self.server.large
            rows.append({**row} if known else {**row, "actions": action})
        self._json({"transfer": "basic", "objects": rows})

    def _repository_api(self, kind: str, repo_id: str, rest: list[str]) -> None:
        repository = self._repository(kind, repo_id)
        if repository is None:
            return
        action, revision, *_ = [*rest, "", ""]
        if action == "preupload":
            self._json({"files": [_upload_mode(row) for row in json.loads(self.body)["files"]]})
        elif action == "commit":
            sha = repository.commit(self._changes(), unquote(revision))
            self._json({"commitUrl": f"{self.server.endpoint}/{repo_id}/commit/{sha}"}
                       | {"commitOid": sha, "success": True})  # fmt: skip
        elif action in ("", "revision"):
            sha = repository.find(unquote(revision) or "main") or ""
            names = [{"rfilename": name} for name in repository.commits.get(sha, {})]
            self._json({"id": repo_id, "sha": sha or None, "siblings": names})
        else:
            self._error(404, "", f"no route {self.path}")

    def _changes(self) -> dict[str, bytes]:
        changes = {}
        for line in self.body.splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                changes[value["path"]] = self.server.large[value["oid"]]
        return changes


def _upload_mode(row: dict[str, Any]) -> dict[str, Any]:
    mode = "lfs" if row["path"].endswith(LARGE_SUFFIXES) else "regular"
    return {"path": row["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}


if __name__ == "__main__":
    with serving() as running:
        sys.stdout.write(f"HF_ENDPOINT={running.endpoint} HF_TOKEN={TOKEN}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write("closed\n")
