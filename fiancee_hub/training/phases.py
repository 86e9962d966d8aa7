"""The phases of one checkpoint's training, in order.

Each takes the run folder, resumes what it finds there, and leaves its part in
``RUN/checkpoint``, a checkpoint folder like any other. Guides come before branches here, since
every branch sees a guide while it learns.
"""

import dataclasses
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from fiancee_hub.core.cost import count
from fiancee_hub.core.digest import digest_of
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import Branch, EarlyExitModel
from fiancee_hub.core.files import sha256_of, write_text
from fiancee_hub.hub.checkpoints import (
    build,
    load_checkpoint,
    save_checkpoint,
    stored,
    write_config,
)
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.hub.saving import NOTES
from fiancee_hub.measuring.tables import BEGUN_FROM
from fiancee_hub.training.adopting import adopted
from fiancee_hub.training.adversarial import FALLING, AdversarialPhase
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.branches import BranchPhase
from fiancee_hub.training.calibration import calibrate_model
from fiancee_hub.training.guides import fill_guides
from fiancee_hub.training.loop import BEST, STATE, Judging, Schedule, run
from fiancee_hub.training.packing import NOTHING, load_exits, pack_backbone, save_exits, unpack
from fiancee_hub.training.predictor import PredictorPhase, fingerprint, measure_targets
from fiancee_hub.training.state import load_state, save_state
from fiancee_hub.training.task import Task

logger = logging.getLogger(__name__)

GROW_SHARE = 0.15
"""Share of the backbone's minutes spent at half the size first."""

BACKBONE_MINUTES = 240.0

TRUNK, FORMER_BRANCHES = "trunk.sha256", "branches-of-former-trunk"
"""Whose branches a folder holds, and where those go that are of no use any more."""

ANNEALING = "annealing"
"""In the notes: where the rates began to fall, over how long, and whether phases were to follow."""

PACKED = "packed.json"
"""In a run's folder: what the phases had cost before ``pack_exits``, and of which pack."""

PACK = "pack.sha256"
"""In ``PACKED``: the digest of the file; runs that were begun before do not have it."""


@dataclass(frozen=True)
class Run:
    """Where a training run lives and what it runs on."""

    folder: Path
    task: Task
    accelerator: Accelerator

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    def load(self) -> tuple[EarlyExitModel, CheckpointConfig]:
        """The checkpoint as the phases before have left it.

        Raises:
            DataError: there is none yet.
        """
        if not self.checkpoint.exists():
            raise DataError(f"{self.checkpoint} is missing: run `train guides` first")
        return load_checkpoint(self.checkpoint)

    def save(self, model: EarlyExitModel, config: CheckpointConfig) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.checkpoint, model, config)
        self.accelerator.wait_for_everyone()

    def notes(self) -> dict[str, Any]:
        """What the phases have cost so far: ``RUN/training.json``."""
        path = self.folder / NOTES
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def note(self, phase: str, facts: dict[str, Any]) -> None:
        """Keeps what a phase cost."""
        if self.accelerator.is_main_process:
            notes = json.dumps(self.notes() | {phase: facts}, indent=1)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / NOTES, notes + "\n")


def train_backbone(
    job: Run,
    minutes: float | None = None,
    start: Path | None = None,
    *,
    anneal_minutes: float | None = None,
    judge_minutes: float = 0.0,
    chained: bool = False,
) -> None:
    """Phase 1: half size first, then the shipped size; or on from what ``pack`` kept.

    Args:
        job: the run.
        minutes: in all, resumed runs included; those before ``start`` are not. None stands for
            ``BACKBONE_MINUTES``, or, where ``anneal_minutes`` says so, for that long from now on.
        start: a file of ``pack``.
        anneal_minutes: the rates fall over that long at the end; None is the last 30 %.
        judge_minutes: between two judgements; with 0 nobody judges, and there is no best state.
        chained: other phases follow. If they are interrupted, the same call does not begin another
            fall of the rates, which would cost them their trunk; see ``end_chain``.

    Raises:
        DataError: there is nothing to judge by.
    """
    if adopted(job.folder):
        logger.info("the backbone is that of a checkpoint, and stays as it is")
        return
    config, large = job.task.recipe.generator, job.folder / "backbone"
    going = (large / STATE).is_file()
    grows = "backbone-half" in job.notes() if going else start is None
    phase = job.task.backbone(config, job.accelerator)
    # First of all: data without photographs to judge by are refused before hours of training.
    judging = _judging(job, phase, judge_minutes)
    minutes, falling = _duration(job, minutes, anneal_minutes, grows=grows, chained=chained)
    earlier = _earlier(job, start, going=going)
    if going:
        # The state has everything: that of half the size, or of ``pack``, may be gone by now.
        phase.grown = True
    elif start is not None:
        if not phase.grow_from(unpack(start)["phase"]):
            earlier = _of_other_data(job, start, earlier)
    else:
        small = job.folder / "backbone-half"
        half = job.task.backbone(config.half_size(), job.accelerator)
        schedule = Schedule(minutes * GROW_SHARE / (1 - GROW_SHARE))
        job.note("backbone-half", _train(half, schedule, small, job))
        phase.grow_from(load_state(small / STATE)["phase"])
    job.note("earlier", earlier)
    phase.falling = falling
    schedule = Schedule(
        minutes, judging=judging, earlier_images=earlier["images"], curve=job.folder
    )
    facts = _train(phase, schedule, large, job)
    facts |= {name: facts[name] + earlier[name] for name in ("images", "hours")}
    job.note("backbone", facts)


