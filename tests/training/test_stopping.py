"""Whoever stops a run loses nothing: the step ends, the state is saved, the same call goes on."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from PIL import Image

from fiancee_hub.training import loop
from fiancee_hub.training.state import load_state

LONG = loop.Schedule(1000)
WITHIN = 60 / 60000


class Interrupted:
    """Is sent signals in the middle of its third step."""

    def __init__(self, *signals: int) -> None:
        self.signals, self.steps = signals, 0

    def step(self, progress: float) -> loop.Losses:
        if self.steps == 2:
            for number in self.signals:
                os.kill(os.getpid(), number)
        self.steps += 1
        return {"loss": torch.zeros(())}

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]

    def samples(self) -> Image.Image:
        return Image.new("L", (1, 1))


def run(phase: Interrupted, folder: Path, schedule: loop.Schedule = LONG) -> dict[str, float]:
    return loop.run(phase, folder, schedule, accelerate.Accelerator(cpu=True))


@pytest.mark.parametrize(
    ("number", "end"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_run_that_is_stopped_saves_its_last_step(
    number: int, end: type[BaseException], tmp_path: Path
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(end) as ended:
        run(Interrupted(number), tmp_path)
    assert end is KeyboardInterrupt or ended.value.code == 128 + number  # type: ignore[attr-defined]
    saved = load_state(tmp_path / loop.STATE)
    assert saved["steps"] == saved["phase"]["steps"] == 3
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    on = run(Interrupted(), tmp_path, loop.Schedule(saved["seconds"] / 60 + WITHIN))
    assert on["steps"] > 3


def test_who_presses_twice_does_not_wait_for_the_step(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(signal.SIGINT, signal.SIGINT), tmp_path)
    assert not (tmp_path / loop.STATE).exists()


def test_all_processes_stop_after_the_step_of_the_one_that_was_asked(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys
            from pathlib import Path
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            from test_stopping import Interrupted, run
            asked = (signal.SIGTERM,) if os.environ["RANK"] == "1" else ()
            phase, folder = Interrupted(*asked), Path({str(tmp_path)!r})
            try:
                run(phase, folder)
            except BaseException as error:
                end = f"{{type(error).__name__}} {{phase.steps}}"
                (folder / os.environ["RANK"]).write_text(end)
            """
        ),
        encoding="utf-8",
    )
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    subprocess.run(
        [sys.executable, *command],
        check=True,
        timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    said = [(tmp_path / rank).read_text(encoding="utf-8") for rank in "01"]
    assert said == ["KeyboardInterrupt 3", "SystemExit 3"]
    assert load_state(tmp_path / loop.STATE)["steps"] == 3
