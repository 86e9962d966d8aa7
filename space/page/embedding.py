"""The demo in other people's pages: what they copy, and the script that they load from here."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
from gradio.routes import BUILD_PATH_LIB
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from space import texts
from space.page.markup import render

SCRIPT = Path(BUILD_PATH_LIB).with_name("gradio.js")

STYLES = tuple(Path(BUILD_PATH_LIB).glob("index-*.css"))
BODY, OWN_BODY = "body{", "body:has(>gradio-app[control_page_title]){"
"""Whose margin and line height Gradio's styles set: any page's, and the demo's own only."""

ADDRESS = "https://USER-SPACE.hf.space"
"""Stands for the demo's own address until the browser has told it."""

FOLDER = Path(__file__).parent / "templates"
FRAME, COMPONENT, STATIC = (
    (FOLDER / f"{name}.html").read_text(encoding="utf-8").rstrip()
    for name in ("frame", "component", "static")
)


@dataclass(frozen=True)
class View:
    """A part of the page that others show, asked for by ``view`` in the address.

    Args:
        name: in the address; empty for the whole page.
        words: what it shows.
        width: the widest it gets, as in CSS.
        height: of its frame in pixels, at every width from 320; less than all of the whole page.
    """

    name: str
    words: str
    width: str
    height: int


VIEWS = (
    View("compact", "Input, picture and chain of exits", "640px", 720),
    View("figure", "The picture and its caption alone", "640px", 560),
    View("", "The whole page", "100%", 900),
)
COMPACT, FIGURE, WHOLE = VIEWS


def frame(view: View, address: str = ADDRESS, theme: str = "light", **state: str) -> str:
    """HTML of a frame with a view of a state."""
    return FRAME.format(
        address=address,
        query=_query(view, state | {"__theme": theme}),
        width=view.width,
        height=view.height,
    )


def component(view: View, address: str = ADDRESS, **state: str) -> str:
    """HTML of a web component with a view of a state."""
    return COMPONENT.format(address=address, query=_query(view, state))


def _query(view: View, state: dict[str, str]) -> str:
    asked = {"view": view.name} if view.name else {}
    values = {**asked, **state}
    return html.escape(f"?{urlencode(values)}") if values else ""


def screen() -> None:
    """All snippets; the browser fills in the demo's address and what the visitor sees there."""
    gr.Markdown(texts.read("embed"), elem_id="embed")
    view = VIEWS[0]
    snippets = [
        render("snippet.html", id=name, template=template, label=label, text=text)
        for name, template, label, text in (
            ("embed-frame", FRAME, "As a frame", frame(view)),
            ("embed-component", COMPONENT, "As a web component", component(view)),
        )
    ]
    snippets.append(render("snippet.html", id="", label="Without a server", text=STATIC))
    gr.HTML(render("embedding.html", views=VIEWS, snippets=snippets), elem_id="embed-snippets")


def routes() -> list[Route]:
    """What the web application serves beside the demo: the web component's script and styles.

    Gradio serves what that script loads but not the script itself; from here it always has the
    demo's own version, and a page that embeds the demo asks no third host. Its styles would change
    the body of that page.
    """
    styles = [Route(f"/assets/{path.name}", _style(path)) for path in STYLES]
    return [Route("/gradio.js", _script), *styles]


def _style(path: Path) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        # Its name changes with its content.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(
            own_body_only(path.read_text("utf-8")), media_type="text/css", headers=headers
        )

    return serve


def own_body_only(css: str) -> str:
    """Styles without those for the body of whatever page they come to."""
    return css.replace(f"}}{BODY}", f"}}{OWN_BODY}")


async def _script(request: Request) -> Response:
    # Its only line names a file that changes with Gradio's version.
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(SCRIPT, headers=headers)