def _judging(job: Run, phase: AdversarialPhase, minutes: float) -> Judging | None:
    if not minutes:
        return None
    return Judging(minutes, job.task.judge(phase.average, job.accelerator.device))


def _earlier(job: Run, start: Path | None, *, going: bool) -> dict[str, Any]:
    """Images and hours before the run: as noted when it began, or those of ``start``."""
    noted: dict[str, Any] | None = job.notes().get("earlier")
    if going and noted:
        return noted
    packed = unpack(start) if start else NOTHING
    return {name: packed[name] for name in NOTHING}


def _of_other_data(job: Run, start: Path, earlier: dict[str, Any]) -> dict[str, Any]:
    """Notes what ``start`` had been trained for, which is not training on this run's data."""
    logger.info(
        "%s is for other classes or another size: what fits of it is the beginning, the layers "
        "that read the classes begin anew",
        start.name,
    )
    job.note(BEGUN_FROM, earlier)
    return dict.fromkeys(earlier, 0)


def _duration(
    job: Run,
    minutes: float | None,
    anneal: float | None,
    *,
    grows: bool,
    chained: bool = False,
) -> tuple[float, float]:
    """Minutes at full size, and the share of them, at the end, over which the rates fall.

    Args:
        job, minutes, anneal, chained: as ``train_backbone`` takes them.
        grows: ``minutes`` are also those at half the size.
    """
    share = 1 - GROW_SHARE if grows else 1.0
    if anneal is None:
        return (BACKBONE_MINUTES if minutes is None else minutes) * share, FALLING
    if minutes is None:
        full = _annealing_from(job, anneal, chained=chained) + anneal
    else:
        full = minutes * share
    return full, min(1.0, anneal / full) if full > 0 else 1.0


def _annealing_from(job: Run, anneal: float, *, chained: bool) -> float:
    """Minutes after which the rates fall: now, or, if that was interrupted, or what follows it in
    a chain, when it began."""
    path = job.folder / "backbone" / STATE
    now = load_state(path)["seconds"] / 60 if path.is_file() else 0.0
    begun: dict[str, Any] = job.notes().get(ANNEALING, {})
    if begun.get("minutes") == anneal and now >= begun["from_minute"]:
        from_minute: float = begun["from_minute"]
        if now - from_minute < anneal or (chained and begun.get("chained")):
            return from_minute
    job.accelerator.wait_for_everyone()
    job.note(ANNEALING, {"from_minute": now, "minutes": anneal, "chained": chained})
    return now


def end_chain(job: Run) -> None:
    """All phases are done: rates that are asked to fall again do so."""
    if begun := job.notes().get(ANNEALING):
        job.accelerator.wait_for_everyone()
        job.note(ANNEALING, begun | {"chained": False})


def pack(job: Run, target: Path, *, best: bool = False) -> None:
    """Keeps what going on with the backbone on another machine needs, beside a checkpoint.

    Args:
        job: the run; it may still be going.
        target: file to write.
        best: takes the state that the judge liked best, not the last.
    """
    if adopted(job.folder):
        raise DataError(f"{job.folder} has a backbone from a checkpoint: there is nothing to pack")
    if job.accelerator.is_main_process:
        state, notes = _backbone(job, best=best), job.notes()
        earlier = notes.get("earlier", NOTHING)
        facts = {
            "images": state["images"] + earlier["images"],
            "hours": state["seconds"] / 3600 + earlier["hours"],
        }
        pack_backbone(state["phase"], target, facts)


