"""A training run that is sent signals in the middle of its third step; how it ended, as JSON.

python stopped_run.py FOLDER [SIGNAL …]    without signals it goes on for a moment
python stopped_run.py FOLDER late SIGNAL … goes on for a moment; they come while it saves at its end

Launched as several processes, the last one alone is sent them.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image

from fiancee_hub.training import loop
from fiancee_hub.training.state import load_state

MOMENT = 0.05
"""Seconds."""

LATE = "late"


class Interrupted:
    """A phase that sends its process signals, in its third step or when it is saved."""

    def __init__(self, *signals: int, late: bool = False) -> None:
        self.signals, self.late, self.steps = signals, late, 0

    def step(self, progress: float) -> loop.Losses:
        if self.steps == 2 and not self.late:
            self._send()
        self.steps += 1
        return {"loss": torch.zeros(())}

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]

    def samples(self) -> Image.Image:
        if self.late:
            self._send()
        return Image.new("L", (1, 1))

    def _send(self) -> None:
        for number in self.signals:
            os.kill(os.getpid(), number)


def main() -> None:
    folder, late = Path(sys.argv[1]), sys.argv[2:3] == [LATE]
    signals = [int(word) for word in sys.argv[3 if late else 2 :]]
    rank, processes = (int(os.environ.get(name, 0)) for name in ("RANK", "WORLD_SIZE"))
    # The main process alone saves, and is sent late ones.
    sent = rank == 0 if late else rank + 1 >= processes
    phase = Interrupted(*signals, late=late) if sent else Interrupted()
    state = folder / loop.STATE
    begun = load_state(state)["seconds"] if state.exists() else 0
    seconds = begun + MOMENT if begun or late else 60_000
    before = _handlers()
    try:
        loop.run(phase, folder, loop.Schedule(seconds / 60), Accelerator(cpu=True))
        end = "its time was up"
    except BaseException as error:
        end = repr(error)
    handlers = "as before" if _handlers() == before else "others"
    found = {"end": end, "steps": phase.steps, "handlers": handlers}
    (folder / f"end-{rank}.json").write_text(json.dumps(found), encoding="utf-8")


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


if __name__ == "__main__":
    main()
