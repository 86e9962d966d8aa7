"""The demo's endpoints over plain HTTP: uploads, calls, and the stream with the answer."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

FULL = httpx.codes.SERVICE_UNAVAILABLE
PREFIX = "/gradio_api"


class QueueFull(Exception):
    """The server asked to come back later; the message is what it said."""


@dataclass(frozen=True)
class Call:
    """A request: an endpoint, the files that it sends, and what follows them.

    Args:
        endpoint: its name.
        files: uploaded anew for every request, as a program would.
        values: the arguments after the files.
    """

    endpoint: str
    files: tuple[Path, ...]
    values: tuple[Any, ...] = field(default=())


async def request(client: httpx.AsyncClient, call: Call) -> Any:
    """Sends a call and waits for its answer.

    Raises:
        QueueFull: it was not taken.
        RuntimeError: it failed.
    """
    files = [await upload(client, path) for path in call.files]
    return await ask(client, call, files)


async def ask(client: httpx.AsyncClient, call: Call, files: list[dict[str, Any]]) -> Any:
    """``request`` with files that are there already."""
    address = f"{PREFIX}/call/{call.endpoint}"
    answer = await client.post(address, json={"data": [*files, *call.values]})
    if answer.status_code == FULL:
        raise QueueFull(answer.json()["detail"])
    answer.raise_for_status()
    async with client.stream("GET", f"{address}/{answer.json()['event_id']}") as stream:
        return await _result(stream)


async def upload(client: httpx.AsyncClient, path: Path) -> dict[str, Any]:
    answer = await client.post(f"{PREFIX}/upload", files={"files": (path.name, path.read_bytes())})
    answer.raise_for_status()
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


async def _result(stream: httpx.Response) -> Any:
    """Data of the event that ends a stream of server-sent events."""
    event = ""
    async for line in stream.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data" and event == "complete":
            return json.loads(value)
        elif name == "data" and event == "error":
            raise RuntimeError(value)
    raise RuntimeError("the stream ended without an answer")