def pack_exits(job: Run, target: Path) -> None:
    """Keeps what going on with branches, predictor and calibration on another machine needs."""
    model, config = job.load()
    path = job.folder / "branches" / STATE
    state = load_state(path) if path.is_file() else None
    if job.accelerator.is_main_process:
        save_exits(target, model, config, state, job.notes(), _branches_before(job))


def _branches_before(job: Run) -> dict[str, float]:
    """Images and hours that the branches had been trained before the run."""
    if not carries_exits(job):
        return dict(NOTHING)
    noted = json.loads((job.folder / PACKED).read_text(encoding="utf-8"))["branches"]
    return {name: noted[name] for name in ("images", "hours")}


def adopt_exits(job: Run, packed: Path) -> None:
    """Puts what ``pack_exits`` kept where a run's later phases look for it; once.

    Args:
        job: the run; a second call with the same pack changes nothing.
        packed: a file of ``pack_exits``.

    Raises:
        CheckpointError: the file is damaged or of another kind.
        DataError: the run has a backbone or branches of its own, or those of another pack.
    """
    if job.accelerator.is_main_process and not _has_adopted(job, packed):
        kept = load_exits(packed)
        kept.model.requires_grad_(False)
        save_checkpoint(job.checkpoint, kept.model, kept.config)
        (job.folder / "backbone").mkdir(parents=True, exist_ok=True)
        write_config(job.folder / "backbone", kept.config)
        phase = {"average": kept.model.trunk.state_dict(), "discriminator": kept.discriminator}
        save_state(job.folder / "backbone" / STATE, {"phase": phase})
        facts = json.dumps(kept.notes | {PACK: sha256_of(packed)})
        write_text(job.folder / PACKED, facts + "\n")
        for phase_name, cost in kept.notes.items():
            job.note(phase_name, cost)
    job.accelerator.wait_for_everyone()


def _has_adopted(job: Run, packed: Path) -> bool:
    """Whether a run goes on from a pack already; one that has begun otherwise is left alone."""
    if not carries_exits(job):
        # Hours of training may be in there.
        if (job.folder / "backbone" / STATE).exists() or job.checkpoint.exists():
            raise DataError(
                f"{job.folder} has another backbone than {packed}: choose another run folder"
            )
        return False
    known = json.loads((job.folder / PACKED).read_text(encoding="utf-8")).get(PACK)
    if known is not None and known != sha256_of(packed):
        raise DataError(
            f"{job.folder} goes on from another pack than {packed}: choose another run folder"
        )
    return True


def carries_exits(job: Run) -> bool:
    """Whether guides and branches came from ``pack_exits``."""
    return (job.folder / PACKED).is_file()


def _train(
    phase: AdversarialPhase | BranchPhase | PredictorPhase,
    schedule: Schedule,
    folder: Path,
    job: Run,
) -> dict[str, Any]:
    schedule = dataclasses.replace(schedule, batch_size=phase.batch_size)
    try:
        facts = run(phase, folder, schedule, job.accelerator)
    finally:
        phase.close()
    job.accelerator.wait_for_everyone()
    where = {"processes": job.accelerator.num_processes, "device": _name(job.accelerator.device)}
    return dict(facts) | where


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def build_guides(job: Run, *, best: bool = False, inputs: int | None = None) -> None:
    """Phase 2: a model around the trained trunk, its guide bank filled.

    Args:
        job: the run.
        best: takes the trunk that the judge liked best, not the last.
        inputs: training inputs that the bank is made of at most; None stands for the usual.
    """
    config = _with_bank_of(job.task.config(), inputs)
    model = build(config).eval()
    state = _backbone(job, best=best)
    model.trunk.load_state_dict(state["phase"]["average"])
    if best:
        _note_state(job, state)
    for branch in model.branches:
        assert isinstance(branch, Branch)
        branch.inherit(model.trunk)
    # Everything that follows is measured on the weights as the checkpoint stores them.
    rounded = {name: stored(name, t).to(t.dtype) for name, t in model.state_dict().items()}
    model.load_state_dict(rounded)
    if job.accelerator.is_main_process:
        fill_guides(model.to(job.accelerator.device), job.task, job.folder / "guides", inputs)
    job.save(model, dataclasses.replace(config, costs=count(model)))


def _with_bank_of(config: CheckpointConfig, inputs: int | None) -> CheckpointConfig:
    """The config with no more entries of whole pictures than there are inputs."""
    if inputs is None or config.guides.form != "whole":
        return config
    entries = min(config.guides.entries, inputs)
    return dataclasses.replace(config, guides=dataclasses.replace(config.guides, entries=entries))


