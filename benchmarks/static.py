"""What small nets of an exit's cost do without exits, beside the exits: a table, and the card's.

python benchmarks/static.py --data DATA --run-folder runs/static --out weights_card/streets
python -m torch.distributed.run --standalone --nproc_per_node 2 benchmarks/static.py --data …

A *trained* net learns from nothing, from the photographs, as full depth did; a *distilled* one
learns full depth's pictures, begun and trained as the exits are. Each sees as many images as the
exits did. It can be stopped at any moment; the same command goes on, and measures what there is.
"""

import argparse
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from small_nets import DISTILLED, KINDS, Distilled, Net, fitting_shape, inherit, macs_of
from torch import Tensor

from fiancee_hub import domains
from fiancee_hub.core.cost import parameters
from fiancee_hub.core.errors import CheckpointError, DataError, FianceeError, InputError
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig
from fiancee_hub.core.family import of_data
from fiancee_hub.core.files import write_text
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.evaluation.card import TRAINING, write_card
from fiancee_hub.evaluation.evaluate import training_of_exits, write_json
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.judging.command import OURS
from fiancee_hub.families.label_maps.judging.evaluate import (
    TEST,
    fitting_segmenter,
    named_segmenter,
    realism,
)
from fiancee_hub.families.label_maps.judging.quality import PhotoQuality
from fiancee_hub.families.label_maps.judging.segmenter import Segmenter
from fiancee_hub.families.label_maps.judging.tables import static
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.hub.saving import EVALUATION, TRAINING_STATE, evaluation_of
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branches import BranchPhase
from fiancee_hub.training.discriminator import Discriminator
from fiancee_hub.training.loop import STATE, Schedule, run
from fiancee_hub.training.packing import unpack
from fiancee_hub.training.phases import GROW_SHARE
from fiancee_hub.training.state import load_state
from fiancee_hub.training.task import TrainingRequest

Figures = dict[str, Any]

NETS = ("trained-1", "trained-3", "distilled-1")

BATCH = 4
MACHINE = "machine.json"
"""In a net's folder: what it was trained on."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What is compared with what.

    Args:
        folder: of the runs.
        checkpoint: folder of the exits.
        model, config: its content; exits, guides and predictor are of no use here.
        figures: its evaluation.json.
        task: data and recipe.
        accelerator: device, precision and processes.
        images: that each net sees.
        minutes: after which the training of a net stops, though it has not seen them.
    """

    folder: Path
    checkpoint: Path
    model: EarlyExitModel
    config: CheckpointConfig
    figures: Figures
    task: MapsTask
    accelerator: Accelerator
    images: int
    minutes: float

    def net(self, name: str) -> Net:
        """The net of a name such as ``trained-1``."""
        kind, _, exit = name.rpartition("-")
        exits = self.config.costs.exits[:-1]
        if kind not in KINDS or not exit.isdecimal() or not 1 <= int(exit) <= len(exits):
            raise InputError(f"--nets {name}: give KIND-EXIT, {KINDS} and 1 to {len(exits)}")
        shape = fitting_shape(self.task.generator, exits[int(exit) - 1])
        return Net(kind, int(exit), shape)

    def folders(self, net: Net) -> tuple[Path, Path]:
        """Of the states of its training, at half the size and at full size."""
        return self.folder / net.name / "half", self.folder / net.name / "whole"


@dataclass(frozen=True)
class Training:
    """What a net has been trained so far, at half the size and at full size."""

    images: int
    hours: float


def trained(*folders: Path) -> Training:
    """What the states in the folders say, together; those that are missing say nothing."""
    found = [load_state(folder / STATE) for folder in folders if (folder / STATE).is_file()]
    return Training(
        sum(state["images"] for state in found), sum(state["seconds"] for state in found) / 3600
    )


def train(study: Study, net: Net) -> None:
    """Trains a net until it has seen its images, or its minutes are up; resumes."""
    if trained(*study.folders(net)).images >= study.images:
        return
    share = macs_of(net.shape) / study.config.costs.full_depth
    logger.info("%s: %.2f %% of full depth's MACs, %s", net.name, 100 * share, net.shape)
    half, whole = study.folders(net)
    if net.kind == DISTILLED:
        _run(study, _distilling(study, net), whole, study.images)
    else:
        _train_from_nothing(study, net, half, whole)
    if study.accelerator.is_main_process and whole.is_dir():
        where = {"processes": study.accelerator.num_processes, "device": _device(study)}
        write_text(whole / MACHINE, json.dumps(where) + "\n")


