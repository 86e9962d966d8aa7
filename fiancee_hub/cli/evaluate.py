"""``python -m fiancee_hub evaluate CHECKPOINT``: evaluation.json, figures and the model card."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub import domains
from fiancee_hub.cli.card import add_readme, write
from fiancee_hub.core.errors import DataError, need
from fiancee_hub.core.family import family, names

if TYPE_CHECKING:
    from fiancee_hub.evaluation.parts import EvaluationParts, EvaluationRequest

PACKAGES = ("torchvision", "lpips", "matplotlib")

DTYPES = ("float32", "bfloat16", "float16")


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint on held-out data")
    parser.add_argument("checkpoint", type=Path, help="folder; its figures are written into it")
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    add_readme(parser)
    parser.add_argument("--seed", type=int, default=0, help="of noise and pairs (0)")
    parser.add_argument(
        "--keep-times",
        action="store_true",
        help="on a busy machine: take the times over from the last evaluation of these weights",
    )
    _add_second_test(parser)
    for name in names():
        family(name).evaluation().add_options(parser)
    parser.set_defaults(run=run)


def _add_second_test(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group(
        "other backends",
        "test on a checkpoint that was evaluated what its budgets keep in another backend or type; "
        "nothing else is measured again",
    )
    options.add_argument(
        "--backend",
        action="extend",
        nargs="+",
        metavar="NAME",
        default=[],
        help="eager, compile, onnxruntime, openvino",
    )
    options.add_argument("--dtype", choices=DTYPES, help="float32, bfloat16, float16 (float32)")
    options.add_argument("--device", help="cpu, cuda … (cpu)")


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, writes, and prints the tables.

    Raises:
        DataError: options contradict each other, or the README has no place for the figures.
        InputError: the seed is out of range.
        MissingPackageError: before anything is measured, which takes long.
    """
    need(PACKAGES, "evaluate")
    from fiancee_hub.core.seeds import check_seed
    from fiancee_hub.evaluation.card import around
    from fiancee_hub.evaluation.evaluate import write_evaluation
    from fiancee_hub.evaluation.parts import EvaluationRequest
    from fiancee_hub.hub.config import read_config

    check_seed(arguments.seed)
    folder: Path = arguments.checkpoint
    name = read_config(folder / "config.json").family
    if arguments.readme:
        around(arguments.readme, folder)
    known = domains.of_family(name)
    request = EvaluationRequest(
        folder, arguments.data, arguments, arguments.seed, known, arguments.keep_times
    )
    parts = family(name).evaluation()
    if arguments.backend:
        figures = _second_tests(parts, request)
    elif arguments.dtype or arguments.device:
        raise DataError("--dtype and --device are those of a --backend: name one")
    else:
        figures = write_evaluation(folder, parts.evaluate(request))
    write(folder, arguments.readme, figures)
    return 0


def _second_tests(parts: "EvaluationParts", request: "EvaluationRequest") -> dict[str, Any]:
    """Tests every backend that was named, on the inputs of the evaluation."""
    import torch

    from fiancee_hub.core.perceptual import PerceptualDistance
    from fiancee_hub.core.placing import place
    from fiancee_hub.evaluation.backends import Candidate, add_tests, measured, second_tests
    from fiancee_hub.evaluation.evaluate import Subject
    from fiancee_hub.hub.config import read_config

    folder, options = request.checkpoint, request.options
    before = measured(folder)
    subject = Subject.load(folder, read_config(folder / "config.json").family)
    dtype = getattr(torch, options.dtype or DTYPES[0])
    device, _ = place((), options.device or "cpu")
    assert device is not None
    candidates = [Candidate.load(folder, name, dtype, device) for name in options.backend]
    held_out = parts.held_out(replace(request, seed=before["seed"]))
    return add_tests(folder, second_tests(subject, candidates, held_out, PerceptualDistance()))
