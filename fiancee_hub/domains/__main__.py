"""``python -m fiancee_hub.domains NAME CHECKPOINT [PICTURE …]``: says what a checkpoint is of.

Writes a domain of ours into a checkpoint's config.json and takes pictures along as examples. The
weights stay as they are.
"""

import argparse
from pathlib import Path

from fiancee_hub.hub.domains import shipped, shipped_names
from fiancee_hub.hub.examples import give_domain, title_of


def main() -> None:
    parser = argparse.ArgumentParser("python -m fiancee_hub.domains", description=__doc__)
    parser.add_argument("name", choices=shipped_names())
    parser.add_argument("checkpoint", type=Path, help="folder whose config.json to complete")
    parser.add_argument("pictures", type=Path, nargs="*", help="such as 2-open-road.png")
    arguments = parser.parse_args()
    pictures = {title_of(picture): picture for picture in arguments.pictures}
    give_domain(arguments.checkpoint, shipped(arguments.name).domain, pictures)


if __name__ == "__main__":
    main()
