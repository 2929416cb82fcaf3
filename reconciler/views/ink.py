"""The few colours that a terminal shows, as the sixteen that every terminal has."""

from __future__ import annotations

_RESET = "\x1b[0m"


class Ink:
    """Colours text where colour was asked for; gives it back unchanged otherwise."""

    __slots__ = ("_on",)

    def __init__(self, *, colour: bool) -> None:
        self._on = colour

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self._on and text else text

    def bold(self, text: str) -> str:
        """What to read first."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """What may be passed over."""
        return self._in("2", text)

    def red(self, text: str) -> str:
        """Gone, failed, refused."""
        return self._in("31", text)

    def green(self, text: str) -> str:
        """New, done."""
        return self._in("32", text)

    def yellow(self, text: str) -> str:
        """Changed, to be looked at."""
        return self._in("33", text)

    def blue(self, text: str) -> str:
        """Kept, adopted or let go."""
        return self._in("34", text)
