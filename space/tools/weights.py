"""Everything that shows figures or pictures of a checkpoint, made anew: ``make weights``.

    python -m space.tools.weights streets --from runs/streets --data data/streets
    python -m space.tools.weights streets --data data/streets --steps pairs screens

Takes a finished run, or any checkpoint folder, into weights_card/NAME, and then runs, each as a
process of its own:

    evaluate     evaluation.json, plots, contact sheets, the card, and the tables of README.md
    pairs        the pairs of pictures beside the demo's budget
    first        what the demo shows until the model is loaded, and its easy and hard input
    transcript   what README.md shows of examples/own_checkpoint.py
    figures      the pictures of docs/concepts.md
    screens      docs/screens
    page         the page's waiting times in README.md; on a quiet machine only
    opening      what the page weighs and how calmly it opens, in README.md
    camera       frames a second that a camera drives, in README.md
    load         times of many visitors: the same, and the best part of an hour; only if named

It may be interrupted: ``--steps`` says where to go on, without ``--from``. docs/made-with.json says
which weights each part was made with, and a test fails where these are not the ones beside it.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from fiancee_hub.core.errors import DataError, FianceeError
from fiancee_hub.core.files import replacing
from fiancee_hub.families.label_maps.training.class_table import EXAMPLES
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint, stored
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.domains import shipped, shipped_names
from fiancee_hub.hub.examples import copy_examples, give_domain, pictures_in
from fiancee_hub.hub.saving import NOTES, TRAINING_STATE
from fiancee_hub.training.loop import BEST, STATE
from fiancee_hub.training.state import load_state
from space.settings import ROOT, SHIPPED

logger = logging.getLogger(__name__)

DEFAULT = (
    *("evaluate", "pairs", "first", "transcript"),
    *("figures", "screens", "page", "opening", "camera"),
)
STEPS = (*DEFAULT, "load")
TRANSCRIPT = "streets"
"""The checkpoint that README's transcript and the documentation show."""


def install(source: Path, target: Path, data: Path) -> None:
    """Puts the checkpoint of a run, or of a folder, in place of ``target``.

    What the old one said of its data and its example inputs stay, a new one takes the maps drawn
    for its data; `evaluate` is to replace what was measured on the old weights. The packed training
    state is replaced where the run can be packed.

    Args:
        source: a run folder, or a checkpoint folder.
        target: folder below weights_card.
        data: prepared data, to calibrate on where the checkpoint is not calibrated.

    Raises:
        FianceeError: there is no checkpoint, or it is not finished.
    """
    checkpoint = source / "checkpoint" if (source / "checkpoint").is_dir() else source
    model, config = load_checkpoint(checkpoint)
    if not config.exits:
        raise DataError(f"{checkpoint} has no early exits: finish its training first")
    if config.calibration is None:
        checkpoint = _calibrated(source, checkpoint, data)
    del model
    with tempfile.TemporaryDirectory() as kept:
        examples = _keep_examples(target, Path(kept)) or pictures_in(data / EXAMPLES)
        _take(checkpoint, source, target)
        known = shipped(target.name).domain if target.name in shipped_names() else None
        if known or examples:
            give_domain(target, known or read_config(target / CONFIG).domain, examples)
    _pack(source, target, data)


def _keep_examples(target: Path, kept: Path) -> dict[str, Path]:
    """Copies of a checkpoint's example inputs, by title."""
    if not (target / CONFIG).is_file():
        return {}
    domain = read_config(target / CONFIG).domain
    copy_examples(domain, target, kept)
    return {example.title: kept / example.file for example in domain.examples}


