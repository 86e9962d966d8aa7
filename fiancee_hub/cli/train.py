"""``python -m fiancee_hub train …``: one resumable command for each phase, and one for all."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub import domains
from fiancee_hub.core.errors import DataError, InputError, need
from fiancee_hub.core.family import of_data

if TYPE_CHECKING:
    from accelerate import Accelerator

    from fiancee_hub.training.branch_settings import BranchSettings
    from fiancee_hub.training.phases import Run

logger = logging.getLogger(__name__)

PHASES = ("backbone", "guides", "branches", "predictor", "calibrate")
ALL = {"all": "all phases, up to a measured checkpoint", "streets": "the former name of `all`"}
MINUTES = {"backbone": None, "branches": 60.0, "predictor": 4.0}
"""None leaves it to the phase."""
START = "a file of `pack` to go on from, or a checkpoint whose full depth to train branches for"
EXITS = "branches in place of the recipe's, such as 1:6,2:4,4:1.25; `info` says what they cost"
LOW_MEMORY = "branches one after another in a step: the same gradients, less memory"
PACKED_CHECKPOINT = (
    "with --of exits: a finished checkpoint, its training state beside it, in place of a run"
)
PACKED = ".safetensors"
IMITATING = ("NO AVX", "AVX2")
"""Capabilities, as PyTorch names them, of x86 processors without arithmetic in bfloat16; some of
those with AVX512 have it."""
PACKAGES = ("accelerate", "torchvision", "lpips")


def add_parser(subparsers: Any) -> None:
    """Adds ``train`` to the command line."""
    parser = subparsers.add_parser("train", help="train a checkpoint, phase by phase")
    phases = parser.add_subparsers(required=True, metavar="PHASE")
    _add_prepare(phases)
    _add_segmenter(phases)
    _add_pack(phases)
    for name in (*PHASES, *ALL):
        _add_phase(phases, name)


def _add_prepare(phases: Any) -> None:
    parser = phases.add_parser("prepare", help="bring source data sets into one layout")
    parser.add_argument(
        "--domain",
        "--family",
        choices=domains.prepared_names(),
        default="streets",
        help="which data set of ours, if it is not your own (streets)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        help="your own data, or folder of camvid11 … or faces …",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder to write")
    _add_size(parser)
    parser.set_defaults(run=_prepare)


def _add_segmenter(phases: Any) -> None:
    parser = phases.add_parser("segmenter", help="train the net that judges pictures")
    _add_common(parser, named=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="folder for the finished net")
    parser.set_defaults(run=_segmenter)


def _add_pack(phases: Any) -> None:
    parser = phases.add_parser("pack", help="keep what going on elsewhere needs")
    _add_common(parser, needed=False)
    _add_size(parser)
    parser.add_argument("--checkpoint", help=PACKED_CHECKPOINT)
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--of",
        choices=("backbone", "exits"),
        default="backbone",
        help="exits: the checkpoint with branches and predictor, and the branches' discriminator",
    )
    _add_best(parser)
    parser.set_defaults(run=_pack)


def _add_phase(phases: Any, name: str) -> None:
    """A phase by its name, or one of the names of all."""
    parser = phases.add_parser(name, help=ALL.get(name, f"phase {name}"))
    _add_common(parser)
    _add_size(parser)
    for other in MINUTES:
        if name in (other, *ALL):
            parser.add_argument(f"--{other}-minutes", type=float, default=MINUTES[other])
    if name in ("backbone", *ALL):
        _add_backbone(parser)
    if name in ("backbone", "branches", *ALL):
        _add_settings(parser)
    if name in ("branches", *ALL):
        parser.add_argument("--low-memory", action="store_true", help=LOW_MEMORY)
    if name in ("guides", *ALL):
        parser.add_argument("--exits", metavar="STAGE:SCALE,…", help=EXITS)
        parser.add_argument(
            "--guide-inputs", type=int, metavar="COUNT", help="that the bank is made of (1024)"
        )
    if name == "guides":
        _add_best(parser)
    # Under torchrun `--start` is taken for the beginning of an option of its own.
    parser.add_argument("--from", "--start", dest="start", metavar="START", help=START)
    parser.add_argument("--batch-size", type=int, help="pictures in a step of a process (4)")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches")
    parser.add_argument("--samples", type=int, default=2048, help="targets of the predictor")
    _add_finish(parser)
    parser.set_defaults(run=_train, phase=name)


def _add_finish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, help="folder for the finished checkpoint, its figures and its card"
    )
    parser.add_argument("--push", metavar="USER/NAME", help="put that folder on the Hub as well")
    parser.add_argument(
        "--no-evaluate", action="store_true", help="leave the figures of --out to `evaluate`"
    )


def _add_common(
    parser: argparse.ArgumentParser, *, named: bool = False, needed: bool = True
) -> None:
    parser.add_argument("--data", type=Path, required=needed, help="prepared data, or your own")
    parser.add_argument(
        "--run-folder", type=Path, required=named, help="state and results (runs/NAME of the data)"
    )
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--cpu", action="store_true", help="leave an accelerator alone")


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--anneal-minutes",
        type=float,
        help="the rates fall over that long at the end (30 %% of the time); without "
        "--backbone-minutes that is from now on",
    )
    parser.add_argument(
        "--judge-minutes", type=float, default=0.0, help="between two judgements (none)"
    )
    parser.add_argument("--compile", action="store_true", help="compile, on an accelerator")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the training, see docs/training.md",
    )


def _add_best(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--best", action="store_true", help="the backbone that the judge liked best, not the last"
    )


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the pictures to make"
    )


def _prepare(arguments: argparse.Namespace) -> int:
    from accelerate import Accelerator

    from fiancee_hub.training.task import TrainingRequest

    found = of_data(arguments.source)
    if found is None or found.prepare is None:
        domains.preparer(arguments.domain)(arguments.source, arguments.data)
        return 0
    request = TrainingRequest(
        arguments.source,
        run_folder=arguments.data,
        accelerator=Accelerator(cpu=True),
        size=_size(arguments),
        domains=domains.of_family(found.name),
    )
    found.prepare(request, arguments.data)
    return 0


def _size(arguments: argparse.Namespace) -> tuple[int, int] | None:
    return (arguments.size[0], arguments.size[1]) if arguments.size else None


def _accelerator(arguments: argparse.Namespace) -> "Accelerator":
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=arguments.cpu, mixed_precision=arguments.precision)
    if arguments.precision == "bf16" and accelerator.device.type == "cpu":
        _advise_on_precision()
    return accelerator


def _advise_on_precision() -> None:
    """Says so where the processor imitates bfloat16: a step then takes ten times as long."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    # Older releases of PyTorch cannot say more.
    features: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    without = capability == "AVX512" and features.get("avx512_bf16") is False
    if without or capability in IMITATING:
        logger.warning(
            "this processor (%s) does not calculate in bfloat16 and imitates it slowly: leave "
            "--precision out",
            capability,
        )


