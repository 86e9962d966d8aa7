"""Many visitors: the replica of ``examples/serve.py``, and demos behind the page's own nginx.

Neither Ray nor nginx is in a requirements file. A replica is tested without Ray, whose place a
batch of the same kind takes; the rest where they are installed.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.requests import Request
from tiny import CLASSES, random_map

from benchmarks.demo_client import Call, request
from fiancee_hub import StreetsPipeline
from fiancee_hub.core.marking import MARK
from fiancee_hub.families.label_maps.classes import to_rgb

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "serve.py"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def batch(**options: Any) -> Callable[[Any], Any]:
    """As Serve's, for the items of one moment: one in, its result out, all made together."""

    def decorate(make: Any) -> Any:
        waiting: list[Any] = []
        found: list[Any] = []

        async def one(self: Any, item: Any) -> Any:
            waiting.append(item)
            assert len(waiting) <= options["max_batch_size"]
            place, first = len(waiting) - 1, len(waiting) == 1
            await asyncio.sleep(0.2)
            if first:
                found[:] = await make(self, waiting)
            while not found:
                await asyncio.sleep(0.01)
            return found[place]

        return one

    return decorate


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, without Ray."""
    ray, serve = ModuleType("ray"), ModuleType("ray.serve")
    vars(serve).update(batch=batch, deployment=Deployment)
    vars(ray)["serve"] = serve
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.serve", serve)
    spec = importlib.util.spec_from_file_location("served_pictures", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


class Deployment:
    """What is deployed, and how."""

    def __init__(self, kind: type, **options: Any) -> None:
        self.kind, self.options = kind, options

    def bind(self, *arguments: Any) -> Any:
        return self, arguments


def client_of(replica: Any) -> httpx.AsyncClient:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        answer = await replica(Request(scope, receive))
        await answer(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://replica")


def content_of(number: int) -> bytes:
    file = BytesIO()
    to_rgb(random_map(number), CLASSES).save(file, "PNG")
    return file.getvalue()


def post(replica: Any, *requests: tuple[bytes, dict[str, Any]]) -> list[httpx.Response]:
    """What a replica answers to requests (body, query) that come at the same time."""

    async def all_at_once() -> list[httpx.Response]:
        async with client_of(replica) as client:
            sent = (client.post("/", content=body, params=query) for body, query in requests)
            return list(await asyncio.gather(*sent))

    return asyncio.run(all_at_once())


@pytest.fixture
def replica(example: ModuleType, tiny_checkpoint: Path) -> Any:
    return example.Pictures(str(tiny_checkpoint), 1)


def test_what_waits_is_made_at_once_each_as_alone(
    replica: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = replica.pipe.generate_batch

    def counted(maps: list[Any], **options: Any) -> Any:
        made.append(len(maps))
        return make(maps, **options)

    monkeypatch.setattr(replica.pipe, "generate_batch", counted)
    asked = [(0.0, 7), (1.0, 8), (0.02, 9)]
    requests = [
        (content_of(number), {"budget": budget, "seed": seed})
        for number, (budget, seed) in enumerate(asked)
    ]
    *answers, refused = post(replica, *requests, (b"no picture", {}))
    assert made == [3] and refused.status_code == 400
    exits = set()
    for number, (budget, seed) in enumerate(asked):
        alone = replica.pipe(random_map(number), budget=budget, seed=seed)
        answer, route = answers[number], json.loads(answers[number].headers["route"])
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
        assert (route["exit"], route["seed"], route["saving"], route["backend"]) == (
            alone.exit,
            seed,
            alone.saving,
            "eager",
        )
        assert route["predicted_lpips"] == pytest.approx(alone.predicted_lpips, abs=1e-5)
        picture = Image.open(BytesIO(answer.content))
        assert MARK in str(picture.info)
        levels = np.asarray(picture, np.int16) - np.asarray(alone.image, np.int16)
        assert np.abs(levels).max() <= 1
        exits.add(alone.exit)
    assert len(exits) > 1


@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        (b"", {}, 400, "The file is an empty file"),
        (b"no picture", {}, 400, "save it again as PNG"),
        (content_of(1), {"budget": "2"}, 400, "budget 2.0 is out of range"),
        (content_of(1), {"budget": "much"}, 400, "budget must be a number such as 0.1, not 'much'"),
        (content_of(1), {"budget": "nan"}, 400, "budget nan is out of range"),
        (content_of(1), {"seed": "-1"}, 400, "seed -1 is out of range"),
        (content_of(1), {"seed": "1.5"}, 400, "seed must be a number such as 0, not '1.5'"),
        (b"0" * 10_000_001, {}, 413, "more than 10000000 bytes"),
    ],
)
def test_what_cannot_be_used(
    replica: Any, body: bytes, query: dict[str, Any], status: int, words: str
) -> None:
    (answer,) = post(replica, (body, query))
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_browser_that_opens_the_address_is_told(replica: Any) -> None:
    async def get() -> httpx.Response:
        async with client_of(replica) as client:
            return await client.get("/")

    answer = asyncio.run(get())
    assert answer.status_code == 405 and "POST" in answer.json()["detail"]


def test_a_replica_has_its_share_of_the_processors(
    example: ModuleType, tiny_checkpoint: Path
) -> None:
    model = example.Pictures(str(tiny_checkpoint), 3).model
    assert {model.submit(torch.get_num_threads).result() for _ in range(3)} == {3}


def test_how_it_is_deployed(
    example: ModuleType, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_checkpoint.parent)
    given = {"checkpoint": tiny_checkpoint.name, "replicas": "8", "cpus": "2", "waiting": "5"}
    deployment, arguments = example.app(example.Settings.model_validate(given))
    assert arguments == (str(tiny_checkpoint.resolve()), 2)
    assert deployment.options["ray_actor_options"] == {"num_cpus": 2}
    assert deployment.options["max_queued_requests"] == 5
    scaling = deployment.options["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 8)
    assert example.app(example.Settings(checkpoint="user/repo", cpus=0.5))[1] == ("user/repo", 1)


@pytest.mark.slow
def test_two_replicas_under_ray(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """``pip install -e ".[serve]"``, then ``pytest -k replicas``."""
    pytest.importorskip("ray.serve", reason="pip install -e '.[serve]' to run the Serve example")
    url = f"http://127.0.0.1:{free_port()}"
    words = ["--checkpoint", str(tiny_checkpoint), "--replicas", "2", "--least", "2"]
    words += ["--cpus", "0.5", "--port", url.rpartition(":")[2]]
    command = [sys.executable, str(SCRIPT), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("w") as log:
        served = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        answer = wait_for(lambda: httpx.post(url, content=content_of(1), timeout=10), served)
        alone = StreetsPipeline.from_pretrained(tiny_checkpoint)(random_map(1))
        assert json.loads(answer.headers["route"])["exit"] == alone.exit
        assert httpx.get(f"{url}/-/healthz").status_code == 200
        assert httpx.post(url, content=b"no picture").status_code == 400
    finally:
        served.terminate()
        served.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ask: Callable[[], httpx.Response], process: "subprocess.Popen[Any]") -> httpx.Response:
    """The first answer of a server that is starting."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return ask().raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def demos(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Two servers of the demo with folders of their own; their addresses."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    from demo_server import running

    tab = {"FIANCEE_CHECKPOINTS": f"streets={tiny_checkpoint}"}
    logs = [tmp_path_factory.mktemp(name) / "log.txt" for name in ("first", "second")]
    with running(tab, logs[0]) as (first, _), running(tab, logs[1]) as (second, _):
        yield first, second


