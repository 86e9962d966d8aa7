"""Time that importing the library takes beside torch alone, fresh processes in turn.

python benchmarks/imports.py --rounds 7

Processor time is what counts on a machine that is busy with something else.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from statistics import median

IMPORTS = {
    "torch": "import torch",
    "torch and hub mixin": "import torch, huggingface_hub.hub_mixin",
    "fiancee_hub": "import fiancee_hub",
    "FianceePipeline": "from fiancee_hub import FianceePipeline",
    "both families": (
        "import fiancee_hub.families.label_maps.pipeline, fiancee_hub.families.faces.pipeline"
    ),
}


def measure(code: str) -> tuple[float, float]:
    """Seconds of wall time and of processor time of a process that runs ``code``."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            found[name].append(measure(code))
    wall, busy = ({n: median(row[k] for row in rows) for n, rows in found.items()} for k in (0, 1))
    sys.stdout.write("import                    wall s  ratio  processor s  ratio\n")
    for name in IMPORTS:
        sys.stdout.write(
            f"{name:24s}  {wall[name]:6.2f}  {wall[name] / wall['torch']:5.2f}  "
            f"{busy[name]:11.2f}  {busy[name] / busy['torch']:5.2f}\n"
        )


if __name__ == "__main__":
    main()
