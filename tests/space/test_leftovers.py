"""Nothing of a visitor's picture is left on the server: of uploads that are broken off, of runs
that were ended, and while the server runs for long."""

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import gradio as gr
import pytest
from demo_server import cache_of, running
from gradio import route_utils
from gradio.utils import get_upload_folder

from space import demo, uploads
from space.page import leftovers, server
from space.settings import Settings

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


def upload(url: str) -> Path:
    body = '--part\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    content = f"{body}words\r\n--part--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=part"}
    address = f"{url}/gradio_api/upload"
    with urlopen(Request(address, content, headers), timeout=PATIENCE) as answer:
        (path,) = json.loads(answer.read())
    return Path(path)


def test_a_whole_upload_stays(port: int, folder: Path) -> None:
    path = upload(f"http://127.0.0.1:{port}")
    wait_until(True, folder)
    assert Path(path).read_bytes() == b"words"


def test_what_an_earlier_run_left_is_gone_after_an_hour(folder: Path) -> None:
    for name, age in (("tmpnew", 60), ("tmpold", 4000), ("map.png", 4000)):
        (folder / name).write_bytes(b"a part")
        os.utime(folder / name, (time.time() - age,) * 2)
    server.app_options()
    assert {path.name for path in files(folder)} == {"tmpnew", "map.png"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the demo takes where the host names none."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = uploads.own_folder()
    monkeypatch.setenv(uploads.VARIABLE, str(folder))
    return folder


@pytest.fixture
def page(tmp_path: Path) -> gr.Blocks:
    """A page with an example."""
    (tmp_path / "example.txt").write_bytes(b"of the page")
    with gr.Blocks(analytics_enabled=False) as made:
        gr.File(str(tmp_path / "example.txt"))
    return made


def left(folder: Path, *names: str) -> list[Path]:
    """Files of another run, in folders of their content."""
    places = [folder / f"{number:064x}" / name for number, name in enumerate(names)]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(b"a face")
    return places


def test_what_a_killed_run_left_goes_and_what_the_page_lives_on_stays(
    own: Path, page: gr.Blocks
) -> None:
    (example,) = files(own)
    left(own, "face.png")
    leftovers.tidy(page)
    assert len(files(own)) == 2  # A demo beside this one may be about to read it.
    leftovers.tidy(page, seconds=-1)
    assert files(own) == [example] and list(own.iterdir()) == [example.parent]


def test_in_a_folder_of_the_hosts_only_what_is_empty_goes(folder: Path, page: gr.Blocks) -> None:
    kept, gone = left(folder, "another-program.png", "gone.png")
    gone.unlink()
    leftovers.tidy(page, seconds=-1)
    assert kept in files(folder) and not gone.parent.exists()


def test_gradio_forgets_the_names_of_uploads_that_were_read(
    folder: Path, page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = route_utils.delete_files_created_by_app
    monkeypatch.setattr(route_utils, "delete_files_created_by_app", delete)
    server.app_options()
    server.app_options()
    there, gone = left(folder, "there.png", "gone.png")
    gone.unlink()
    page.upload_file_set.update({str(there), str(gone)})
    route_utils.delete_files_created_by_app(page, 1800)
    assert page.upload_file_set == {str(there)}


def test_a_demo_that_is_ended_leaves_no_upload_though_a_page_is_open(
    small_streets: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    with running({"FIANCEE_CHECKPOINTS": f"streets={small_streets}"}, log) as (url, process):
        path = upload(url)
        assert path.is_relative_to(cache_of(log)) and path.is_file()
        with urlopen(f"{url}/gradio_api/heartbeat/open", timeout=PATIENCE):
            os.kill(process, signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while path.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
    assert not path.exists() and "Traceback" not in log.read_text()


def test_a_demo_that_is_ended_as_soon_as_it_is_reached_leaves_none_either(
    folder: Path, page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (face,) = left(folder, "face.png")
    page.upload_file_set.add(str(face))

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gr.Blocks, "launch", stopped)
    demo.launch(page, (), Settings())
    assert not face.exists()
