"""The command line: ``python -m fiancee_hub info | generate | compare | convert | evaluate …``.

Everything heavy is imported by the command that needs it, so ``--help`` answers at once.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.cli.console import escape_what_it_lacks
from fiancee_hub.core.errors import FianceeError, InputError

if TYPE_CHECKING:
    from PIL import Image

    from fiancee_hub.cli.info import ModelInfo
    from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
    from fiancee_hub.pipeline import Comparison, FianceePipeline

PROGRAM = "fiancee-hub"
PHASES = ("evaluate", "measure", "train")
"""Commands whose parsers are modules of their own beside this one."""

EXTRAS = {
    "generate": "faces",
    "compare": "compare",
    "evaluate": "evaluate",
    "measure": "evaluate",
    "train": "train",
}
"""What to install for a command that needs more than the library itself."""

USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 if some maps of a folder could not be read; 2 after an error of the user.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    escape_what_it_lacks()
    _set_up_logging()
    try:
        arguments = _parser(words).parse_args(words)
        return int(arguments.run(arguments))
    except ModuleNotFoundError as error:
        return _missing_module(error, words)
    except (FianceeError, OSError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _fail(message: str) -> int:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _missing_module(error: ModuleNotFoundError, words: list[str]) -> int:
    extra = EXTRAS.get(words[0]) if words else None
    if extra is None or (error.name or "").startswith("fiancee_hub"):
        raise error
    return _fail(f"{error.name} is not installed: pip install 'fiancee-hub[{extra}]'")


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description=import_module("fiancee_hub").__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    _add_generate(commands)
    _add_compare(commands)
    _add_convert(commands)
    helps = {
        "evaluate": "every figure of a checkpoint, and its card",
        "measure": "how real generated scenes look",
        "train": "train a checkpoint",
    }
    for command in PHASES:
        if command in words[:1]:
            import_module(f"fiancee_hub.cli.{command}").add_parser(commands)
        else:
            commands.add_parser(command, help=helps[command])
    return parser


def _add_info(commands: Any) -> None:
    parser = commands.add_parser("info", help="parameters and MACs of every exit")
    parser.add_argument("source", help="a named configuration, a checkpoint folder or user/repo")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_info)


def _add_generate(commands: Any) -> None:
    parser = commands.add_parser("generate", help="label map, folder of them or face to pictures")
    parser.add_argument("source", type=Path, help="a label map, a folder of them, or a face")
    _add_driver(parser)
    _add_routing(parser)
    parser.add_argument("--out", type=Path, required=True, help="picture, or folder for them")
    parser.add_argument("--exit", type=int, help="render this exit whatever the budget")
    parser.add_argument("--batch-size", type=int, default=8, help="maps at once (8)")
    parser.set_defaults(run=_generate)


def _add_convert(commands: Any) -> None:
    parser = commands.add_parser("convert", help="someone else's generator to a checkpoint folder")
    parser.add_argument("kind", choices=("oasis",), help="what made it")
    parser.add_argument("file", type=Path, help="its state_dict, official ones end in EMA.pth")
    table = parser.add_mutually_exclusive_group(required=True)
    table.add_argument("--config", choices=("cityscapes", "ade20k", "coco"), help="official data")
    table.add_argument("--classes", type=Path, help="class table of your own data, JSON")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="in pixels")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--float16", action="store_true", help="half the size, values rounded")
    parser.set_defaults(run=_convert)


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="early exit beside full depth, true LPIPS")
    parser.add_argument("source", type=Path, help="a label map, or a face")
    _add_driver(parser)
    _add_routing(parser)
    parser.add_argument("--out", type=Path, default=Path("comparison.png"), help="picture to write")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_compare)


def _add_driver(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--driver", type=Path, help="faces: picture or clip to take motion from")
    parser.add_argument("--reference", type=Path, help="faces: the driver's neutral picture")


def _add_routing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", required=True, help="folder, user/repo or user/repo@rev")
    parser.add_argument("--budget", type=float, default=0.1, help="LPIPS to full depth (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")


def _info(arguments: argparse.Namespace) -> int:
    from fiancee_hub.cli.info import describe

    found = describe(arguments.source)
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
    return "\n".join(lines)


def _title(found: "ModelInfo") -> str:
    classes = [f"{found.classes} classes"] if found.classes else []
    traits = [f"{value} {name}" for name, value in found.traits.items()]
    form = ", ".join([*classes, *traits]) or found.family
    return f"{found.source}: {found.height}x{found.width}, {form}"


def _load(arguments: argparse.Namespace) -> Any:
    from fiancee_hub.pipeline import FianceePipeline

    return FianceePipeline.from_pretrained(arguments.checkpoint)


def _generate(arguments: argparse.Namespace) -> int:
    if not arguments.source.exists():
        raise InputError(f"there is no file or folder {arguments.source}: check the path")
    pipe = _load(arguments)
    if _needs_driver(pipe, arguments):
        from fiancee_hub.families.faces.commands import generate

        return generate(pipe, arguments)
    folder = arguments.source.is_dir()
    return (_generate_folder if folder else _generate_one)(pipe, arguments)


def _needs_driver(pipe: "FianceePipeline", arguments: argparse.Namespace) -> bool:
    """Whether the checkpoint is one for faces.

    Raises:
        InputError: it is and there is no driver, or it is not and there is one.
    """
    faces = pipe.config.family == "faces"
    if faces and arguments.driver is None:
        raise InputError("this checkpoint drives faces: add --driver PICTURE or --driver CLIP")
    if not faces and (arguments.driver or arguments.reference):
        raise InputError("--driver and --reference are for faces checkpoints: leave them out")
    return faces


def _generate_folder(pipe: "StreetsPipeline", arguments: argparse.Namespace) -> int:
    from fiancee_hub.families.label_maps.bulk import ROUTES, generate_folder

    report = generate_folder(
        pipe,
        arguments.source,
        arguments.out,
        budget=arguments.budget,
        seed=arguments.seed,
        exit=arguments.exit,
        batch_size=arguments.batch_size,
        progress=True,
    )
    print(
        f"{report.written} written, {report.skipped} there already, {len(report.failed)} left out; "
        f"routes in {arguments.out / ROUTES}"
    )
    return 1 if report.failed else 0


def _generate_one(pipe: "StreetsPipeline", arguments: argparse.Namespace) -> int:
    from fiancee_hub.families.label_maps.bulk import write_picture

    result = pipe(
        arguments.source, budget=arguments.budget, seed=arguments.seed, exit=arguments.exit
    )
    out = arguments.out
    if out.is_dir() or not out.suffix:
        out = out / f"{arguments.source.stem}.png"
    _prepare_output(out, arguments.source)
    write_picture(result.image, out)
    print(
        f"{out}: exit {result.exit}, predicted LPIPS {result.predicted_lpips:.4f}, "
        f"{result.macs} MACs, saving {result.saving:.1%}"
    )
    return 0


def _prepare_output(out: Path, source: Path) -> None:
    if out.resolve() == source.resolve():
        raise InputError(f"{out} is the label map itself: choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)


def _compare(arguments: argparse.Namespace) -> int:
    from fiancee_hub.families.label_maps.bulk import write_picture

    pipe = _load(arguments)
    if _needs_driver(pipe, arguments):
        from fiancee_hub.families.faces.commands import compare

        columns, comparison = compare(pipe, arguments)
    else:
        columns, comparison = _compare_streets(pipe, arguments)
    _prepare_output(arguments.out, arguments.source)
    write_picture(_side_by_side(pipe, columns, comparison), arguments.out)
    facts = _facts(comparison) | {"out": str(arguments.out)}
    lines = (f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    print(json.dumps(facts, indent=1) if arguments.json else "\n".join(lines))
    return 0


def _compare_streets(
    pipe: "StreetsPipeline", arguments: argparse.Namespace
) -> tuple[dict[str, list["Image.Image"]], "Comparison"]:
    from fiancee_hub.families.label_maps.classes import to_rgb

    label_map = pipe.read(arguments.source)
    comparison = pipe.compare(label_map, budget=arguments.budget, seed=arguments.seed)
    return {"label map": [to_rgb(label_map.ids, pipe.config.classes)]}, comparison


def _side_by_side(
    pipe: "FianceePipeline", inputs: dict[str, list["Image.Image"]], comparison: "Comparison"
) -> "Image.Image":
    from fiancee_hub.measuring.contact_sheet import contact_sheet

    early = comparison.early
    columns = inputs | {
        f"exit {early.exit} of {pipe.model.exits}": [early.image],
        "full depth": [comparison.full.image],
    }
    return contact_sheet(columns, picture_width=pipe.size[1])


def _facts(comparison: "Comparison") -> dict[str, object]:
    early, full = comparison.early, comparison.full
    return {
        "exit": early.exit,
        "predicted_lpips": early.predicted_lpips,
        "lpips": comparison.lpips,
        "budget": comparison.budget,
        "kept": comparison.kept,
        "macs": early.macs,
        "full_macs": full.macs,
        "saving": early.saving,
        "milliseconds": early.milliseconds,
        "full_milliseconds": full.milliseconds,
        "seed": early.seed,
        "notes": early.notes,
    }


def _convert(arguments: argparse.Namespace) -> int:
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
