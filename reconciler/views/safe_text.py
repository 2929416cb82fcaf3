"""Text from outside, made harmless for a terminal: a name must neither move the cursor nor reverse its line."""

from __future__ import annotations

import re
import unicodedata

# C0, DEL and C1 drive the terminal; bidirectional marks, separators and invisible characters make a reviewer read
# something else than what is there; lone surrogates cannot be written at all.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_UNSAFE_IN_JSON = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clean(text: str) -> str:
    """``text`` on one line, with whatever would act on a terminal shown as JSON escapes it (an ESC as ``\\u001b``)."""
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def clean_lines(text: str) -> list[str]:
    """The lines of ``text``, each cleaned; the line breaks that people write are kept."""
    return [clean(line) for line in text.split("\n")]


def clean_json(text: str) -> str:
    """JSON text that is the same document and as harmless; only its own line breaks stay as they are."""
    return text if text.isascii() and "\x7f" not in text else _UNSAFE_IN_JSON.sub(_escape, text)


def display_width(text: str) -> int:
    """Columns that cleaned ``text`` takes on a terminal: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(match: re.Match[str]) -> str:
    short = _SHORT.get(match[0])
    if short is not None:
        return short
    number = ord(match[0])
    if number <= 0xFFFF:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
