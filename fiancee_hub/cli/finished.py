"""What training leaves where ``--out`` says: a checkpoint with examples, figures and a card."""

import argparse
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub import domains
from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.family import Family, family
from fiancee_hub.core.files import replacing, write_text

if TYPE_CHECKING:
    from fiancee_hub.training.phases import Run

logger = logging.getLogger(__name__)

NOTES = "training.json"

Figures = dict[str, Any]


@dataclass(frozen=True)
class Finish:
    """What becomes of a run's checkpoint.

    Args:
        target: folder to write.
        evaluate: measure it, where the data has pictures for that.
        push: repository to put it into as well.
    """

    target: Path
    evaluate: bool = True
    push: str | None = None


def finish(job: "Run", wanted: Finish) -> None:
    """Copies the checkpoint, measures it, writes its card, and pushes it.

    Raises:
        FianceeError: something could not be written, judged or pushed; the checkpoint is there.
    """
    from fiancee_hub.hub.config import read_config

    target = wanted.target
    _copy(job, target)
    _give_examples(target, job.task.examples())
    found, data = family(read_config(target / "config.json").family), job.task.held_out()
    calibrated = read_config(target / "config.json").calibration is not None
    if not (wanted.evaluate and calibrated and data):
        _write_card(target, found)
        logger.info("%s is not measured: `evaluate` does that", target)
    else:
        # The card comes first: whatever happens to the figures, there is one.
        _write_card(target, found)
        _measure(found, target, data)
    if wanted.push:
        _push(target, wanted.push)


def _copy(job: "Run", target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    files = job.checkpoint / "config.json", job.checkpoint / "model.safetensors"
    for path in (*files, job.folder / NOTES):
        if path.is_file():
            with replacing(target / path.name) as partial:
                shutil.copyfile(path, partial)


def _give_examples(target: Path, pictures: Mapping[str, Path]) -> None:
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.hub.examples import give_domain

    if pictures:
        give_domain(target, read_config(target / "config.json").domain, pictures)


def _write_card(target: Path, found: Family) -> None:
    """Writes the card, with figures if they are of these weights; removes what shows others."""
    import json

    from fiancee_hub.hub.card import PLOT, VALIDITY, model_card
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.hub.saving import CARD, EVALUATION, evaluation_of

    figures = evaluation_of(target)
    if figures is None:
        pictures = (name for name, _ in found.card().pictures)
        for name in (EVALUATION, PLOT, VALIDITY, *pictures):
            (target / name).unlink(missing_ok=True)
    notes = target / NOTES
    training = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else None
    card = model_card(
        read_config(target / "config.json"),
        figures=figures,
        training=training,
        files=[path.name for path in target.iterdir()],
    )
    write_text(target / CARD, str(card))


def _measure(found: Family, target: Path, data: Path) -> None:
    """``evaluate`` with its own defaults."""
    from fiancee_hub.cli.card import write
    from fiancee_hub.evaluation.evaluate import write_evaluation
    from fiancee_hub.evaluation.parts import EvaluationRequest

    logger.info("phase evaluate: %s on %s", target, data)
    parser = argparse.ArgumentParser()
    found.evaluation().add_options(parser)
    request = EvaluationRequest(
        target, data, parser.parse_args([]), domains=domains.of_family(found.name)
    )
    figures = write_evaluation(target, found.evaluation().evaluate(request))
    write(target, None, figures)


def check_push(wanted: str | None, target: Path | None) -> None:
    """Refuses what could not be pushed, before hours of training.

    Raises:
        DataError, InputError: there is no folder to push, or what is asked for is no repository.
    """
    if wanted and target is None:
        raise DataError("--push puts the folder of --out on the Hub: give that as well")
    if wanted:
        from fiancee_hub.hub.publishing import check_repository

        check_repository(wanted)


def _push(target: Path, repository: str) -> None:
    """Uploads the checkpoint; whatever else the folder holds stays there."""
    from fiancee_hub.pipeline import AutoPipeline

    try:
        address = AutoPipeline.from_pretrained(target, backend="eager").push_to_hub(repository)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; all is in {target}: `publish {target} {repository}` puts it there later"
        ) from error
    logger.info("pushed: %s", address)
