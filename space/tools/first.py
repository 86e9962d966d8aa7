"""What the page shows until the model is loaded, and an easy and a hard input side by side.

python -m space.tools.first streets
"""

import argparse
import logging

from fiancee_hub.pipeline import AutoPipeline
from space.result import contrast, stored
from space.screens import screen_of
from space.tools import made

logger = logging.getLogger(__name__)


def main() -> None:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m space.tools.first", description=__doc__)
    parser.add_argument("tab", choices=made.ADDRESSES)
    name = parser.parse_args().tab
    pipe = AutoPipeline.from_pretrained(made.ADDRESSES[name])
    screen = screen_of(pipe)
    assert screen.rendering, f"{name} has no screen that a link could open"
    path = stored.FOLDER / f"{name}.json"
    compared = contrast.find(screen.samples(pipe), name)
    stored.write(screen.rendering(pipe, {}), made.ADDRESSES[name], path, compared)
    if compared is None:
        logger.warning("%s: no budget tells two of its examples apart", name)
    made.note(f"first/{name}", [name])
    logger.info("%s: %d bytes", path, path.stat().st_size)


if __name__ == "__main__":
    main()
