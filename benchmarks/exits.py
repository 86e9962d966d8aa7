"""Time of every exit beside its MACs, both relative to full depth, exits in turn in one run.

Of faces the driver's part is timed: a source is read once, ahead.

python benchmarks/exits.py weights_card/streets --threads 1 2 --rounds 50
"""

import argparse
import sys
from pathlib import Path
from statistics import median

from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.measuring.timing import exit_milliseconds, time_ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    model, config = load_checkpoint(arguments.checkpoint)
    inputs = model.trunk.example_inputs()
    for threads in arguments.threads:
        rounds = exit_milliseconds(model, inputs, threads, arguments.rounds)
        sys.stdout.write(f"{threads} thread(s)\nexit  MACs   time   milliseconds (median)\n")
        for index, ratio in enumerate(time_ratios(rounds)):
            macs = config.costs.ratio(index + 1)
            milliseconds = median(row[index] for row in rounds)
            sys.stdout.write(f"{index + 1:4d}  {macs:.3f}  {ratio:.3f}  {milliseconds:.1f}\n")


if __name__ == "__main__":
    main()
