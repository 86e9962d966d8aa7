"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from fiancee_hub.core.errors import OutputError
from fiancee_hub.core.files import replacing, write_bytes, write_text


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
