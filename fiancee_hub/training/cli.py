"""``python -m fiancee_hub train …``: one resumable command for each phase, and one for all."""

import argparse
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate import Accelerator

    from fiancee_hub.training.phases import Run

logger = logging.getLogger(__name__)

PHASES = ("backbone", "guides", "branches", "predictor", "calibrate")
MINUTES = {"backbone": 240.0, "branches": 60.0, "predictor": 4.0}


def add_parser(subparsers: Any) -> None:
    """Adds ``train`` to the command line."""
    parser = subparsers.add_parser("train", help="train a checkpoint, phase by phase")
    phases = parser.add_subparsers(required=True, metavar="PHASE")
    prepare = phases.add_parser("prepare", help="bring source data sets into one layout")
    prepare.add_argument("--family", choices=("streets", "faces"), default="streets")
    prepare.add_argument(
        "--source", type=Path, required=True, help="folder of camvid11, … or of faces, …"
    )
    prepare.add_argument("--data", type=Path, required=True, help="folder to write")
    prepare.set_defaults(run=_prepare)
    segmenter = phases.add_parser("segmenter", help="train the net that judges pictures")
    _add_common(segmenter)
    segmenter.add_argument("--minutes", type=float, default=60.0)
    segmenter.add_argument("--out", type=Path, help="folder for the finished net")
    segmenter.set_defaults(run=_segmenter)
    pack = phases.add_parser("pack", help="keep what going on elsewhere needs")
    _add_common(pack)
    pack.add_argument("--out", type=Path, required=True, help="file to write")
    pack.set_defaults(run=_pack)
    for name in (*PHASES, "all"):
        phase = phases.add_parser(name, help=f"phase {name}" if name != "all" else "all phases")
        _add_common(phase)
        for other in MINUTES:
            if name in (other, "all"):
                phase.add_argument(f"--{other}-minutes", type=float, default=MINUTES[other])
        if name in ("backbone", "all"):
            phase.add_argument("--start", type=Path, help="go on from this file of `pack`")
        phase.add_argument("--samples", type=int, default=2048, help="targets of the predictor")
        phase.add_argument("--out", type=Path, help="folder to copy the finished checkpoint to")
        phase.set_defaults(run=_train, phase=name)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data")
    parser.add_argument("--run-folder", type=Path, required=True, help="state and results")
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--cpu", action="store_true", help="leave an accelerator alone")


def _prepare(arguments: argparse.Namespace) -> int:
    if arguments.family == "faces":
        from fiancee_hub.training.prepare_faces import prepare_faces

        prepare_faces(arguments.source, arguments.data)
    else:
        from fiancee_hub.training.prepare import prepare_streets

        prepare_streets(arguments.source, arguments.data)
    return 0


def _accelerator(arguments: argparse.Namespace) -> "Accelerator":
    from accelerate import Accelerator

    return Accelerator(cpu=arguments.cpu, mixed_precision=arguments.precision)


def _job(arguments: argparse.Namespace) -> "Run":
    from fiancee_hub.training.families import task_of
    from fiancee_hub.training.phases import Run

    return Run(arguments.run_folder, task_of(arguments.data), _accelerator(arguments))


def _segmenter(arguments: argparse.Namespace) -> int:
    from fiancee_hub.training.data import DataFolder
    from fiancee_hub.training.segmenter import train_segmenter

    data, accelerator = DataFolder(arguments.data), _accelerator(arguments)
    train_segmenter(
        data, arguments.run_folder, arguments.minutes, accelerator, checkpoint=arguments.out
    )
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    from fiancee_hub.training.phases import pack

    pack(_job(arguments), arguments.out)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from fiancee_hub.training import phases

    job = _job(arguments)
    actions = {
        "backbone": lambda: phases.train_backbone(job, arguments.backbone_minutes, arguments.start),
        "guides": lambda: phases.build_guides(job),
        "branches": lambda: phases.train_branches(job, arguments.branches_minutes),
        "predictor": lambda: phases.train_predictor(
            job, arguments.predictor_minutes, arguments.samples
        ),
        "calibrate": lambda: phases.calibrate(job),
    }
    for name in PHASES if arguments.phase == "all" else (arguments.phase,):
        logger.info("phase %s", name)
        actions[name]()
    if arguments.out and job.accelerator.is_main_process:
        _publish(job.checkpoint, job.folder / "training.json", arguments.out)
    return 0


def _publish(checkpoint: Path, notes: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in (checkpoint / "config.json", checkpoint / "model.safetensors", notes):
        if path.is_file():
            shutil.copyfile(path, target / path.name)
