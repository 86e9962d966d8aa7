"""Frames a second that a camera gets driven, as a browser sends them: two on their way at once.

python benchmarks/camera.py --readme README.md     # a minute, and the figures into the README
python benchmarks/camera.py --seconds 5 --budgets 0.1

The film is of two pictures of one person, turned a little from frame to frame. The server has the
camera's own addresses and the demo's threads, no page around it; it runs in this process.
"""

import argparse
import asyncio
import io
import json
import math
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from statistics import fmean
from threading import Thread

import httpx
import uvicorn
from PIL import Image
from starlette.applications import Starlette

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402

from fiancee_hub import FacesPipeline  # noqa: E402
from space.faces import camera, camera_routes  # noqa: E402
from space.faces.examples import examples  # noqa: E402
from space.page import model_threads  # noqa: E402
from space.settings import Settings  # noqa: E402

SIDE = 320
FRAMES = 48
AT_ONCE = 2
WARM_UP = 2.0
"""Seconds before the counted ones: the pace is found, exits are prepared."""


def film() -> list[bytes]:
    """A person's two pictures, nodding and turning from frame to frame, as JPEG."""
    neutral, smile = (Image.open(one.path).convert("RGB") for one in examples()[:2])
    frames = []
    for number in range(FRAMES):
        picture = neutral if number < FRAMES // 2 else smile
        turned = picture.rotate(
            5 * math.sin(2 * math.pi * number / FRAMES), Image.Resampling.BICUBIC
        )
        file = io.BytesIO()
        turned.resize((SIDE, SIDE)).save(file, "jpeg", quality=85)
        frames.append(file.getvalue())
    return frames


async def drive(address: str, seconds: float) -> tuple[float, list[dict[str, float]]]:
    """Frames a second that came back in so many seconds, and what was said of each."""
    frames, told = cycle(film()), list[dict[str, float]]()
    started = time.perf_counter()

    async def lane(client: httpx.AsyncClient) -> None:
        while time.perf_counter() < started + WARM_UP + seconds:
            answer = await client.post(address, content=next(frames))
            if answer.status_code == 200 and time.perf_counter() > started + WARM_UP:
                told.append(json.loads(answer.headers[camera_routes.FRAME]))
            elif answer.status_code not in (200, 204):
                raise RuntimeError(answer.text)

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(lane(client) for _ in range(AT_ONCE)))
    return len(told) / seconds, told


def row(budget: float, rate: float, told: list[dict[str, float]]) -> str:
    exits = Counter(one["exit"] for one in told)
    shares = ", ".join(f"{k:.0f}: {n / len(told):.0%}" for k, n in sorted(exits.items()))
    times = (f"{fmean(one[name] for one in told):.0f} ms" for name in ("reading", "making"))
    return f"| {budget:.2f} | {rate:.1f} | {' | '.join(times)} | {shares} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="of each budget")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--readme", type=Path, help="where the figures go as well")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as in app.py
    threads = Settings.from_environment().threads
    model_threads.use(threads)
    folder = ROOT / "weights_card" / "faces"
    pipe = model_threads.submit(FacesPipeline.from_pretrained, folder).result()
    source = model_threads.submit(pipe.encode, examples()[2].path).result()
    app = Starlette(routes=camera_routes.routes())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    lines = [
        "| budget (LPIPS) | frames a second | landmarks | picture | exits |",
        "| --- | --- | --- | --- | --- |",
    ]
    for budget in options.budgets:
        key = camera.CAMERAS.open(camera.Camera(pipe, source, budget, relative=True))
        address = f"http://127.0.0.1:{port}{camera_routes.ADDRESS}/{key}"
        lines.append(row(budget, *asyncio.run(drive(address, options.seconds))))
        camera.CAMERAS.close(key)
    server.should_exit = True
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.readme:
        figures.write(options.readme, "camera", text, ["faces"])


if __name__ == "__main__":
    main()
