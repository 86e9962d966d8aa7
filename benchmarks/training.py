"""Pictures a second of the backbone's training, and where a step's time goes.

Two or more settings take turns in one run, so that what else the machine does falls on all alike.

python benchmarks/training.py --data FOLDER --set augmentation.colour=0 --set lecam=0.1
python benchmarks/training.py --data FOLDER --device cuda --precision bf16 --batch-size 64 --compile
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator

from fiancee_hub import domains
from fiancee_hub.core.errors import DataError, FianceeError
from fiancee_hub.core.family import of_data
from fiancee_hub.training import adversarial
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.task import TrainingRequest
from fiancee_hub.training.trials import with_settings

PARTS = {
    "data": ("_batch",),
    "losses": ("_faithful",),
    "discriminator": ("_realistic", "_discriminator_step"),
}
"""Methods of a phase by part; what is left is the generator."""

LATE = 0.9
"""Progress at which the steps are timed: the discriminator is there."""


class Stopwatch:
    """Time by part; a part within another counts for itself alone."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.reset()

    def reset(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.open: list[str] = []
        self.since = self._now()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._turn()
        self.open.append(name)
        try:
            yield
        finally:
            self._turn()
            self.open.pop()

    def _turn(self) -> None:
        now = self._now()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Counts the time of a method under ``name``."""
        plain: Callable[..., Any] = getattr(owner, method)

        def watched(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return plain(*arguments, **options)

        setattr(owner, method, watched)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="of `train prepare`, any family")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--steps", type=int, default=10, help="timed for each setting")
    parser.add_argument("--compile", action="store_true", help="add a setting that is compiled")
    parser.add_argument(
        "--set",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting to compare with the recipe as it is; may be given several times",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    choices = [[], *arguments.set, *([["compile=true"]] if arguments.compile else [])]
    try:
        _report(arguments, choices)
    except FianceeError as error:
        parser.error(str(error))


def _report(arguments: argparse.Namespace, choices: list[list[str]]) -> None:
    accelerator = Accelerator(cpu=arguments.device == "cpu", mixed_precision=arguments.precision)
    phases = [_phase(arguments, words, accelerator) for words in choices]
    rounds = _rounds(phases, arguments.steps, accelerator)
    base = median(rounds[0])
    for words, phase, seconds in zip(choices, phases, rounds, strict=True):
        rate = phase.settings.batch_size / median(seconds)
        name = " ".join(words) or "as it is"
        sys.stdout.write(
            f"{name}: {rate:.2f} images/s, {median(seconds) / base:.3f} of the first one's time\n"
        )
        for part, share in _shares(phase, accelerator.device, arguments.steps).items():
            sys.stdout.write(f"  {part:13}  {share:6.1%}\n")
        phase.close()


def _phase(
    arguments: argparse.Namespace, words: list[str], accelerator: Accelerator
) -> AdversarialPhase:
    found = of_data(arguments.data)
    if found is None:
        raise DataError(f"{arguments.data} holds no prepared data: run `train prepare` first")
    request = TrainingRequest(
        arguments.data,
        Path("runs") / "benchmark",
        accelerator,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        domains=domains.of_family(found.name),
    )
    task: Any = with_settings(found.task(request), words)
    phase: AdversarialPhase = task.backbone(task.recipe.generator, accelerator)
    phase.grown = True
    return phase


def _rounds(
    phases: list[AdversarialPhase], steps: int, accelerator: Accelerator
) -> list[list[float]]:
    """Seconds of every step of each phase, one after another in turn; two steps to warm up."""
    watch = Stopwatch(accelerator.device)
    seconds: list[list[float]] = [[] for _ in phases]
    for step in range(steps + 2):
        for phase, found in zip(phases, seconds, strict=True):
            watch.reset()
            with watch.part("step"):
                phase.step(LATE)
            if step >= 2:
                found.append(watch.seconds["step"])
    return seconds


def _shares(phase: AdversarialPhase, device: torch.device, steps: int) -> dict[str, float]:
    """Share of the time that each part of a step takes."""
    watch = Stopwatch(device)
    for part, methods in PARTS.items():
        for method in methods:
            watch.watch(phase, method, part)
    for optimizer in (phase.generator_optimizer, phase.optimizer):
        watch.watch(optimizer, "step", "optimizer")
    plain = adversarial.update_average
    watch.watch(adversarial, "update_average", "optimizer")
    try:
        for _ in range(steps):
            with watch.part("generator"):
                phase.step(LATE)
    finally:
        adversarial.update_average = plain
    whole = sum(watch.seconds.values())
    names = ("data", "generator", "losses", "discriminator", "optimizer")
    return {name: watch.seconds[name] / whole for name in names}


if __name__ == "__main__":
    main()