@contextmanager
def proxy(demos: tuple[str, str], folder: Path, *, sticky: bool = True) -> Iterator[str]:
    """The configuration on the page, as it stands but for its addresses; gives the address."""
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    ours = page.split("```nginx\n")[1].split("```")[0]
    port = free_port()
    changes = {"127.0.0.1:7861": demos[0][7:], "127.0.0.1:7862": demos[1][7:]}
    changes["listen 80;"] = f"listen 127.0.0.1:{port};"
    if not sticky:
        changes["hash $remote_addr consistent;"] = ""
    for old, new in changes.items():
        assert ours.count(old) == 1, old
        ours = ours.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;\n"
        "events {}\nhttp {\n"
        f"log_format servers '$remote_addr $upstream_addr'; access_log {folder}/servers servers;\n"
        + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        + ours
        + "}\n"
    )
    command = [str(NGINX), "-p", str(folder), "-e", str(folder / "errors")]
    process = subprocess.Popen([*command, "-c", str(folder / "nginx.conf")])
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx.get(f"{url}/config"), process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def call_from(address: str, url: str, label_map: Path) -> Any:
    """Uploads, calls and listens from an address: what /streets answers."""

    async def call() -> Any:
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(base_url=url, transport=transport, timeout=60) as client:
            return await request(client, Call("streets", (label_map,), (0.1, 3)))

    return asyncio.run(call())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs more than one loopback address")
def test_a_visitor_stays_with_one_of_two_demos(
    demos: tuple[str, str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from gradio_client import Client, handle_file

    (tmp_path / "map.png").write_bytes(content_of(3))
    expected = StreetsPipeline.from_pretrained(tiny_checkpoint)(random_map(3), seed=3).exit
    with proxy(demos, tmp_path) as url:
        client = Client(url, verbose=False, download_files=str(tmp_path))
        asked = handle_file(str(tmp_path / "map.png"))
        picture, route = client.predict(asked, 0.1, 3, api_name="/streets")
        assert route["exit"] == expected and Image.open(picture).size == (96, 64)
        for visitor in range(2, 18):
            _, route = call_from(f"127.0.0.{visitor}", url, tmp_path / "map.png")
            assert route["exit"] == expected
        assert httpx.get(f"{url}/?map={'a' * 30_000}").status_code == 200
        found = {line.strip() for line in (tmp_path / "servers").read_text().splitlines()}
    servers: dict[str, set[str]] = {}
    for line in found:
        visitor_address, server = line.split(" ", 1)
        servers.setdefault(visitor_address, set()).add(server)
    assert len(servers) == 17 and all(len(one) == 1 for one in servers.values())
    assert set().union(*servers.values()) == {address[7:] for address in demos}


@pytest.mark.slow
def test_a_visitor_who_does_not_stay_is_not_served(demos: tuple[str, str], tmp_path: Path) -> None:
    """Why it must be so: the upload is on one server, the call on the other."""
    (tmp_path / "map.png").write_bytes(content_of(3))
    with (
        proxy(demos, tmp_path, sticky=False) as url,
        pytest.raises((RuntimeError, httpx.HTTPStatusError)),
    ):
        for _ in range(2):
            call_from("127.0.0.1", url, tmp_path / "map.png")
