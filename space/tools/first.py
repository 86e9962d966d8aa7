"""The picture that the page shows until the model is loaded.

python -m space.tools.first streets
"""

import argparse
import logging

from fiancee_hub.pipeline import AutoPipeline
from space.result import stored
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
    rendering = screen_of(pipe).samples(pipe)[0][0].rendering
    path = stored.FOLDER / f"{name}.json"
    stored.write(rendering, made.ADDRESSES[name], path)
    made.note(f"first/{name}", [name])
    logger.info("%s: %d bytes", path, path.stat().st_size)


if __name__ == "__main__":
    main()
