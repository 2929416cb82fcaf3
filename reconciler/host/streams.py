"""The standard streams of this process."""

from __future__ import annotations

import os
from typing import TextIO


def say_nothing_more(stream: TextIO) -> None:
    """What is written to the stream from now on goes nowhere: whoever read along went away (``| head``)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
