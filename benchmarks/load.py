"""Many visitors at once on a server of its own: times, failures, a full queue, memory.

python benchmarks/load.py --readme README.md    # 100 users x 50, 1,000 alike; into the README
python benchmarks/load.py --users 4 --requests 3 --identical 20

Users send label maps, driver pictures and slider positions in turn, each one request at a time;
every request uploads its files anew. First an endpoint that returns the file it gets is asked in
turn with ours, and the library does the same without a server: the ratios to them mean something on
other machines. A server sleeps while another has its turn: Gradio's looks for calls a thousand
times a second (POSIX). Prints markdown, and fails where a request did: the README then stays as it
is.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, quantiles

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402
from demo_client import Call, QueueFull, ask, request, upload  # noqa: E402
from demo_server import running  # noqa: E402

from fiancee_hub import AutoPipeline, Controls  # noqa: E402
from space.faces.examples import examples as face_examples  # noqa: E402
from space.label_maps import maps  # noqa: E402

SECONDS = 3600
"""Without an answer for that long the server counts as stuck."""

BUDGETS = (0.02, 0.05, 0.1, 0.2)


@dataclass
class Tally:
    """What became of the requests.

    Args:
        seconds: of each request that was answered, by its endpoint.
        failures: what went wrong.
        wall: seconds from the first request to the last answer.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    wall: float = 0.0

    @property
    def all(self) -> list[float]:
        return [one for times in self.seconds.values() for one in times]


def calls(number: int, faces: bool) -> Call:
    """The ``number``-th request of all: families, inputs, budgets and seeds in turn."""
    budget = BUDGETS[number % len(BUDGETS)]
    label_maps, photos = maps.examples(), face_examples()
    street = Call("streets", (label_maps[number % len(label_maps)].path,), (budget, number % 7))
    source = photos[number % len(photos)].path
    driver = photos[(number + 3) % len(photos)].path
    turned = (number % 30 - 15, 0, 0, 0.5, 0, 0, True, budget, None)
    mix = (
        street,
        Call("reenact", (source, driver), (budget, None)),
        Call("drive", (source,), turned),
    )
    return mix[number % 3] if faces else street


class Library:
    """What endpoints do, without a server around it."""

    def __init__(self, faces: bool) -> None:
        names = {"streets": "streets", "drive": "faces"} if faces else {"streets": "streets"}
        folder = ROOT / "weights_card"
        self._pipes = {e: AutoPipeline.from_pretrained(folder / n) for e, n in names.items()}

    def seconds(self, call: Call) -> float:
        pipe, content = self._pipes[call.endpoint], Path(call.files[0]).read_bytes()
        started = time.perf_counter()
        if call.endpoint == "streets":
            budget, seed = call.values
            pipe(content, budget=budget, seed=seed)
        else:
            *controls, budget, _ = call.values
            pipe(source=content, driver=Controls(*controls), budget=budget)
        return time.perf_counter() - started


Server = tuple[str, int]
"""Address and process."""


@contextmanager
def awake(process: int) -> Iterator[None]:
    """Lets a server run that sleeps before and after."""
    os.kill(process, signal.SIGCONT)
    try:
        yield
    finally:
        os.kill(process, signal.SIGSTOP)


async def beside_bare(bare: Server, ours: Server, users: int, rounds: int, faces: bool) -> str:
    """Our endpoints beside a bare one and the library in turn, as markdown: one request after the
    other, then so many users at once."""
    upload = Call("same", (maps.examples()[0].path,))
    servers: dict[str, tuple[Server, Callable[[int], Call]]] = {
        "a bare endpoint": (bare, lambda number: upload),
        "streets": (ours, lambda number: calls(number, False)),
    }
    if faces:
        servers["drive"] = (ours, lambda number: calls(3 * number + 2, True))
    waits: dict[str, list[float]] = {name: [] for name in servers}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    library = Library(faces)
    inside: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds + 1):
        for name, (server, call) in servers.items():
            url, process = server
            with awake(process):
                async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as client:
                    alone = await crowd(client, 1, 10, call)
                    many = await crowd(client, users, 3, call)
            if alone.failures or many.failures:
                raise RuntimeError("\n".join(alone.failures + many.failures))
            if server == ours:
                inside[name].append(fmean(library.seconds(call(n)) for n in range(10)))
            waits[name].append(fmean(alone.all))
            rates[name].append(len(many.all) / many.wall)
    # The first round warms up; a round in which the machine was slow counts for no more than one.
    wait = {name: 1000 * median(found[1:]) for name, found in waits.items()}
    rate = {name: median(found[1:]) for name, found in rates.items()}
    first = next(iter(servers))
    without = {name: 1000 * median(found[1:] or [0.0]) for name, found in inside.items()}
    head = ["endpoint", "one after the other", "bare + library", f"{users} users", "of bare"]
    rows: list[list[object]] = [head]
    for name in servers:
        least, share = wait[first] + without[name], rate[name] / rate[first]
        cells = f"{wait[name]:.0f} ms", f"{least:.0f} ms", f"{rate[name]:.1f}/s", f"{share:.2f}"
        rows.append([name, *cells])
    return table(rows)


