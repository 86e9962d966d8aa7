"""routes.jsonl is valid and has one line a picture, whatever stops the runs that write it."""

import errno
import json
import multiprocessing
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fiancee_hub.families.label_maps.routes import ROUTES, place, settle


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"file": name, "output": name, **more}


def outputs(folder: Path) -> list[str]:
    return [json.loads(line)["output"] for line in (folder / ROUTES).read_text().splitlines()]


def test_a_picture_comes_with_its_line(tmp_path: Path) -> None:
    assert place(b"picture", tmp_path / "a.png", row("a.png"))
    assert (tmp_path / "a.png").read_bytes() == b"picture"
    assert not place(b"another", tmp_path / "a.png", row("a.png"))
    assert (tmp_path / "a.png").read_bytes() == b"picture"
    assert outputs(tmp_path) == ["a.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", ROUTES]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"Stra\xdfe.png", b"\xe2\x82\xac" * 83 + b".png"):
        output = tmp_path / os.fsdecode(name)
        assert place(b"picture", output, row(output.name))
        assert output.read_bytes() == b"picture" and outputs(tmp_path)[-1] == output.name


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 200))
def test_half_a_line_is_repaired(cut: int, tmp_path: Path) -> None:
    """Wherever a process was killed or a disk was full, at the start or by the next line."""
    whole = "".join(json.dumps(row(f"{n}.png", exit=n)) + "\n" for n in range(3))
    for name in ("0.png", "1.png", "2.png", "new.png"):
        (tmp_path / name).write_bytes(b"picture")
    (tmp_path / ROUTES).write_text(whole[: min(cut, len(whole))])
    settle(tmp_path, {"0.png", "1.png", "2.png", "new.png"})
    settled = outputs(tmp_path) if (tmp_path / ROUTES).exists() else []
    assert settled == ["0.png", "1.png", "2.png"][: len(settled)]
    (tmp_path / "new.png").unlink()
    (tmp_path / ROUTES).write_text(whole[: min(cut, len(whole))])
    assert place(b"picture", tmp_path / "new.png", row("new.png"))
    assert outputs(tmp_path) == [*settled, "new.png"]


def test_what_earlier_runs_left_is_settled(tmp_path: Path) -> None:
    lines = [
        *('{"output": "old.png"}', '{"output": "old.png"}'),  # not of this run
        *('{"output": "a.png", "exit": 1}', '{"output": "gone.png"}'),
        '{"output": "b.png", "exi{"output": "b.png"}',
        *("[]", "", '{"output": 3}', '{"output": "a.png", "exit": 2}'),
    ]
    (tmp_path / ROUTES).write_text("\n".join(lines))
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.png").write_bytes(b"picture")
    settle(tmp_path, {"a.png", "b.png", "gone.png"})
    assert outputs(tmp_path) == ["old.png", "old.png", "a.png"]
    assert json.loads((tmp_path / ROUTES).read_text().splitlines()[-1])["exit"] == 2


def test_abandoned_files_are_taken_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".0123.part", tmp_path / ".4567.part"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    settle(tmp_path, set())
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_picture_that_does_not_come_leaves_no_line(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(b"picture", tmp_path / "a.png", row("a.png"))

    def stopped(*_: Any) -> None:
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        with pytest.raises(type(stop)):
            place(b"picture", tmp_path / "b.png", row("b.png"))
    assert outputs(tmp_path) == ["a.png"] and not (tmp_path / "b.png").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_line_that_does_not_fit_leaves_no_picture(tmp_path: Path) -> None:
    """A disk that is nearly full takes the beginning of a line without an error."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    place(b"picture", tmp_path / "a.png", row("a.png"))
    content = (tmp_path / ROUTES).read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="no room left"):
            place(b"picture", tmp_path / "b.png", row("b.png"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / ROUTES).read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", ROUTES]


def test_ctrl_c_behind_the_picture_keeps_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def late(source: Path, target: Path) -> None:
        replace(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", late)
        with pytest.raises(KeyboardInterrupt):
            place(b"picture", tmp_path / "a.png", row("a.png"))
    assert outputs(tmp_path) == ["a.png"] and (tmp_path / "a.png").exists()


def all_of_them(folder: Path, gate: Any, count: int) -> None:
    """What each of several processes does."""
    gate.wait()
    settle(folder, {f"{index}.png" for index in range(count)})
    for index in range(count):
        place(b"picture" * 999, folder / f"{index}.png", row(f"{index}.png"))


def test_processes_side_by_side(tmp_path: Path) -> None:
    (tmp_path / ROUTES).write_text('{"output": "0.png"}\n{"output": "1.p')
    context, count = multiprocessing.get_context("fork"), 60
    gate = context.Barrier(3)
    work = [context.Process(target=all_of_them, args=(tmp_path, gate, count)) for _ in range(3)]
    for process in work:
        process.start()
    for process in work:
        process.join(60)
    assert [process.exitcode for process in work] == [0, 0, 0]
    assert Counter(outputs(tmp_path)) == {f"{index}.png": 1 for index in range(count)}
    assert len(list(tmp_path.glob("*.png"))) == count and not list(tmp_path.glob(".*"))
