"""Entry point of the demo: ``python app.py``."""

from space.demo import build, launch, load
from space.settings import Settings

settings = Settings.from_environment()
checkpoints = load(settings)
demo = build(checkpoints, settings)

if __name__ == "__main__":
    launch(demo, checkpoints, settings)