def _job(arguments: argparse.Namespace) -> "Run":
    """The run that the arguments describe, its data prepared and a foreign backbone in place."""
    drawing = ("matplotlib",) if getattr(arguments, "out", None) else ()
    need((*PACKAGES, *drawing), "train")
    from fiancee_hub.core.ladder import parse_ladder
    from fiancee_hub.training.adopting import adopt, adopted, offered
    from fiancee_hub.training.packing import packed_config
    from fiancee_hub.training.phases import Run, adopt_exits
    from fiancee_hub.training.task import TrainingRequest
    from fiancee_hub.training.trials import with_exits, with_settings

    data, found = arguments.data, of_data(arguments.data)
    if found is None:
        raise DataError(
            f"{data} holds no data that a family trains on: run `train prepare` first, or lay out "
            "your own data as docs/training.md says"
        )
    folder = arguments.run_folder or Path("runs") / data.resolve().name
    start = getattr(arguments, "start", None)
    packed = Path(start) if start and start.endswith(PACKED) else None
    start = None if packed else start
    exits = packed_config(packed) if packed else None
    request = TrainingRequest(
        data,
        folder,
        _accelerator(arguments),
        size=_size(arguments),
        backbone=exits or (offered(start) if start else adopted(folder)),
        batch_size=getattr(arguments, "batch_size", None),
        workers=getattr(arguments, "workers", 0),
        domains=domains.of_family(found.name),
    )
    task = with_settings(found.task(request), _settings(arguments))
    if (ladder := getattr(arguments, "exits", None)) is not None:
        if exits:
            raise DataError("--exits: those of the pack are there already; leave it out")
        task = with_exits(task, parse_ladder(ladder))
    if start:
        adopt(folder, start, request.accelerator)
    job = Run(folder, task, request.accelerator)
    if packed and exits:
        adopt_exits(job, packed)
    return job


def _settings(arguments: argparse.Namespace) -> list[str]:
    chosen: list[str] = list(getattr(arguments, "set", ()))
    return [*chosen, "compile=true"] if getattr(arguments, "compile", False) else chosen