def _note_state(job: Run, state: dict[str, Any]) -> None:
    """The backbone's cost is that of the state that was taken, not of the whole run."""
    if "seconds" not in state:
        return
    notes = job.notes()
    earlier = notes.get("earlier", NOTHING)
    taken = {
        "steps": state["steps"],
        "images": state["images"] + earlier["images"],
        "hours": state["seconds"] / 3600 + earlier["hours"],
    }
    job.note("backbone", notes.get("backbone", {}) | taken)


def _backbone(job: Run, *, best: bool = False) -> dict[str, Any]:
    """The last state, or the one that the judge liked best."""
    best = best and not adopted(job.folder)
    path = job.folder / "backbone" / (BEST if best else STATE)
    if not path.is_file():
        advice = "give it --judge-minutes" if best else "train the backbone first"
        raise DataError(f"{path} is missing: {advice}")
    return load_state(path)


def train_branches(job: Run, minutes: float, settings: BranchSettings | None = None) -> None:
    """Phase 3.

    Branches of another trunk than the checkpoint's, as after a longer backbone, are put aside.

    Args:
        job: the run.
        minutes: in all, resumed runs included.
        settings: None takes the task's own.

    Raises:
        DataError: other branches than the checkpoint's have been trained here.
    """
    model, config = job.load()
    if job.accelerator.is_main_process:
        _put_aside_those_of_another_trunk(job.folder / "branches", model)
    job.accelerator.wait_for_everyone()
    _check_resumed(job, model)
    judge = _backbone(job)["phase"].get("discriminator")
    phase = BranchPhase(model, judge, job.task, job.accelerator, settings or job.task.branches)
    facts = _train(phase, Schedule(minutes), job.folder / "branches", job)
    facts |= {name: facts[name] + count for name, count in _branches_before(job).items()}
    job.note("branches", facts)
    job.save(model, _uncalibrated(config))


def _put_aside_those_of_another_trunk(folder: Path, model: EarlyExitModel) -> None:
    """What they have learnt, and the time it took, count for the trunk that they learnt from."""
    trunk, note = digest_of(model.trunk.state_dict()), folder / TRUNK
    if note.is_file() and note.read_text(encoding="utf-8") != trunk:
        aside = folder.with_name(FORMER_BRANCHES)
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        logger.info("the trunk has changed: branches begin anew; the former ones are in %s", aside)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(note, trunk)


def _check_resumed(job: Run, model: EarlyExitModel) -> None:
    path = job.folder / "branches" / STATE
    if not path.is_file():
        return
    begun = load_state(path)["phase"]["branches"]
    shapes = {f"branches.{name}": t.shape for name, t in model.branches.state_dict().items()}
    if shapes != {name: tensor.shape for name, tensor in begun.items()}:
        raise DataError(
            f"{path} has other branches than {job.checkpoint}: remove the folder "
            f"{path.parent} to begin them anew, or choose another run folder"
        )


def train_predictor(job: Run, minutes: float, samples: int) -> None:
    """Phase 4.

    Args:
        job: the run.
        minutes: in all, resumed runs with as many targets included.
        samples: targets, at least; those measured before count.
    """
    model, config = job.load()
    source = job.task.source()
    # Other branches have other distances: neither targets nor progress may outlive them.
    folder = job.folder / "predictor" / fingerprint(model)
    targets = measure_targets(model, source, samples, folder, job.accelerator)
    # One that was trained before knows its own held-out tenth by heart.
    model.predictor = build(config).predictor
    phase = PredictorPhase(model, targets, job.accelerator)
    # One begun with other targets knows some of those held out by heart, or never sees the rest.
    facts = _train(phase, Schedule(minutes), folder / f"of-{len(targets['lpips'])}", job)
    phase.finish()
    errors = phase.error()
    logger.info("mean absolute error, held out: %s", [f"{error:.4f}" for error in errors])
    within = phase.within()
    logger.info("within mean and spread, held out: %s", [f"{share:.2f}" for share in within])
    found = {"samples": len(targets["lpips"]), "errors": errors, "within": within}
    job.note("predictor", facts | found)
    job.save(model, _uncalibrated(config))


def _uncalibrated(config: CheckpointConfig) -> CheckpointConfig:
    """Margins keep a promise for the branches and the predictor that they were tested with only."""
    return dataclasses.replace(config, calibration=None)


def calibrate(job: Run) -> None:
    """Phase 5."""
    model, config = job.load()
    calibration = calibrate_model(model, job.task, job.accelerator.device)
    job.note("calibration", {"samples": calibration.samples, "groups": calibration.groups})
    job.save(model, dataclasses.replace(config, calibration=calibration))
