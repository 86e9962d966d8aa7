"""``python -m fiancee_hub convert``: someone else's generator to a checkpoint folder."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Adds ``convert`` to the command line."""
    parser = subparsers.add_parser(
        "convert", help="someone else's generator to a checkpoint folder"
    )
    parser.add_argument("kind", choices=("oasis",), help="what made it")
    parser.add_argument("file", type=Path, help="its state_dict, official ones end in EMA.pth")
    table = parser.add_mutually_exclusive_group(required=True)
    table.add_argument("--config", choices=("cityscapes", "ade20k", "coco"), help="official data")
    table.add_argument("--classes", type=Path, help="class table of your own data, JSON")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="in pixels")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--float16", action="store_true", help="half the size, values rounded")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Converts, and says what the checkpoint costs."""
    from fiancee_hub.families.label_maps.convert import (
        SOURCES,
        convert_oasis,
        official_origin,
        read_classes,
    )
    from fiancee_hub.hub.card import Origin

    size, origin = (256, 256), Origin("OASIS")
    if arguments.config:
        source = SOURCES[arguments.config]
        size, origin = (source.height, source.width), official_origin(arguments.config)
    if arguments.size:
        size = (arguments.size[0], arguments.size[1])
    config = convert_oasis(
        arguments.file,
        arguments.out,
        read_classes(arguments.config or arguments.classes),
        size,
        origin=origin,
        rounded=arguments.float16,
    )
    print(
        f"{arguments.out}: {len(config.classes)} classes, {size[0]}x{size[1]}, full depth "
        f"{config.costs.full_depth} MACs, {config.costs.parameters} parameters"
    )
    return 0
