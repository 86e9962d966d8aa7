"""A static host, as those for pages are."""

from collections import Counter
from collections.abc import Iterator
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
    """

    def __init__(self, *args: Any, tally: Counter[str], **options: Any) -> None:
        self.tally = tally
        super().__init__(*args, **options)

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content)
        self.tally[self.path] += len(content)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@contextmanager
def hosting(folder: Path, tally: Counter[str] | None = None) -> Iterator[str]:
    """Serves a folder, counting bytes in ``tally``; gives its address."""
    handler = partial(Files, directory=folder, tally=Counter() if tally is None else tally)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
