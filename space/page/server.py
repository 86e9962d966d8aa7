"""What the web application does beside Gradio's own part."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route

from space.page import embedding, leftovers
from space.page.front import Front
from space.page.gone import Gone


def app_options(
    describe: Callable[[str], tuple[str, str]] = lambda query: ("FIANCEE", "FIANCEE"),
    routes: Sequence[Route] = (),
) -> dict[str, Any]:
    """Options of Gradio's application: further addresses, and what goes around every request.

    Args:
        describe: from the address's query to what a shared link says of it.
        routes: further addresses.
    """
    leftovers.keep_account()
    leftovers.keep_tidy()
    leftovers.sweep()
    return {
        "routes": [*embedding.routes(), *routes],
        "middleware": [
            Middleware(Gone),
            Middleware(Front, describe),
            Middleware(leftovers.SweepLeftovers),
        ],
    }
