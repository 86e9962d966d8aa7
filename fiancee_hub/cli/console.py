"""What is printed reaches any console."""

import io
import sys


def escape_what_it_lacks() -> None:
    r"""Prints what the console's encoding lacks as ``\xfc`` or alike instead of failing.

    So are file names that are not UTF-8, on every console.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
