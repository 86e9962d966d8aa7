"""``python -m fiancee_hub info``: parameters and MACs of every exit."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiancee_hub.hub.info import ModelInfo


def add_parser(subparsers: Any) -> None:
    """Adds ``info`` to the command line."""
    parser = subparsers.add_parser("info", help="parameters and MACs of every exit")
    parser.add_argument("source", help="a named configuration, a checkpoint folder or user/repo")
    parser.add_argument(
        "--exits",
        metavar="STAGE:SCALE,…",
        help="count these instead of its own, such as 1:6,2:4,4:1.25",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints what a generator costs."""
    from fiancee_hub.core.ladder import parse_ladder
    from fiancee_hub.hub.info import describe

    exits = None if arguments.exits is None else parse_ladder(arguments.exits)
    found = describe(arguments.source, exits)
    print(json.dumps(found.as_dict(), indent=1) if arguments.json else _table(found))
    return 0


def _table(found: "ModelInfo") -> str:
    lines = [
        _title(found),
        f"parameters {found.parameters}",
        f"parameters in all {found.parameters_in_all}",
        f"macs {found.macs}",
        f"predictor macs {found.predictor_macs}",
        f"guide look-up macs {found.guides_macs}",
        *([f"encoder macs {found.encoder_macs} (source, once)"] if found.encoder_macs else []),
        "exit  stage  scale factor            macs   ratio",
    ]
    for row in found.exits:
        scale = "full depth" if row.scale_factor is None else f"{row.scale_factor:g}"
        lines.append(
            f"{row.exit:4d}  {row.stage:5d}  {scale:>12}  {row.macs:14d}  {row.macs_ratio:.4f}"
        )
    return "\n".join([*lines, *_onward(found)])


def _onward(found: "ModelInfo") -> list[str]:
    """What going deeper costs: a line for each exit that has been rendered."""
    if len(found.exits) == 1:
        return []
    heads = "".join(f"{row.exit:8d}" for row in found.exits[1:])
    lines = ["going on to an exit, of full depth's MACs", f"from{heads}"]
    for row in found.exits[:-1]:
        gap = " " * 8 * (row.exit - 1)
        lines.append(f"{row.exit:4d}{gap}" + "".join(f"{ratio:8.4f}" for ratio in row.onward))
    return lines


def _title(found: "ModelInfo") -> str:
    classes = [f"{found.classes} classes"] if found.classes else []
    traits = [f"{value} {name}" for name, value in found.traits.items()]
    form = ", ".join([*classes, *traits]) or found.family
    return f"{found.source}: {found.height}x{found.width}, {form}"
