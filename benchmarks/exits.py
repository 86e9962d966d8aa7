"""Time of every exit beside its MACs, both relative to full depth, exits in turn in one run.

Of faces the driver's part is timed: a source is read once, ahead. With several backends they take
turns in every round; what each needs before its first pictures is told as well.

python benchmarks/exits.py weights_card/streets --threads 1 2 --rounds 50
python benchmarks/exits.py weights_card/streets weights_card/faces --write \\
    --backends onnxruntime openvino
python benchmarks/exits.py weights_card/streets --threads 2 --rounds 10 --batches 4 8
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from figures import write

from fiancee_hub.backends.choosing import EAGER, NAMES, TABLE, best, check_backend, runner_of
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import write_text
from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.measuring.timing import batches, exit_milliseconds, side_by_side, time_ratios

ROOT = Path(__file__).resolve().parents[1]
ASSET = ROOT / "fiancee_hub" / "assets" / TABLE
DOCUMENT = ROOT / "docs" / "backends.md"


def main() -> None:
    arguments = parsed()
    found: dict[str, dict[str, Any]] = {}
    for folder in arguments.checkpoints:
        if arguments.backends and not arguments.batches:
            family, figures = apart(folder, arguments)
            found[family] = figures
            text = told(folder.name, figures, arguments)
            sys.stdout.write(text + "\n\n")
            if arguments.write:
                write(DOCUMENT, f"backends-{family}", text)
            continue
        model, config = load_checkpoint(folder)
        if not arguments.batches:
            sys.stdout.write(f"{folder.name}, ")
            one_by_one(model, config.costs, arguments)
            continue
        text = batched(folder.name, model, arguments)
        sys.stdout.write(text + "\n\n")
        if arguments.write:
            write(DOCUMENT, f"batches-{config.family}", text)
    if found and arguments.write:
        keep(found, arguments)


def apart(folder: Path, arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Family of a checkpoint and what ``compared`` finds, in a process of its own: memory that
    another checkpoint has left would hide what this one takes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(family_compared, folder, arguments).result()


def family_compared(folder: Path, arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    model, config = load_checkpoint(folder)
    return config.family, compared(model, arguments)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="one of each family to --write")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--backends", nargs="+", choices=NAMES[1:], default=[])
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[], help="sizes, against one after the other"
    )
    parser.add_argument("--exits", type=int, nargs="+", help="of --batches (all)")
    parser.add_argument(
        "--processor-time", action="store_true", help="on a busy machine, with one thread"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"into {TABLE}, which `auto` goes by, and the docs"
    )
    arguments = parser.parse_args()
    if arguments.write and not (arguments.backends or arguments.batches):
        parser.error("--write goes with --backends or --batches")
    return arguments


def keep(found: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Puts the figures of families where ``auto`` looks them up."""
    table = json.loads(ASSET.read_text("utf-8"))
    table["families"] |= found
    table["measured"] |= dict.fromkeys(found, surroundings(arguments))
    write_text(ASSET, json.dumps(table, indent=1) + "\n")


def one_by_one(model: EarlyExitModel, costs: Any, arguments: argparse.Namespace) -> None:
    """Prints the time of every exit in eager PyTorch."""
    inputs = model.trunk.example_inputs()
    for threads in arguments.threads:
        rounds = exit_milliseconds(model, inputs, threads, arguments.rounds)
        sys.stdout.write(f"{threads} thread(s)\nexit  MACs   time   milliseconds (median)\n")
        for index, ratio in enumerate(time_ratios(rounds)):
            macs = costs.ratio(index + 1)
            milliseconds = median(row[index] for row in rounds)
            sys.stdout.write(f"{index + 1:4d}  {macs:.3f}  {ratio:.3f}  {milliseconds:.1f}\n")


