"""A file that is deleted while it is served, and a visitor who leaves, leave no traceback."""

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from space.page.gone import Gone


def served(app: ASGIApp) -> TestClient:
    return TestClient(Gone(app))


def raising(error: Exception) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def test_a_file_that_was_deleted_is_not_found() -> None:
    answer = served(FileResponse("/no/such/face.png")).get("/gradio_api/file=/no/such/face.png")
    assert answer.status_code == 404
    assert "face.png" not in answer.text
    answer = served(raising(FileNotFoundError("face.png"))).get("/gradio_api/file=face.png")
    assert answer.status_code == 404


def test_other_errors_are_still_errors() -> None:
    for path, error in (
        ("/gradio_api/file=face.png", RuntimeError("broken")),
        ("/elsewhere", FileNotFoundError("weights")),
    ):
        with pytest.raises(type(error)):
            served(raising(error)).get(path)


def test_what_is_there_is_served() -> None:
    found = Route("/", lambda _: PlainTextResponse("here"))
    assert served(found.handle).get("/").text == "here"


def test_whoever_leaves_is_left() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("half")(scope, receive, send)
        raise ClientDisconnect

    assert served(app).get("/gradio_api/upload").text == "half"
