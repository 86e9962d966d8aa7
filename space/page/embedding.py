"""The demo in other people's pages: what they copy, and the script that they load from here."""

from pathlib import Path

import gradio as gr
from gradio.routes import BUILD_PATH_LIB
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from space import texts
from space.page.scripts import call

SCRIPT = Path(BUILD_PATH_LIB).with_name("gradio.js")

ADDRESS = "https://USER-SPACE.hf.space"
"""Stands for the demo's own address until the browser has told it."""

FOLDER = Path(__file__).parent / "templates"
FRAME, COMPONENT = (
    (FOLDER / f"{name}.html").read_text(encoding="utf-8").rstrip()
    for name in ("frame", "component")
)


def screen(demo: gr.Blocks) -> None:
    """Both snippets, with the address under which the visitor sees the demo."""
    gr.Markdown(texts.read("embed"), elem_id="embed")
    snippets = [
        gr.Code(
            snippet.format(address=ADDRESS),
            language="html",
            label=label,
            interactive=False,
            lines=1,
            wrap_lines=True,
            elem_id=name,
            elem_classes="snippet",
        )
        for snippet, label, name in (
            (FRAME, "As a frame", "embed-frame"),
            (COMPONENT, "As a web component", "embed-component"),
        )
    ]
    script = call("fillSnippets", ADDRESS)
    demo.load(None, snippets, snippets, js=script, api_visibility="private")


def routes() -> list[Route]:
    """What the web application serves beside the demo: the web component's script.

    Gradio serves what that script loads but not the script itself; from here it always has the
    demo's own version, and a page that embeds the demo asks no third host.
    """
    return [Route("/gradio.js", _script)]


async def _script(request: Request) -> Response:
    # Its only line names a file that changes with Gradio's version.
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(SCRIPT, headers=headers)
