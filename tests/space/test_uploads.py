"""Two accounts on one machine do not meet in one folder of uploads."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from space.uploads import own_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for the system's folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path.resolve()


def test_it_is_the_accounts_own_and_stays_the_same(temporary: Path) -> None:
    folder = own_folder()
    assert folder.parent == temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert own_folder() == folder


@pytest.mark.parametrize("way", ["link", "file", "foreign"])
def test_what_another_account_has_put_there_is_not_used(temporary: Path, way: str) -> None:
    taken = own_folder()
    taken.rmdir()
    if way == "link":
        (temporary / "elsewhere").mkdir()
        taken.symlink_to(temporary / "elsewhere")
    elif way == "file":
        taken.write_bytes(b"")
    elif os.getuid() == 0:
        taken.mkdir()
        os.chown(taken, 65534, 65534)
    else:
        pytest.skip("needs a second account")
    folder = own_folder()
    assert folder != taken
    assert folder.is_dir()


def folder_of_the_demo(**environment: str) -> str:
    """What Gradio takes when the demo is imported in a process of its own."""
    code = "import space.settings, gradio.utils; print(gradio.utils.get_upload_folder())"
    kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        words, env=kept | environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_demo_takes_it_unless_the_host_names_one(tmp_path: Path) -> None:
    assert folder_of_the_demo(TMPDIR=str(tmp_path)).startswith(f"{tmp_path.resolve()}/gradio-")
    assert folder_of_the_demo(GRADIO_TEMP_DIR=str(tmp_path / "named")) == str(tmp_path / "named")
