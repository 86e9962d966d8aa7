"""Replicas of examples/serve.py beside each other and beside the library: pictures a second.

python benchmarks/serving.py --write docs/serving.md    # needs [serve]

One visitor asks at first, then many do at once, each again as soon as it is answered: label maps
of streets with four budgets and many seeds. The library makes the same in this process, one after
the other, files read and written; the ratios to it mean something on other machines. Those who ask
share the processors with those who answer.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryFile

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

import figures  # noqa: E402

from fiancee_hub import LabelMapPipeline  # noqa: E402
from fiancee_hub.core.marking import encoded  # noqa: E402

CHECKPOINT = ROOT / "weights_card" / "streets"
BUDGETS = (0.02, 0.05, 0.1, 0.2)
MAPS = [path.read_bytes() for path in sorted((CHECKPOINT / "examples").glob("*.png"))]
START_SECONDS = 300
ALONE = 12
"""Requests of the one visitor."""


@dataclass(frozen=True)
class Served:
    """What was measured.

    Args:
        name: what served.
        alone: seconds of each request while nobody else asked.
        together: seconds of each request while many asked.
        wall: seconds from the first of these to the last answer.
    """

    name: str
    alone: list[float]
    together: list[float]
    wall: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return len(self.together) / self.wall


def asked(number: int) -> tuple[bytes, float, int]:
    """Map, budget and seed of the ``number``-th request."""
    return MAPS[number % len(MAPS)], BUDGETS[number % len(BUDGETS)], number


def library(count: int) -> Served:
    """Without a server, one after the other."""
    pipe, seconds = LabelMapPipeline.from_pretrained(CHECKPOINT), []
    for number in range(-ALONE, count):  # the first ones warm up
        content, budget, seed = asked(number % count)
        started = time.perf_counter()
        encoded(pipe(content, budget=budget, seed=seed).image, "PNG")
        seconds.append(time.perf_counter() - started)
    measured = seconds[ALONE:]
    return Served("the library, one after the other", measured, measured, sum(measured))


@contextmanager
def serving(replicas: int, cpus: int) -> Iterator[str]:
    """The example with so many replicas, which neither start nor end; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = f"--checkpoint {CHECKPOINT} --replicas {replicas} --least {replicas} --cpus {cpus}"
    command = [sys.executable, "examples/serve.py", *words.split(), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    url = f"http://127.0.0.1:{port}"
    with TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"the example did not start:\n{log.read()}")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx.post(url, content=MAPS[0], timeout=30).is_success
    except httpx.HTTPError:
        return False


async def measure(url: str, name: str, users: int, count: int) -> Served:
    """One visitor, then so many at once, with ``count`` requests in all."""
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        await crowd(client, users, users)  # warms up
        alone = await crowd(client, 1, ALONE)
        started = time.perf_counter()
        together = await crowd(client, users, count)
        return Served(name, alone, together, time.perf_counter() - started)


async def crowd(client: httpx.AsyncClient, users: int, count: int) -> list[float]:
    """Seconds of each request; visitors take the next one as soon as they are answered."""
    numbers, seconds = iter(range(count)), list[float]()

    async def user() -> None:
        for number in numbers:
            content, budget, seed = asked(number)
            started = time.perf_counter()
            query = {"budget": budget, "seed": seed}
            answer = await client.post("/", content=content, params=query)
            answer.raise_for_status()
            seconds.append(time.perf_counter() - started)

    await asyncio.gather(*(user() for _ in range(users)))
    return seconds


def table(found: list[Served], users: int, count: int, load: float) -> str:
    """The figures as Markdown; ``load`` is the machine's before any of this."""
    head = f"| | one visitor | {users} at once | of the library | p50 | p99 |"
    rows = [head, "|" + " --- |" * 6]
    for one in found:
        ratio, cuts = one.rate / found[0].rate, quantiles(one.together, n=100)
        waits = f"{1000 * cuts[49]:.0f} ms | {1000 * cuts[98]:.0f} ms"
        cells = f"{1000 * median(one.alone):.0f} ms | {one.rate:.1f}/s | {ratio:.2f}× | {waits}"
        rows.append(f"| {one.name} | {cells} |")
    budgets = ", ".join(map(str, BUDGETS))
    return "\n".join(
        [
            *rows,
            "",
            f"Streets on {os.cpu_count()} cores, which those who ask use as well: {count} pictures "
            f"each, budgets {budgets} in turn (`python benchmarks/serving.py --requests {count}`). "
            f"Before it began, the machine's load was {load:.1f}: other programs take what they "
            "need from all rows.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--requests", type=int, default=160, help="in all")
    parser.add_argument("--write", type=Path, help="page to write the table into")
    options = parser.parse_args()
    users, count, load = options.users, options.requests, os.getloadavg()[0]
    found = [library(count)]
    for name, replicas, cpus in (
        ("one replica, one processor", 1, 1),
        ("one replica, two processors", 1, 2),
        ("two replicas, one processor each", 2, 1),
    ):
        with serving(replicas, cpus) as url:
            found.append(asyncio.run(measure(url, name, users, count)))
        sys.stderr.write(f"{name}: {found[-1].rate:.1f}/s\n")
    text = table(found, users, count, load)
    sys.stdout.write(text + "\n")
    if options.write:
        figures.write(options.write, "serving", text, tabs=("streets",))


if __name__ == "__main__":
    main()
