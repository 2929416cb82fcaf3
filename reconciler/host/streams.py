"""The standard streams of this process."""

from __future__ import annotations

import os
import sys
from typing import NoReturn, TextIO


def say_nothing_more(stream: TextIO) -> None:
    """What is written to the stream from now on goes nowhere: whoever read along went away (``| head``)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def leave(code: int) -> NoReturn:
    """End this process with ``code`` once all that was said is out, and nothing else: no thread of an engine is waited
    for, and none is ended in the middle of what it does, which would abort the process and take ``code`` with it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            say_nothing_more(stream)
        except OSError:
            code = code or 1  # a full disk behind a redirection: what was asked for is not all there
    os._exit(code)