def _device(study: Study) -> str:
    device = study.accelerator.device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def _train_from_nothing(study: Study, net: Net, half: Path, whole: Path) -> None:
    """At half the size first, as full depth was."""
    task, first = study.task, round(GROW_SHARE * study.images)
    going = (whole / STATE).is_file()
    if not going and trained(half).images < first:
        _run(study, task.backbone(net.shape.half_size(), study.accelerator), half, first)
        if trained(half).images < first:
            return
    phase = task.backbone(net.shape, study.accelerator)
    phase.grown = True
    if not going:
        phase.grow_from(load_state(half / STATE)["phase"])
    _run(study, phase, whole, study.images - trained(half).images)


def _run(study: Study, phase: AdversarialPhase | BranchPhase, folder: Path, images: int) -> None:
    schedule = Schedule(study.minutes, batch_size=phase.batch_size, images=images)
    try:
        run(phase, folder, schedule, study.accelerator)
    finally:
        phase.close()
    study.accelerator.wait_for_everyone()


def _distilling(study: Study, net: Net) -> BranchPhase:
    """The phase of the branches, with one that is a generator of its own."""
    generator = net.generator()
    trunk = study.model.trunk_as(OasisGenerator)
    if net.shape.modulation == "shared":
        inherit(generator, trunk)
    model = EarlyExitModel(trunk, ())
    model.exit_configs = (ExitConfig(stage=0, scale_factor=1),)
    model.branches.append(Distilled(generator))
    judge = discriminator_of(study.checkpoint, study.task.classes)
    return BranchPhase(model, judge, study.task, study.accelerator, study.task.branches)


def discriminator_of(checkpoint: Path, classes: int) -> dict[str, Tensor] | None:
    """The backbone's, where it lies beside the checkpoint, as the exits had it."""
    path = checkpoint / TRAINING_STATE
    if not path.is_file():
        logger.warning("%s is missing: the distilled net gets a fresh discriminator", path)
        return None
    packed: dict[str, Tensor] = unpack(path)["phase"]["discriminator"]
    return Discriminator(classes).state_dict() | packed


def load(study: Study, net: Net) -> OasisGenerator | None:
    """The net as it is by now; None if it has not been trained at full size."""
    path = study.folders(net)[1] / STATE
    if not path.is_file():
        logger.warning("%s has not come to full size yet: it is not measured", net.name)
        return None
    phase, generator = load_state(path)["phase"], net.generator()
    if net.kind == DISTILLED:
        # All branches are one, and that is a generator.
        first = "branches.0.generator."
        weights = {name.removeprefix(first): value for name, value in phase["branches"].items()}
    else:
        weights = phase["average"]
    generator.load_state_dict(weights)
    return generator.requires_grad_(False).eval()


@torch.no_grad()
def measure(study: Study, nets: list[Net], segmenter: Segmenter | None) -> Figures:
    """What evaluation.json says of the nets, measured as the exits were."""
    found = {net: made for net in nets if (made := load(study, net)) is not None}
    if not found:
        raise DataError("there is nothing to measure yet: go on, with more --minutes")
    lpips, data = PerceptualDistance(), study.task.data
    trunk = study.model.trunk.cpu().eval()
    pictures: list[list[Tensor]] = [[] for _ in range(len(found) + 1)]
    distances: list[list[Tensor]] = [[] for _ in found]
    for maps, noise in zip(*(torch.split(part, BATCH) for part in _inputs(study)), strict=True):
        full = trunk(maps, noise)
        images = [generator(maps, noise) for generator in found.values()]
        for column, image in zip(pictures, [*images, full], strict=True):
            column.append(as_bytes(image))
        wanted = lpips.features(full)
        for column, image in zip(distances, images, strict=True):
            column.append(lpips.between(lpips.features(image), wanted))
    whole = [torch.cat(column) for column in pictures]
    looks = realism(data, study.task.size, whole)
    quality = PhotoQuality.of_folder(data, study.task.size, segmenter, lpips)
    rows = []
    for index, net in enumerate(found):
        row = _cost(study, net) | {"lpips_mean": float(torch.cat(distances[index]).mean())}
        row |= looks["exits"][index] if looks else {}
        score = quality.score(whole[index])
        keys = "lpips_to_photo", "miou"
        rows.append(row | {key: score[key] for key in keys if key in score})
    return {"nets": rows, "exits": training_of_exits(study.checkpoint)}


