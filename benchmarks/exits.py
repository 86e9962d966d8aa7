"""Time of every exit beside its MACs, both relative to full depth, exits in turn in one run.

Of faces the driver's part is timed: a source is read once, ahead. With several backends they take
turns in every round; what each needs before its first pictures is told as well.

python benchmarks/exits.py weights_card/streets --threads 1 2 --rounds 50
python benchmarks/exits.py weights_card/streets --backends eager onnxruntime openvino --write
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from figures import write

from fiancee_hub.backends.choosing import EAGER, NAMES, TABLE, check_backend, runner_of
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import write_text
from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.measuring.timing import exit_milliseconds, side_by_side, time_ratios

ROOT = Path(__file__).resolve().parents[1]
ASSET = ROOT / "fiancee_hub" / "assets" / TABLE
DOCUMENT = ROOT / "docs" / "backends.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--backends", nargs="+", choices=NAMES[1:], default=[])
    parser.add_argument(
        "--processor-time", action="store_true", help="on a busy machine, with one thread"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"into {TABLE}, which `auto` goes by, and the docs"
    )
    arguments = parser.parse_args()
    model, config = load_checkpoint(arguments.checkpoint)
    if not arguments.backends:
        one_by_one(model, config.costs, arguments)
        return
    found = compared(model, arguments)
    sys.stdout.write(rows(found) + "\n")
    if arguments.write:
        table = json.loads(ASSET.read_text("utf-8"))
        table["families"][config.family] = found
        table["measured"] = surroundings(arguments)
        write_text(ASSET, json.dumps(table, indent=1) + "\n")
        write(DOCUMENT, f"backends-{config.family}", rows(found))


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
            medians = [round(median(column), 2) for column in zip(*rounds, strict=True)]
            found[name]["milliseconds"][str(threads)] = medians
    return found


def rows(found: dict[str, Any]) -> str:
    """Markdown: milliseconds of every exit, and how many times as fast as eager."""
    eager = found[EAGER]["milliseconds"]
    exits = range(1, len(next(iter(eager.values()))) + 1)
    heads = ["backend", "threads", *(f"exit {index}" for index in exits), "first pictures", "MB"]
    lines = [heads, ["---"] * len(heads)]
    for name, figures in found.items():
        before = [f"{figures.get('seconds', 0):g} s", f"{figures.get('megabytes', 0):g}"]
        for threads, row in figures["milliseconds"].items():
            cells = [
                f"{ours:.1f} ms" + ("" if name == EAGER else f" ({theirs / ours:.2f}×)")
                for ours, theirs in zip(row, eager[threads], strict=True)
            ]
            lines.append([f"`{name}`", threads, *cells, *before])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
