"""Entry point of the demo: ``python app.py``."""

import os

# Threads of torch that wait for each other spin for a moment only: the server's own threads need
# the processors. Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from space.demo import build, launch, promise
from space.settings import Settings

settings = Settings.from_environment()
checkpoints = promise(settings)
demo = build(checkpoints, settings)

if __name__ == "__main__":
    launch(demo, checkpoints, settings)
