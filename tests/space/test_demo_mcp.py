"""The demo's endpoints as tools of a language model: a real MCP client calls them."""

import asyncio
import io
from ast import literal_eval
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import cache_of
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

from fiancee_hub import FianceePipeline
from space.faces.examples import examples as face_examples
from space.label_maps.maps import examples


async def _ignore(progress: float, total: float | None, message: str | None) -> None:
    """Asked for progress, Gradio sends the picture itself and not only its address."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientSession]:
    async with (
        streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def call(url: str, tool: str, **arguments: Any) -> CallToolResult:
    async def talk() -> CallToolResult:
        async with connected(url) as session:
            return await session.call_tool(tool, arguments, progress_callback=_ignore)

    return asyncio.run(talk())


def tools(url: str) -> dict[str, Tool]:
    async def talk() -> dict[str, Tool]:
        async with connected(url) as session:
            return {tool.name: tool for tool in (await session.list_tools()).tools}

    return asyncio.run(talk())


def inline(path: Path) -> str:
    """A picture within the message."""
    kind = path.suffix.removeprefix(".").replace("jpg", "jpeg")
    return f"data:image/{kind};base64,{b64encode(path.read_bytes()).decode()}"


def picture(result: CallToolResult) -> Image.Image:
    content = result.content[0]
    assert isinstance(content, ImageContent)
    return Image.open(io.BytesIO(b64decode(content.data)))


def words(result: CallToolResult) -> str:
    content = result.content[-1]
    assert isinstance(content, TextContent)
    return content.text


def test_the_endpoints_and_nothing_else_are_tools(demo_url: str) -> None:
    found = tools(demo_url)
    assert set(found) == {"streets", "reenact", "drive"}
    assert found["streets"].description and "label map of a street" in found["streets"].description
    for tool in found.values():
        properties = tool.inputSchema["properties"]
        assert all(value.get("description") for value in properties.values()), tool.name
    assert found["reenact"].inputSchema["required"] == ["source", "driver"]


def test_programs_are_told_of_the_same_endpoints(demo_url: str) -> None:
    described: Any = Client(demo_url, verbose=False).view_api(return_format="dict")
    assert set(described["named_endpoints"]) == {"/streets", "/reenact", "/drive"}
    assert not described["unnamed_endpoints"]


def test_a_tool_gives_what_the_library_gives(demo_url: str, shipped_streets: Path) -> None:
    path = examples()[3].path
    result = call(demo_url, "streets", label_map=inline(path), budget=0.1, seed=5)
    expected = FianceePipeline.from_pretrained(shipped_streets)(path, budget=0.1, seed=5)
    made, wanted = (np.asarray(image, np.int16) for image in (picture(result), expected.image))
    assert np.abs(made - wanted).max() <= 1
    route = literal_eval(words(result))
    assert (route["exit"], route["seed"], route["macs"]) == (expected.exit, 5, expected.macs)
    assert route["predicted_lpips"] == pytest.approx(expected.predicted_lpips, abs=2e-4)


def test_a_refusal_reaches_the_model_as_a_sentence(demo_url: str) -> None:
    result = call(demo_url, "streets", label_map=inline(examples()[0].path), budget=7)
    assert result.isError
    assert "budget 7 is out of range: give an LPIPS from 0.0 to 1.0" in words(result)


def test_faces_that_a_tool_got_are_gone(demo_url: str, demo_log: Path) -> None:
    def kept() -> set[Path]:
        files = {path for path in cache_of(demo_log).rglob("*") if path.is_file()}
        return {path for path in files if path.name != "face.png"}

    before = kept()
    source, driver = (inline(face_examples()[number].path) for number in (0, 3))
    assert not call(demo_url, "reenact", source=source, driver=driver).isError
    assert not call(demo_url, "drive", source=source, yaw=9).isError
    assert kept() <= before
