"""A folder of label maps on a Ray cluster: the command line's own function as a Ray Data stage.

python examples/ray_stage.py maps pictures --checkpoint user/streets --workers 4

Every worker loads the checkpoint once. Pictures that exist are left alone, so it can be run again
after an interruption; the folders must be ones that all workers see.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import ray

from fiancee_hub.bulk import Job, generate_jobs, plan
from fiancee_hub.street_pipeline import StreetsPipeline


class Generate:
    """The stage: batches of jobs in, what became of each out."""

    def __init__(self, checkpoint: str, out: str, budget: float) -> None:
        pipe = StreetsPipeline.from_pretrained(checkpoint)
        assert isinstance(pipe, StreetsPipeline)
        self.pipe, self.out, self.budget = pipe, Path(out), budget

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        columns = zip(batch["source"], batch["output"], batch["seed"], strict=True)
        jobs = [Job(Path(source), Path(output), int(seed)) for source, output, seed in columns]
        failed = dict(generate_jobs(self.pipe, jobs, self.out, budget=self.budget))
        return {"source": batch["source"], "error": [failed.get(j.source.name, "") for j in jobs]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--budget", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    jobs = plan(arguments.source.resolve(), out, arguments.seed)
    rows = [
        {"source": str(job.source), "output": str(job.output), "seed": job.seed}
        for job in jobs
        if not job.output.exists()
    ]
    if rows:
        stage = ray.data.from_items(rows).map_batches(
            Generate,
            fn_constructor_args=(arguments.checkpoint, str(out), arguments.budget),
            batch_size=64,
            concurrency=arguments.workers,
        )
        for row in stage.iter_rows():
            if row["error"]:
                sys.stdout.write(f"left out {row['source']}: {row['error']}\n")
    sys.stdout.write(f"{len(rows)} of {len(jobs)} maps were to be made\n")


if __name__ == "__main__":
    main()