async def crowd(
    client: httpx.AsyncClient, users: int, requests: int, call: Callable[[int], Call]
) -> Tally:
    """Every user sends its requests one after the other, all users at once."""
    tally, started = Tally(), time.perf_counter()

    async def user(index: int) -> None:
        for turn in range(requests):
            await _timed(client, call(index + users * turn), tally)

    await asyncio.gather(*(user(index) for index in range(users)))
    tally.wall = time.perf_counter() - started
    return tally


async def _timed(client: httpx.AsyncClient, call: Call, tally: Tally) -> None:
    started = time.perf_counter()
    try:
        await request(client, call)
    except (QueueFull, RuntimeError, httpx.HTTPError) as error:
        tally.failures.append(f"{call.endpoint}: {type(error).__name__}: {error}")
    else:
        tally.seconds.setdefault(call.endpoint, []).append(time.perf_counter() - started)


async def rush(client: httpx.AsyncClient, count: int) -> tuple[Counter[str], list[str]]:
    """More requests at once than may wait: what those were told that did not fit, and failures."""
    call = calls(0, False)
    file = await upload(client, call.files[0])
    outcomes = await asyncio.gather(
        *(ask(client, call, [file]) for _ in range(count)), return_exceptions=True
    )
    told = Counter(str(one) for one in outcomes if isinstance(one, QueueFull))
    others = [one for one in outcomes if isinstance(one, Exception)]
    return told, [repr(one) for one in others if not isinstance(one, QueueFull)]


async def growth(
    client: httpx.AsyncClient, process: int, call: Call, count: int
) -> tuple[int, int]:
    """Resident kilobytes of the server before and after identical requests, warmed up."""
    for _ in range(max(1, count // 5)):
        await request(client, call)
    before = resident(process)
    for _ in range(count):
        await request(client, call)
    return before, resident(process)


def resident(process: int) -> int:
    """Kilobytes of memory that a process holds (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {process} is gone")


def table(rows: Sequence[Sequence[object]]) -> str:
    head, *body = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body, ""])


def crowd_table(tally: Tally) -> str:
    rows: list[list[object]] = [["requests", "answered", "p50", "p99", "a second"]]
    for name, times in (*sorted(tally.seconds.items()), ("all", tally.all)):
        cuts = quantiles(times, n=100) if len(times) > 1 else [*times, 0.0] * 99
        rate = len(times) / tally.wall
        rows.append([name, len(times), f"{cuts[49]:.2f} s", f"{cuts[98]:.2f} s", f"{rate:.1f}"])
    return table(rows)


async def measure(
    url: str, process: int, options: argparse.Namespace, say: Callable[[str], None]
) -> list[str]:
    """Runs all parts and says what they show, as markdown; what failed."""
    users, faces = options.users, not options.streets_only
    # The server drops what is idle for five seconds, which is this client's own limit too: one
    # that asks again at that very moment would find the door shut.
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS, limits=limits) as client:
        tally = await asyncio.wait_for(
            crowd(client, users, options.requests, lambda number: calls(number, faces)), SECONDS
        )
        say(f"{users} users x {options.requests} requests, {len(tally.failures)} failures.\n")
        say(crowd_table(tally))
        told, failures = await asyncio.wait_for(rush(client, 3 * users), SECONDS)
        sentence = next(iter(told), "")
        say(f"{3 * users} requests at once, {users} may wait: {told.total()} were told")
        say(f'"{sentence}", {len(failures)} failed.\n')
        rows: list[list[object]] = [["identical requests", "memory before", "after", "growth"]]
        for call in (calls(0, False), calls(1, True)) if faces else (calls(0, False),):
            before, after = await growth(client, process, call, options.identical)
            sizes = [f"{size / 1024:.0f} MiB" for size in (before, after)]
            rows.append(
                [f"{options.identical} {call.endpoint}", *sizes, f"{after / before - 1:+.2%}"]
            )
        say(table(rows))
    return [*tally.failures, *failures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--requests", type=int, default=50, help="of each user")
    parser.add_argument("--identical", type=int, default=1000, help="requests for the memory")
    parser.add_argument("--rounds", type=int, default=5, help="beside the bare endpoint")
    parser.add_argument("--streets-only", action="store_true")
    parser.add_argument("--readme", type=Path, help="where the figures go as well")
    options = parser.parse_args()
    settings = {"FIANCEE_QUEUE": str(options.users)}
    if options.streets_only:
        settings["FIANCEE_CHECKPOINT_FACES"] = "/nowhere"
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    with (
        tempfile.TemporaryDirectory() as folder,
        running(settings, Path(folder) / "log.txt") as (url, process),
    ):
        with running({}, Path(folder) / "bare.txt", "benchmarks/bare.py") as bare:
            faces = not options.streets_only
            users = min(10, options.users)
            for _, other in (bare, (url, process)):
                os.kill(other, signal.SIGSTOP)
            try:
                say(asyncio.run(beside_bare(bare, (url, process), users, options.rounds, faces)))
            finally:
                for _, other in (bare, (url, process)):
                    os.kill(other, signal.SIGCONT)
        failures = asyncio.run(measure(url, process, options, say))
    if failures:
        sys.exit("\n".join(failures))
    if options.readme:
        figures.write(options.readme, "load", "\n".join(said))


if __name__ == "__main__":
    main()
