"""A static host, as those for pages are."""

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


class Files(SimpleHTTPRequestHandler):
    """A static host that lets other sites read, as those for pages do.

    Args:
        tally: takes the bytes of the files that were handed out, by address.
        headers: sent with every answer.
        packed: files are sent compressed, and with that size.
    """

    def __init__(
        self,
        *args: Any,
        tally: Counter[str],
        headers: Mapping[str, str],
        packed: bool,
        **options: Any,
    ) -> None:
        self.tally, self.headers_sent, self.packed = tally, headers, packed
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not (self.packed and path.is_file()):
            return super().do_GET()
        content = gzip.compress(path.read_bytes(), 1)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content)
        self.tally[self.path] += len(content)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@contextmanager
def hosting(
    folder: Path,
    tally: Counter[str] | None = None,
    headers: Mapping[str, str] | None = None,
    packed: bool = False,
) -> Iterator[str]:
    """Serves a folder, counting bytes in ``tally``; gives its address."""
    handler = partial(
        Files,
        directory=folder,
        tally=Counter() if tally is None else tally,
        headers=headers or {},
        packed=packed,
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
