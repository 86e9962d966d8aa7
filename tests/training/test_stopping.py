"""Whoever stops a run loses nothing: the step ends, the state is saved, the same call goes on.

Every signal goes to a process of its own: the one that runs the tests has other work to lose.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stopped_run import Interrupted

from fiancee_hub.training import loop
from fiancee_hub.training.state import load_state

SCRIPT = Path(__file__).parents[1] / "support" / "stopped_run.py"
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def stopped(
    folder: Path, *signals: int | str, launcher: list[str] | None = None
) -> list[dict[str, Any]]:
    """How the run of each process ended that was sent signals in the middle of its third step,
    or, after the word "late", while it saved at its end."""
    sent = (word if isinstance(word, str) else str(int(word)) for word in signals)
    words = [str(SCRIPT), str(folder), *sent]
    subprocess.run(
        [sys.executable, *(launcher or []), *words],
        check=True,
        timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    found = sorted(folder.glob("end-*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGINT, "KeyboardInterrupt()"), (signal.SIGTERM, f"SystemExit({128 + 15})")],
)
def test_a_run_that_is_stopped_saves_its_last_step(number: int, end: str, tmp_path: Path) -> None:
    assert stopped(tmp_path, number) == [{"end": end, "steps": 3, "handlers": "as before"}]
    saved = load_state(tmp_path / loop.STATE)
    assert saved["steps"] == saved["phase"]["steps"] == 3
    (on,) = stopped(tmp_path)
    assert on["end"] == "its time was up" and on["steps"] > 3


def test_who_presses_twice_does_not_wait_for_the_step(tmp_path: Path) -> None:
    (found,) = stopped(tmp_path, signal.SIGINT, signal.SIGINT)
    assert (found["end"], found["steps"]) == ("KeyboardInterrupt()", 2)
    assert not (tmp_path / loop.STATE).exists()


def test_all_processes_stop_after_the_step_of_the_one_that_was_asked(tmp_path: Path) -> None:
    found = stopped(tmp_path, signal.SIGTERM, launcher=LAUNCHER)
    assert [one["end"] for one in found] == ["KeyboardInterrupt()", "SystemExit(143)"]
    assert [one["steps"] for one in found] == [3, 3]
    assert load_state(tmp_path / loop.STATE)["steps"] == 3


@pytest.mark.parametrize("launcher", [None, LAUNCHER])
def test_who_asks_while_the_last_step_is_saved_is_heard(
    launcher: list[str] | None, tmp_path: Path
) -> None:
    ends = {one["end"] for one in stopped(tmp_path, "late", signal.SIGINT, launcher=launcher)}
    assert ends == {"KeyboardInterrupt()"}
    saved = load_state(tmp_path / loop.STATE)
    assert saved["steps"] == saved["phase"]["steps"] > 0


def test_an_end_whose_judge_was_interrupted_is_judged_later(tmp_path: Path) -> None:
    asked: list[int] = []

    def judge() -> dict[str, float]:
        asked.append(1)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return {loop.OVERALL: 1.0}

    schedule = loop.Schedule(0.001, judging=loop.Judging(60.0, judge))
    accelerator = pytest.importorskip("accelerate").Accelerator(cpu=True)
    with pytest.raises(KeyboardInterrupt):
        loop.run(Interrupted(), tmp_path, schedule, accelerator)
    assert not (tmp_path / loop.BEST).exists()
    for _ in range(2):
        loop.run(Interrupted(), tmp_path, schedule, accelerator)
        assert len(asked) == 2
    assert load_state(tmp_path / loop.BEST)["judged"] == 1.0
