"""What a visitor is told when something goes wrong: one plain sentence."""

import functools
import html
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import gradio as gr

from fiancee_hub.core.errors import InputError

logger = logging.getLogger(__name__)

OUR_SIDE = "Something went wrong on our side. Please try again or with another input."

IN_PYTHON = (
    ("listed by `pipe.config.classes`", "that the page lists"),
    ('pip install "fiancee-hub[heic]", or ', ""),
    (", or have it read by its colours", ""),
    ("as a PIL image", "as a picture"),
)
"""What the library says to programmers, and what helps visitors instead."""

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def plain_errors(*, escaped: bool = True) -> Iterator[None]:
    """Turns every error into a ``gr.Error``; only those that are not the visitor's are logged.

    Args:
        escaped: for the page, which shows messages as HTML; programs get them as they are.
    """
    try:
        yield
    except gr.Error:
        raise
    except InputError as error:
        message = _for_visitors(str(error))
        # It may hold the name of an uploaded file.
        message = html.escape(message) if escaped else message
        raise gr.Error(message, title="Please check", print_exception=False) from error
    except Exception as error:
        logger.exception("a request failed")
        raise gr.Error(OUR_SIDE, title="Sorry", print_exception=False) from error


def _for_visitors(message: str) -> str:
    for ours, theirs in IN_PYTHON:
        message = message.replace(ours, theirs)
    return message


def plainly(handler: Callable[P, R], *, escaped: bool = True) -> Callable[P, R]:
    """A handler with plain errors."""

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with plain_errors(escaped=escaped):
            return handler(*args, **kwargs)

    return wrapped
