"""Entry point of the demo: ``python app.py``."""

from space.demo import build, launch, load
from space.settings import Settings

settings = Settings.from_environment()
models = load(settings)
demo = build(models, settings)

if __name__ == "__main__":
    launch(demo, models, settings)