def compared(model: EarlyExitModel, arguments: argparse.Namespace) -> dict[str, Any]:
    """By backend the seconds and megabytes of its preparation, and by number of threads the
    milliseconds of every exit."""
    names = [check_backend(name) for name in dict.fromkeys([EAGER, *arguments.backends])]
    clock = time.process_time if arguments.processor_time else time.perf_counter
    inputs = model.trunk.example_inputs()
    found: dict[str, Any] = {name: {"milliseconds": {}} for name in names}
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        runners = {name: runner_of(name, model, torch.float32) for name in names}
        for name, runner in runners.items():
            before, started = peak(), clock()
            side_by_side(model, inputs, {name: runner}, 1)
            prepared = clock() - started
            again = side_by_side(model, inputs, {name: runner}, 1, clock)[name][0]
            if name != EAGER and "seconds" not in found[name]:
                found[name]["seconds"] = round(prepared - sum(again) / 1000, 1)
                found[name]["megabytes"] = round(peak() - before)
        for name, rounds in side_by_side(model, inputs, runners, arguments.rounds, clock).items():
            found[name]["milliseconds"][str(threads)] = [round(each, 2) for each in middle(rounds)]
    return found


def told(name: str, found: dict[str, Any], arguments: argparse.Namespace) -> str:
    """Markdown: what was timed and how, the table, and what `auto` makes of it."""
    first = sentence(name, "a picture with the predictor", arguments)
    return f"{first}\n\n{rows(found)}\n\n`auto` is `{best(found)}` here."


def batched(name: str, model: EarlyExitModel, arguments: argparse.Namespace) -> str:
    """Markdown: milliseconds of a picture in batches beside one after the other."""
    clock = time.process_time if arguments.processor_time else time.perf_counter
    inputs, sizes = model.trunk.example_inputs(), sorted({1, *arguments.batches})
    exits = arguments.exits or range(1, model.exits + 1)
    lines = [["backend", "threads", "pictures at once", *exit_names(exits)]]
    lines.append(["---"] * len(lines[0]))
    for backend in dict.fromkeys([EAGER, *arguments.backends]):
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            runner = runner_of(check_backend(backend), model, torch.float32)
            found = batches(model, inputs, runner, sizes, exits, arguments.rounds, clock)
            for size, medians in ((size, middle(found[size])) for size in sizes):
                cells = beside(medians, middle(found[1]), plain=size == 1)
                lines.append([f"`{backend}`", str(threads), str(size), *cells])
    return f"{sentence(name, 'a picture', arguments)}\n\n{markdown(lines)}"


def middle(rounds: list[list[float]]) -> list[float]:
    """Medians over the rounds."""
    return [median(column) for column in zip(*rounds, strict=True)]


def exit_names(exits: Iterable[int]) -> list[str]:
    return [f"exit {index}" for index in exits]


def beside(ours: list[float], theirs: list[float], *, plain: bool) -> list[str]:
    """Milliseconds, and how many times as fast as others' unless ``plain``."""
    return [
        f"{mine:.1f} ms" + ("" if plain else f" ({other / mine:.2f}×)")
        for mine, other in zip(ours, theirs, strict=True)
    ]


def sentence(name: str, timed: str, arguments: argparse.Namespace) -> str:
    clock = "processor time" if arguments.processor_time else "by the clock"
    rounds = arguments.rounds
    return f"{name.capitalize()}: milliseconds of {timed}, {clock}, medians of {rounds} rounds."


def markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows(found: dict[str, Any]) -> str:
    """Markdown: milliseconds of every exit, and how many times as fast as eager."""
    eager = found[EAGER]["milliseconds"]
    names = exit_names(range(1, len(next(iter(eager.values()))) + 1))
    lines = [["backend", "threads", *names, "first pictures", "MB"]]
    lines.append(["---"] * len(lines[0]))
    for name, figures in found.items():
        before = [f"{figures.get('seconds', 0):g} s", f"{figures.get('megabytes', 0):g}"]
        for threads, row in figures["milliseconds"].items():
            cells = beside(row, eager[threads], plain=name == EAGER)
            lines.append([f"`{name}`", threads, *cells, *before])
    return markdown(lines)


def surroundings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "torch": torch.__version__,
        "clock": "processor" if arguments.processor_time else "wall",
        "rounds": arguments.rounds,
    }


def peak() -> float:
    """Most megabytes that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
