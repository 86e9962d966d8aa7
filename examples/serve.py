"""Pictures from label maps for many at once: a checkpoint as a Ray Serve deployment.

pip install -e ".[serve]"
python examples/serve.py --checkpoint weights_card/streets --replicas 2
curl -T map.png -X POST "http://127.0.0.1:8000/?budget=0.1&seed=7" -o picture.png -D -

POST a map's file as the body. The answer is a PNG, its route (exit, predicted LPIPS, saving,
backend …) as JSON in the header ``route``; what cannot be used is JSON with a sentence in
``detail``. ``/-/healthz`` says whether requests are taken. On a cluster whose nodes have the
package: ``serve run examples.serve:app checkpoint=user/streets replicas=8``.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from pydantic import BaseModel, Field, ValidationError
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fiancee_hub import FianceeError, InputError, LabelMapPipeline, Result
from fiancee_hub.core.marking import encoded
from fiancee_hub.core.router import check_budget
from fiancee_hub.core.seeds import check_seed
from fiancee_hub.families.label_maps.reading import LabelMap

logger = logging.getLogger(__name__)

BATCH = 8
"""Requests that a replica renders together, at most."""

UPLOAD = 10_000_000
"""Bytes of the largest map."""


class Settings(BaseModel):
    """What ``serve run`` takes as NAME=VALUE, and this script as --NAME VALUE."""

    checkpoint: str = Field(description="a folder or user/repo@revision")
    replicas: int = Field(2, ge=1, description="at most (2)")
    least: int = Field(1, ge=1, description="replicas without any request (1)")
    cpus: float = Field(1, gt=0, description="processors of a replica, and torch's threads (1)")
    waiting: int = Field(64, ge=0, description="requests in line before the next is told 503 (64)")


@dataclass(frozen=True)
class Asked:
    """A request whose map, budget (LPIPS) and seed can be used."""

    label_map: LabelMap
    budget: float
    seed: int


class Pictures:
    """What every replica is.

    Args:
        checkpoint: a folder or user/repo@revision.
        threads: of torch.
    """

    def __init__(self, checkpoint: str, threads: int) -> None:
        # One thread calls the model: torch keeps a pool of threads for each that does.
        self.model = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,))
        self.pipe = LabelMapPipeline.from_pretrained(checkpoint)

    async def __call__(self, request: Request) -> Response:
        if request.method != "POST":
            return problem(405, "POST the file of a label map as the body")
        content = await upload(request)
        if content is None:
            return problem(413, f"the map has more than {UPLOAD} bytes: send a smaller file")
        try:
            # Before it joins others: a batch with one that cannot be used would fail as a whole.
            asked = await asyncio.to_thread(read, self.pipe, content, request.query_params)
        except InputError as error:
            return problem(400, str(error))
        try:
            result = await self.make(asked)
        except Exception:
            logger.exception("a batch failed")
            return problem(500, "something went wrong here: try again, or with another map")
        png = await asyncio.to_thread(encoded, result.image, "PNG")
        return Response(png, media_type="image/png", headers={"route": json.dumps(route(result))})

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.01)  # type: ignore[untyped-decorator]
    async def make(self, asked: list[Asked]) -> list[Result]:
        """Serve calls it with all that wait."""
        make = partial(
            self.pipe.generate_batch,
            [one.label_map for one in asked],
            budget=[one.budget for one in asked],
            seeds=[one.seed for one in asked],
        )
        return await asyncio.get_running_loop().run_in_executor(self.model, make)


async def upload(request: Request) -> bytes | None:
    """What was sent, or None if it is too large."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > UPLOAD:
            return None
    return bytes(content)


def read(pipe: LabelMapPipeline, content: bytes, query: Mapping[str, str]) -> Asked:
    """A request as ``generate_batch`` takes it.

    Raises:
        InputError: the map, the budget or the seed cannot be used.
    """
    budget = check_budget(number(query, "budget", float, "0.1"))
    pipe.check_promise(budget)
    return Asked(pipe.read(content), budget, check_seed(number(query, "seed", int, "0")))


def number(query: Mapping[str, str], name: str, kind: Callable[[str], Any], default: str) -> Any:
    text = query.get(name, default)
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{name} must be a number such as {default}, not {text[:40]!r}") from None


def route(result: Result) -> dict[str, Any]:
    """All of a result but the picture."""
    return {name: value for name, value in vars(result).items() if name != "image"}


def problem(status: int, words: str) -> Response:
    return JSONResponse({"detail": words}, status)


def app(settings: Settings) -> Any:
    """The application, not yet served. Replicas start and end with the number of requests."""
    checkpoint, threads = settings.checkpoint, max(1, int(settings.cpus))
    if Path(checkpoint).is_dir():
        checkpoint = str(Path(checkpoint).resolve())  # replicas need not run in this folder
    deployment = serve.deployment(
        Pictures,
        ray_actor_options={"num_cpus": settings.cpus},
        # One batch is made while the next one gathers; more wait, and beyond that Serve says 503.
        max_ongoing_requests=2 * BATCH,
        max_queued_requests=settings.waiting,
        autoscaling_config={
            "min_replicas": settings.least,
            "max_replicas": max(settings.least, settings.replicas),
            "target_ongoing_requests": BATCH,
        },
    )
    return deployment.bind(checkpoint, threads)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, field in Settings.model_fields.items():
        kind, needed, words = field.annotation or str, field.is_required(), field.description
        parser.add_argument(
            f"--{name}", type=kind, required=needed, default=field.default, help=words
        )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    try:
        settings = Settings.model_validate(vars(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        parser.error(f"--{first['loc'][0]}: {first['msg']}")
    try:
        # Told here, in one sentence, instead of by every replica; and downloaded once.
        LabelMapPipeline.from_pretrained(settings.checkpoint)
    except FianceeError as error:
        sys.exit(str(error))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": arguments.host, "port": arguments.port})
    serve.run(app(settings), blocking=True)


if __name__ == "__main__":
    main()