def _take(checkpoint: Path, source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    notes = next(
        (p for p in (source / NOTES, checkpoint / NOTES) if p.is_file()), checkpoint / NOTES
    )
    for path in (checkpoint / WEIGHTS, checkpoint / CONFIG, notes):
        if path.is_file() and path.resolve() != (target / path.name).resolve():
            with replacing(target / path.name) as partial:
                shutil.copyfile(path, partial)


def _calibrated(source: Path, checkpoint: Path, data: Path) -> Path:
    """The checkpoint once the router's margins are known; they stay in the run folder."""
    run = source
    if checkpoint == source:
        run = Path("runs") / f"{source.resolve().name}-calibration"
        shutil.copytree(source, run / "checkpoint", dirs_exist_ok=True)
    fiancee("train", "calibrate", "--data", data, "--run-folder", run)
    return run / "checkpoint"


def _pack(source: Path, target: Path, data: Path) -> None:
    """Keeps what training goes on from, if the run has it and it is of these weights."""
    states = {"--best": source / "backbone" / BEST, "": source / "backbone" / STATE}
    model, _ = load_checkpoint(target)
    trunk = model.trunk.state_dict()
    for option, path in states.items():
        if path.is_file() and _is_of(load_state(path)["phase"], trunk):
            words = [option] if option else []
            out = target / TRAINING_STATE
            fiancee("train", "pack", "--data", data, "--run-folder", source, "--out", out, *words)
            return
    logger.warning(
        "%s has no backbone to pack of these weights: %s stays as it was", source, TRAINING_STATE
    )


def _is_of(phase: dict[str, dict[str, torch.Tensor]], trunk: dict[str, torch.Tensor]) -> bool:
    """Whether a training state can be packed, and is that of a checkpoint's trunk."""
    average = phase["average"]
    if "generator" not in phase or average.keys() != trunk.keys():
        return False
    rounded = {name: stored(name, value).to(value.dtype) for name, value in average.items()}
    return all(torch.equal(rounded[name], value) for name, value in trunk.items())


def commands(name: str, data: Path | None, steps: Sequence[str]) -> list[list[str]]:
    """What is run, in this order.

    Args:
        name: of the folder below weights_card.
        data: prepared data of the family.
        steps: of ``STEPS``.

    Raises:
        DataError: there is nothing to evaluate on.
    """
    found = []
    for step in (step for step in STEPS if step in steps):
        if step == "evaluate":
            if data is None:
                raise DataError("give --data (DATA=…): what `train prepare` made for this family")
            folder = f"weights_card/{name}"
            words = ["evaluate", folder, "--data", str(data.resolve()), "--readme", "README.md"]
            found.append(["-m", "fiancee_hub", *words])
        elif step in ("pairs", "first"):
            found.append(["-m", f"space.tools.{step}", name])
        elif step == "transcript" and name == TRANSCRIPT:
            found.append(["-m", "space.tools.transcript"])
        elif step == "figures" and name == TRANSCRIPT:
            found.append(["docs/figures.py"])
        elif step == "screens":
            found.append(["docs/screens.py", name, "method"])
            found.append(["docs/screens_embed.py", name])
        elif step in ("page", "opening", "camera", "load"):
            found.append([f"benchmarks/{step}.py", "--readme", "README.md"])
    return found


def fiancee(*words: object) -> None:
    """A command of the library, with the caller's relative paths."""
    _run(["-m", "fiancee_hub", *(str(word) for word in words)], Path.cwd())


def _run(words: list[str], folder: Path) -> None:
    """A process of this Python.

    Raises:
        DataError: it failed, having said why.
    """
    logger.info("python %s", " ".join(words))
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": search}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=False)
    if done.returncode:
        raise DataError(f"python {' '.join(words)} failed: what it says above comes first")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 if something cannot be done."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        "python -m space.tools.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=[one.name for one in SHIPPED], help="in weights_card")
    parser.add_argument("--from", dest="source", type=Path, help="a run, or a checkpoint folder")
    parser.add_argument("--data", type=Path, help="prepared data of the family")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=DEFAULT, metavar="STEP")
    options = parser.parse_args(arguments)
    try:
        planned = commands(options.name, options.data, options.steps)
        if options.source:
            if options.data is None:
                raise DataError("give --data (DATA=…) beside --from (FROM=…)")
            install(options.source, ROOT / "weights_card" / options.name, options.data)
        for words in planned:
            _run(words, ROOT)
    except FianceeError as error:
        logger.error("%s", error)
        return 2
    logger.info("Now: make test, and look at the pictures before you commit them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
