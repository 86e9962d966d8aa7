"""Consoles that are not UTF-8, and names that are not either."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image
from tiny import CLASSES, random_map

from fiancee_hub.cli.main import main
from fiancee_hub.families.label_maps.classes import to_rgb

NAME = os.fsdecode(b"Stra\xdfe \xe2\x82\xac.png")


@contextmanager
def ascii_console() -> Iterator[io.BytesIO]:
    """What is printed on a console that knows nothing but ASCII."""
    shown = io.BytesIO()
    out, errors = (io.TextIOWrapper(shown, "ascii", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(errors):
        yield shown


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "maps" / NAME
    path.parent.mkdir()
    to_rgb(random_map(0), CLASSES).save(path)
    return path


def test_generate_and_compare(tiny_checkpoint: Path, street: Path) -> None:
    words = [str(street), "--checkpoint", str(tiny_checkpoint), "--out"]
    out = street.with_name(os.fsdecode(b"\xdf.png"))
    with ascii_console() as shown:
        assert main(["generate", *words, str(out)]) == 0
        assert Image.open(out).size == (96, 64)
        assert b"\\udcdf.png: exit " in shown.getvalue()
        assert main(["compare", *words, str(out)]) == 0


def test_a_folder(tiny_checkpoint: Path, street: Path) -> None:
    (street.parent / os.fsdecode(b"\xe4.png")).write_bytes(b"no picture")
    out = street.parent.with_name(os.fsdecode(b"\xe4"))
    words = [str(street.parent), "--checkpoint", str(tiny_checkpoint), "--out", str(out)]
    with ascii_console() as shown:
        assert main(["generate", *words]) == 1
        assert (out / NAME).is_file()
        assert b"1 written, 0 there already, 1 left out" in shown.getvalue()


@pytest.mark.parametrize("command", ["info", "generate", "compare", "convert", "evaluate", "train"])
def test_errors_and_help(command: str) -> None:
    with ascii_console() as shown:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert main(["info", f"nowhere/{NAME}/x"]) == 2
        assert b"fiancee-hub: checkpoint" in shown.getvalue()
