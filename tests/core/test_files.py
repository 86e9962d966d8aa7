"""Files are written whole or not at all."""

import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest
from PIL import Image

from fiancee_hub.core.errors import OutputError
from fiancee_hub.core.files import replacing, write_bytes, write_picture, write_text


def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with path.open() as opened:
        write_text(path, "new ä")
        assert opened.read() == "old"
    assert path.read_text(encoding="utf-8") == "new ä"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_bytes(b"half of the n")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as first, replacing(path) as second:
        assert first != second and {first.parent, second.parent} == {tmp_path}
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(OutputError, match="nothing was written"), replacing(path):
        pass
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_short_write_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "file", Path.write_bytes

    def short(self: Path, content: bytes) -> int:
        return whole(self, content[:3])

    write_bytes(path, b"old")
    monkeypatch.setattr(Path, "write_bytes", short)
    with pytest.raises(OutputError, match="3 of 8 bytes were written"):
        write_bytes(path, b"complete")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    path, plain = tmp_path / "file", tmp_path / "plain"
    plain.touch()
    with replacing(path) as partial:
        partial.unlink()
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
        partial.write_bytes(b"for its owner alone")
    assert path.stat().st_mode == plain.stat().st_mode


def write_little(path: Path, kind: str) -> None:
    """Writes a picture where files end at 4 KB, as on a full disk; exits with 3 for an error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        write_picture(Image.effect_noise((256, 192), 60).convert("RGB"), path, kind)
    except OSError:
        os._exit(3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_finds_no_room_leaves_the_old_one(kind: str, tmp_path: Path) -> None:
    path, old = tmp_path / "picture", Image.new("RGB", (8, 8), (9, 9, 9))
    write_picture(old, path, kind)
    before = path.read_bytes()
    child = multiprocessing.get_context("fork").Process(target=write_little, args=(path, kind))
    child.start()
    child.join()
    assert child.exitcode == 3
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    write_bytes(path, b"content")
    assert list(tmp_path.iterdir()) == [path]
