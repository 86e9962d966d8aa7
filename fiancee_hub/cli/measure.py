"""``python -m fiancee_hub measure CHECKPOINT_OR_STATE``: how real its scenes look, and to whom."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub import domains
from fiancee_hub.core.errors import CheckpointError, DataError

if TYPE_CHECKING:
    import torch

    from fiancee_hub.families.label_maps.judging.judge import Render
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

Figures = dict[str, Any]

STATE = ".safetensors"


def add_parser(subparsers: Any) -> None:
    """Adds ``measure`` to the command line."""
    parser = subparsers.add_parser(
        "measure", help="kernel distance of generated scenes on features that no loss uses"
    )
    parser.add_argument(
        "subject", help="a checkpoint's folder or user/repo, or a file of training or `pack`"
    )
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    parser.add_argument(
        "--splits",
        action="extend",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="calibration-*",
    )
    parser.add_argument("--segmenter", type=Path, default=Path("weights_card/segmenter"))
    parser.add_argument("--most", type=int, help="pictures of a split at most (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--device", help="cpu, cuda … (the accelerator if there is one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measures, and prints the table."""
    from fiancee_hub.core.seeds import check_seed
    from fiancee_hub.families.label_maps.judging.evaluate import fitting_segmenter
    from fiancee_hub.families.label_maps.judging.judge import MapJudge
    from fiancee_hub.families.label_maps.training.photographs import DataFolder
    from fiancee_hub.measuring.realism import JudgeNet

    if arguments.most is not None and arguments.most < 2:
        raise DataError("--most: a distance needs at least 2 pictures of a split")
    check_seed(arguments.seed)
    data = DataFolder(arguments.data, domains.of_family("label_maps"))
    device = _device(arguments.device)
    render, size, noise_channels = _subject(arguments.subject, data, device)
    judge = MapJudge(
        data,
        size,
        JudgeNet().to(device),
        splits=tuple(arguments.splits),
        most=arguments.most,
        segmenter=fitting_segmenter(arguments.segmenter, [entry.name for entry in data.classes]),
    )
    rows = judge.score(render, noise_channels, seed=arguments.seed)
    sys.stdout.write((json.dumps(rows, indent=1) if arguments.json else table(rows)) + "\n")
    return 0


def _device(name: str | None) -> "torch.device":
    import torch

    fallback = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name or fallback).device
    except (RuntimeError, AssertionError) as error:
        raise DataError(f"--device {name} cannot be used here: {error}") from error


def _subject(
    name: str, data: "DataFolder", device: "torch.device"
) -> "tuple[Render, tuple[int, int], int]":
    """What renders, the size of its pictures, and the channels of its noise."""
    from fiancee_hub.families.label_maps.config import OasisConfig
    from fiancee_hub.families.label_maps.judging.judge import every_exit, full_depth
    from fiancee_hub.hub.checkpoints import CONFIG, load_checkpoint, resolve

    if name.endswith(STATE):
        generator = _trained(Path(name), data).to(device)
        shape = generator.config
        return full_depth(generator), (shape.height, shape.width), shape.noise_channels
    model, config = load_checkpoint(resolve(name))
    ours, theirs = ([entry.name for entry in c] for c in (data.classes, config.classes))
    if not isinstance(config.generator, OasisConfig) or ours != theirs:
        raise DataError(f"{name}: its {CONFIG} has other classes than {data.root}")
    size = config.generator.height, config.generator.width
    return every_exit(model.eval().to(device)), size, config.generator.noise_channels


def _trained(path: Path, data: "DataFolder") -> Any:
    """The average generator of a training state or of a packed one."""
    from fiancee_hub.families.label_maps.generator import OasisGenerator
    from fiancee_hub.families.label_maps.order import shape_of
    from fiancee_hub.training.state import load_state

    generator = OasisGenerator(shape_of(data))
    try:
        generator.load_state_dict(load_state(path)["phase"]["average"])
    except (KeyError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} has no generator for the classes and the size of {data.root}"
        ) from error
    return generator.eval()


def table(rows: list[Figures]) -> str:
    """The figures as text: a line for each exit, and one for real photographs: the distance of
    those from other drives, and the mIoU of the split's own."""
    lines = []
    for row in rows:
        lines.append(f"{row['split']}: {row['n']} pictures, kernel distances x 1000")
        head = f"{'':12}  {'texture':>8}  {'things':>8}  {'ratio':>6}"
        has_miou = "miou_real_photos" in row
        lines.append(head + (f"  {'mIoU':>6}" if has_miou else ""))
        count = len(row["exits"])
        for index, exit in enumerate(row["exits"], 1):
            name = "full depth" if index == count else f"exit {index}"
            lines.append(_line(name, exit["kid"], exit["ratio"], exit.get("miou")))
        real = row["exits"][-1]["kid_real"]
        lines.append(_line("photographs", real, 1.0, row.get("miou_real_photos")))
    return "\n".join(lines)


def _line(name: str, distances: dict[str, float], ratio: float, miou: float | None) -> str:
    columns = "  ".join(f"{1000 * value:8.2f}" for value in distances.values())
    return f"{name:12}  {columns}  {ratio:6.2f}" + ("" if miou is None else f"  {miou:6.3f}")
