"""A folder of label maps on a Ray cluster: the command line's own function as a Ray Data stage.

pip install -e ".[ray]"
python examples/ray_stage.py maps pictures --checkpoint user/streets --workers 4

Every worker loads the checkpoint once. Pictures that exist are left alone, so it can be run again
after an interruption; the folders must be ones that all workers see.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import ray

from fiancee_hub import FianceeError, StreetsPipeline
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.label_maps.bulk import Job, generate_jobs, plan


class Generate:
    """The stage: batches of jobs in, what became of each out."""

    def __init__(self, checkpoint: str, out: str, budget: float) -> None:
        self.pipe = StreetsPipeline.from_pretrained(checkpoint)
        self.out, self.budget = Path(out), budget

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        columns = zip(batch["source"], batch["output"], batch["seed"], strict=True)
        jobs = [Job(Path(source), Path(output), int(seed)) for source, output, seed in columns]
        failed = dict(generate_jobs(self.pipe, jobs, self.out, budget=self.budget).failed)
        return {"source": batch["source"], "error": [failed.get(j.source.name, "") for j in jobs]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of label maps")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--checkpoint", required=True, help="a folder or user/repo@revision")
    parser.add_argument("--budget", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    # Many, since maps of one exit go through the model together.
    parser.add_argument("--maps-a-call", type=int, default=256, help="of a worker (256)")
    try:
        generate(parser.parse_args())
    except FianceeError as error:
        sys.exit(str(error))


def generate(arguments: argparse.Namespace) -> None:
    """Makes the pictures that are missing; prints what was left out, and why."""
    # Workers need not run in this folder.
    source, out = arguments.source.resolve(), arguments.out.resolve()
    checkpoint = arguments.checkpoint
    if Path(checkpoint).is_dir():
        checkpoint = str(Path(checkpoint).resolve())
    jobs = plan(source, out, arguments.seed)
    missing = [job for job in jobs if not job.output.exists()]
    if missing:
        out.mkdir(parents=True, exist_ok=True)
        stage = ray.data.from_items([row_of(job) for job in missing]).map_batches(
            Generate,
            fn_constructor_args=(checkpoint, str(out), check_budget(arguments.budget)),
            batch_size=arguments.maps_a_call,
            compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        )
        for row in stage.iter_rows():
            if row["error"]:
                sys.stdout.write(f"left out {row['source']}: {row['error']}\n")
    sys.stdout.write(f"{len(missing)} of {len(jobs)} maps were to be made\n")


def row_of(job: Job) -> dict[str, Any]:
    return {"source": str(job.source), "output": str(job.output), "seed": job.seed}


if __name__ == "__main__":
    main()