def _segmenter(arguments: argparse.Namespace) -> int:
    from fiancee_hub.families.label_maps.judging.segmenter_training import train_segmenter
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

    _check_time("minutes", arguments.minutes)
    data = DataFolder(arguments.data, domains.of_family("label_maps"))
    accelerator = _accelerator(arguments)
    train_segmenter(
        data, arguments.run_folder, arguments.minutes, accelerator, checkpoint=arguments.out
    )
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    need(PACKAGES, "train")
    from fiancee_hub.training.packing import pack_checkpoint
    from fiancee_hub.training.phases import pack, pack_exits

    if arguments.checkpoint:
        if arguments.of != "exits":
            raise DataError("--checkpoint: a checkpoint has exits to pack; add --of exits")
        pack_checkpoint(arguments.checkpoint, arguments.out)
        return 0
    if arguments.data is None:
        raise DataError("--data: name the run's data, or a --checkpoint to pack the exits of")
    if arguments.of == "exits":
        pack_exits(_job(arguments), arguments.out)
    else:
        pack(_job(arguments), arguments.out, best=arguments.best)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from fiancee_hub.cli.finished import Finish, check_push, finish
    from fiancee_hub.training import phases

    _check_samples(arguments.samples)
    _check_guide_inputs(getattr(arguments, "guide_inputs", None))
    _check_minutes(arguments)
    _check_sizes(arguments)
    check_push(arguments.push, arguments.out)
    job = _job(arguments)
    packed = arguments.start and arguments.start.endswith(PACKED)
    start = Path(arguments.start) if packed else None
    branches = _branches(job, arguments)
    actions = {
        "backbone": lambda: phases.train_backbone(
            job,
            arguments.backbone_minutes,
            start,
            anneal_minutes=arguments.anneal_minutes,
            judge_minutes=arguments.judge_minutes,
            chained=arguments.phase in ALL,
        ),
        "guides": lambda: phases.build_guides(
            job, best=_best(arguments), inputs=arguments.guide_inputs
        ),
        "branches": lambda: phases.train_branches(job, arguments.branches_minutes, branches),
        "predictor": lambda: phases.train_predictor(
            job, arguments.predictor_minutes, arguments.samples
        ),
        "calibrate": lambda: phases.calibrate(job),
    }
    chosen: tuple[str, ...] = PHASES if arguments.phase in ALL else (arguments.phase,)
    if arguments.phase in ALL and phases.carries_exits(job):
        # Guides made anew would begin with new branches.
        chosen = chosen[chosen.index("branches") :]
    for name in chosen:
        logger.info("phase %s", name)
        actions[name]()
    if arguments.phase in ALL:
        phases.end_chain(job)
    if arguments.out and job.accelerator.is_main_process:
        finish(job, Finish(arguments.out, not arguments.no_evaluate, arguments.push))
    return 0


def _branches(job: "Run", arguments: argparse.Namespace) -> "BranchSettings":
    """How the branches are trained: as the task does, but for what the arguments say."""
    usual = job.task.branches
    return replace(
        usual,
        batch_size=arguments.batch_size or usual.batch_size,
        workers=arguments.workers or usual.workers,
        low_memory=getattr(arguments, "low_memory", False) or usual.low_memory,
    )


def _check_samples(samples: int) -> None:
    """Refuses too few targets before hours of training, not after."""
    from fiancee_hub.training.predictor import CHUNK

    if samples < CHUNK:
        raise InputError(
            f"--samples {samples} is too few: distances are measured {CHUNK} inputs at a time, and "
            f"a predictor that has seen fewer than {CHUNK} knows nothing; give {CHUNK} or more"
        )


def _check_guide_inputs(count: int | None) -> None:
    if count is not None and count < 1:
        raise InputError(f"--guide-inputs {count}: a bank is made of one input or more")


def _check_minutes(arguments: argparse.Namespace) -> None:
    """Refuses times in which nothing can be trained; judging may be left out with 0."""
    for name in ("backbone", "anneal", "branches", "predictor", "judge"):
        minutes: float | None = getattr(arguments, f"{name}_minutes", None)
        if minutes is not None and not (name == "judge" and minutes == 0):
            _check_time(f"{name}-minutes", minutes)


def _check_time(option: str, minutes: float) -> None:
    if not minutes > 0:
        raise InputError(f"--{option} {minutes:g} is no time: give more than 0, or leave it out")


def _check_sizes(arguments: argparse.Namespace) -> None:
    """Refuses batches and processes that cannot be."""
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise InputError(f"--batch-size {arguments.batch_size}: a step takes one picture or more")
    if arguments.workers < 0:
        raise InputError(f"--workers {arguments.workers}: give 0 or more")


def _best(arguments: argparse.Namespace) -> bool:
    """Whether to go on with what the judge liked best: if asked to, or if there is a judge."""
    return bool(getattr(arguments, "best", False) or getattr(arguments, "judge_minutes", 0))
