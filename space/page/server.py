"""What the web application does beside Gradio's own part."""

from typing import Any

from starlette.middleware import Middleware

from space.page import embedding, leftovers


def app_options() -> dict[str, Any]:
    """Options of Gradio's application: further addresses, and what goes around every request."""
    leftovers.keep_account()
    leftovers.sweep()
    return {
        "routes": embedding.routes(),
        "middleware": [Middleware(leftovers.SweepLeftovers)],
    }