def _inputs(study: Study) -> tuple[Tensor, Tensor]:
    """Maps and noise of the evaluation."""
    maps = study.task.data.label_maps(TEST, study.task.size)
    random = torch.Generator().manual_seed(study.figures["seed"])
    return maps, torch.randn(len(maps), study.task.generator.noise_channels, generator=random)


def _cost(study: Study, net: Net) -> Figures:
    facts = trained(*study.folders(net))
    macs = macs_of(net.shape)
    machine = study.folders(net)[1] / MACHINE
    return {
        "kind": net.kind,
        "exit": net.exit,
        "channels": net.shape.channels,
        "hidden": net.shape.hidden,
        "parameters": parameters(net.generator()),
        "macs": macs,
        "macs_ratio": macs / study.config.costs.full_depth,
        "images": facts.images,
        "hours": facts.hours,
        **(json.loads(machine.read_text(encoding="utf-8")) if machine.is_file() else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared data of the exits")
    parser.add_argument("--run-folder", type=Path, default=Path("runs/static"), help="states")
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("weights_card/streets"), help="with the exits"
    )
    parser.add_argument(
        "--nets", nargs="+", default=NETS, metavar="KIND-EXIT", help=f"({' '.join(NETS)})"
    )
    parser.add_argument("--images", type=int, help="that each net sees (as many as the exits did)")
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="of each net's training at either size, after which it stops for now",
    )
    parser.add_argument("--batch-size", type=int, help="pictures in a step of a process (4)")
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--cpu", action="store_true", help="leave an accelerator alone")
    parser.add_argument("--segmenter", type=Path, help=f"for mIoU ({OURS} where it fits)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument(
        "--out", type=Path, help="the checkpoint's folder: into evaluation.json and the card"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        report(arguments)
    except FianceeError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def report(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet, measures all, and writes where it is asked to."""
    study = _study(arguments)
    nets = [study.net(name) for name in arguments.nets]
    for net in nets:
        train(study, net)
    if not study.accelerator.is_main_process:
        return
    names = [entry.name for entry in study.task.data.classes]
    named = arguments.segmenter
    segmenter = named_segmenter(named, names) if named else fitting_segmenter(OURS, names)
    measured = measure(study, nets, segmenter)
    figures = _evaluation(arguments) | {"static": measured}  # which may be new by now
    sys.stdout.write(static(figures) + "\n")
    if arguments.json:
        write_json(arguments.json, measured)
    if arguments.out:
        write_json(arguments.out / EVALUATION, figures)
        write_card(arguments.out, study.config, figures)


def _evaluation(arguments: argparse.Namespace) -> Figures:
    """evaluation.json of the checkpoint, or of the same one elsewhere that is to be written."""
    folders = arguments.checkpoint, arguments.out or arguments.checkpoint
    first, last = (evaluation_of(folder) for folder in folders)
    if first is None or first["split"] != TEST:
        raise CheckpointError(f"{folders[0]} is not measured on the split {TEST}: run `evaluate`")
    if last is None or last["model_sha256"] != first["model_sha256"]:
        raise CheckpointError(f"{folders[1]} holds other weights than {folders[0]}: choose another")
    return last


def _study(arguments: argparse.Namespace) -> Study:
    folder, found = arguments.checkpoint, of_data(arguments.data)
    figures = _evaluation(arguments)
    model, config = load_checkpoint(folder)
    if found is None or not isinstance(config.generator, OasisConfig):
        raise DataError(f"{arguments.data} and {folder} are not of the label maps' family")
    accelerator = Accelerator(cpu=arguments.cpu, mixed_precision=arguments.precision)
    request = TrainingRequest(
        arguments.data,
        arguments.run_folder,
        accelerator,
        backbone=config,
        batch_size=arguments.batch_size,
        domains=domains.of_family(found.name),
    )
    task: Any = found.task(request)
    if arguments.batch_size:
        branches = replace(task.branches, batch_size=arguments.batch_size)
        task = replace(task, branches=branches)
    images = arguments.images or training_of_exits(folder).get("images")
    if not images:
        raise InputError(
            f"{folder / TRAINING} does not say how many images the exits saw: --images"
        )
    return Study(
        arguments.run_folder,
        folder,
        model,
        config,
        figures,
        task,
        accelerator,
        images,
        arguments.minutes,
    )


if __name__ == "__main__":
    main()
