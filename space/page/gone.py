"""Who or what is gone in the middle of an answer: no error of ours, and nothing for the log.

Uploads are deleted as soon as they are read, maybe while the browser still fetches the picture that
it has just sent; and visitors leave in the middle of an upload. The traceback of either would fill
the log, and name the visitor's file.
"""

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILES = "/gradio_api/file="


class Gone:
    """Middleware: a file that goes while it is served is not found, whoever leaves is left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except ClientDisconnect:
            return
        except (FileNotFoundError, RuntimeError) as error:
            if not _of_a_file(scope, error):
                raise
            if not begun:
                await PlainTextResponse("This file is gone.", 404)(scope, receive, send)


def _of_a_file(scope: Scope, error: Exception) -> bool:
    """Starlette wraps one of the two places where it finds the file missing."""
    missing = isinstance(error, FileNotFoundError) or str(error).startswith("File at path")
    return missing and FILES in scope.get("path", "")
