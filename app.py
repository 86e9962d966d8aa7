"""Entry point of the demo: ``python app.py``."""

import os
import signal
import sys

# Threads of torch that wait for each other spin for a moment only: the server's own threads need
# the processors. Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from space.page import stubs

with stubs.unwritten():
    from space.demo import build, launch, promise
    from space.settings import Settings

# A model's thread gives up the interpreter at every operation, and gets it back from the web
# server's after half a millisecond instead of five.
sys.setswitchinterval(0.0005)

settings = Settings.from_environment()
checkpoints = promise(settings)
demo = build(checkpoints, settings)


def end(*_: object) -> None:
    """A host ends the demo: as if by Ctrl-C, so that nobody's pictures stay on the disk.

    One that does not wait for it asks again, and is obeyed at once.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    launch(demo, checkpoints, settings)
