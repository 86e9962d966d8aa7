"""An upload that is broken off leaves nothing of a visitor's picture on the server."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import gradio as gr
import pytest
from gradio.utils import get_upload_folder

from space.page import server

HEAD = (
    "POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
    "Content-Type: multipart/form-data; boundary=part\r\n\r\n"
    '--part\r\nContent-Disposition: form-data; name="files"; filename="face.png"\r\n'
    "Content-Type: image/png\r\n\r\n"
)
PATIENCE = 20
"""Seconds that a busy machine may take."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert get_upload_folder() == str(tmp_path)
    return tmp_path


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """Of a page with our part of the web application."""
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Image()
    page.launch(prevent_thread_lock=True, quiet=True, app_kwargs=server.app_options())
    yield int(page.server_port)
    page.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def wait_until(there: bool, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while bool(files(folder)) != there and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bool(files(folder)) == there


def test_a_broken_off_upload_is_gone(port: int, folder: Path) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HEAD.format(host=f"127.0.0.1:{port}").encode() + b"face" * 50_000)
        wait_until(True, folder)
    wait_until(False, folder)


def test_a_whole_upload_stays(port: int, folder: Path) -> None:
    body = '--part\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    content = f"{body}words\r\n--part--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=part"}
    address = f"http://127.0.0.1:{port}/gradio_api/upload"
    with urlopen(Request(address, content, headers), timeout=PATIENCE) as answer:
        (path,) = json.loads(answer.read())
    wait_until(True, folder)
    assert Path(path).read_bytes() == b"words"


def test_what_an_earlier_run_left_is_gone_after_an_hour(folder: Path) -> None:
    for name, age in (("tmpnew", 60), ("tmpold", 4000), ("map.png", 4000)):
        (folder / name).write_bytes(b"a part")
        os.utime(folder / name, (time.time() - age,) * 2)
    server.app_options()
    assert {path.name for path in files(folder)} == {"tmpnew", "map.png"}
