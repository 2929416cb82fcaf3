"""One public operation: the form of its request, and who answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.wire.request import Asked


@dataclass(frozen=True, slots=True)
class Operation:
    """``answer`` is given the door, the caller and the checked request (an instance of ``form``); it answers the
    members of the public answer: bytes stand for blobs, aware datetimes for times, None for a member left out."""

    form: type[Asked]
    answer: Callable[[Door, Caller, Any], Mapping[str, Any]]
