"""Where a browser sends its camera's pictures, which stay in memory: a session of Gradio for each
would take longer than the picture."""

import json
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fiancee_hub.core.errors import InputError
from space.faces.camera import CAMERAS, MOST_BYTES, TOO_LARGE, Camera, Frame
from space.page.errors import plain_errors
from space.page.files import encoded
from space.page.model_threads import aside
from space.result.facts import exit_name, saved

ADDRESS = "/camera"
FRAME = "X-Frame"
"""Header of an answer: what is to be said of the picture, as JSON."""

OVER = "The camera has stopped: after two minutes, or without pictures for a while. Start it again."


def routes() -> tuple[Route, ...]:
    return (
        Route(ADDRESS + "/{key}", _take, methods=["POST"]),
        Route(ADDRESS + "/{key}", _close, methods=["DELETE"]),
    )


async def _take(request: Request) -> Response:
    camera = CAMERAS.find(request.path_params["key"])
    if camera is None:
        return _refused(OVER, 410)
    content = await _body(request)
    if content is None:
        return _refused(TOO_LARGE, 413)
    try:
        with plain_errors(escaped=False):
            frame = await camera.frame(content)
    except gr.Error as error:
        return _refused(error.message, 422 if isinstance(error.__cause__, InputError) else 500)
    if frame is None:
        return Response(status_code=204)
    if frame.result is None:
        return _refused(frame.problem, 422)
    picture = await aside(encoded, frame.result.image, "jpeg", marked=True)
    # The demo's element in another page reads it as well.
    said = {FRAME: json.dumps(told(frame, camera)), "Access-Control-Expose-Headers": FRAME}
    return Response(picture, headers=said, media_type="image/jpeg")


async def _close(request: Request) -> Response:
    CAMERAS.close(request.path_params["key"])
    return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """What is sent, whatever length was announced; None if it is too long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            return None
    return bytes(content)


def _refused(why: str, status: int) -> Response:
    return JSONResponse({"error": why}, status)


def told(frame: Frame, camera: Camera) -> dict[str, Any]:
    """What the page says of a driven picture."""
    result, exits = frame.result, len(camera.macs)
    assert result is not None
    slower = frame.wanted > result.exit
    return {
        "exit": result.exit,
        "name": exit_name(result.exit, exits),
        "saving": saved(result.macs, camera.macs[-1]),
        "lpips": result.predicted_lpips,
        "reading": frame.reading,
        "making": result.milliseconds,
        "wanted": exit_name(frame.wanted, exits) if slower else "",
    }
