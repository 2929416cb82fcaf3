"""Lists, a page at a time: markers that say where the next page begins, and that nobody can make up."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import InvalidMarkerException
from reconciler_softkms.request import Request

Entry = TypeVar("Entry")
_PURPOSE: Final = "softkms marker"
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which page is asked for. ``limit`` None: the operation's own; ``marker`` None: the first."""

    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Entry]):
    """``next_marker`` is None on the last one."""

    entries: Sequence[Entry]
    next_marker: str | None

    def answer(self, name: str, shown: Callable[[Entry], Any]) -> dict[str, Any]:
        """The members of the public answer: the entries under ``name``, NextMarker, Truncated."""
        return {
            name: [shown(entry) for entry in self.entries],
            "NextMarker": self.next_marker,
            "Truncated": self.next_marker is not None,
        }


def page(
    asked: Request, which: PageOf, usual: int, about: str, of: Callable[[str, int], Sequence[tuple[str, Entry]]]
) -> Page[Entry]:
    """``of`` is given the place after which the page begins ("" for the first) and how many entries to find at most; it
    answers each with its place, in order of their places. ``about`` is what is listed (a key's id), so that a marker
    continues no other list. InvalidMarkerException."""
    limit = which.limit or usual
    about = f"{asked.name} {about}"
    found = of("" if which.marker is None else _place(asked, about, which.marker), limit + 1)
    next_marker = _marker(asked, about, found[limit - 1][0]) if len(found) > limit else None
    return Page([entry for _, entry in found[:limit]], next_marker)


def after(places: Sequence[tuple[str, Entry]]) -> Callable[[str, int], Sequence[tuple[str, Entry]]]:
    """``of`` for a list that is at hand whole, and not long."""

    def of(place: str, count: int) -> Sequence[tuple[str, Entry]]:
        return [each for each in sorted(places, key=lambda pair: pair[0]) if each[0] > place][:count]

    return of


def _marker(asked: Request, about: str, place: str) -> str:
    body = json.dumps(place).encode()
    return base64.urlsafe_b64encode(_tag(asked, about, place) + body).decode()


def _place(asked: Request, about: str, marker: str) -> str:
    wrong = InvalidMarkerException("The marker was not given out for this list; begin again without one")
    try:
        raw = base64.b64decode(marker, altchars=b"-_", validate=True)
        place = json.loads(raw[_TAG_BYTES:])
    except (binascii.Error, ValueError):
        raise wrong from None
    if asked.connection_if_any is None or not isinstance(place, str):
        raise wrong
    if not hmac.compare_digest(_tag(asked, about, place), raw[:_TAG_BYTES]):
        raise wrong
    return place


def _tag(asked: Request, about: str, place: str) -> bytes:
    proofs = HmacSha256(asked.door.store.seal().proofs)
    return proofs.tag(_PURPOSE, encode(about, place))[:_TAG_BYTES]
