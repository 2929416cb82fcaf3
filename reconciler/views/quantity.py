"""Numbers as people read them."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def bytes_text(count: int) -> str:
    """A size in binary units: ``1 byte``, ``512 bytes``, ``1.5 GiB``.

    >>> bytes_text(1_610_612_736)
    '1.5 GiB'
    """
    if count < 1024:
        return count_text(count, "byte")
    size = float(count)
    for unit in _UNITS:
        size /= 1024
        if size < 1023.95 or unit == _UNITS[-1]:
            return f"{size:,.1f} {unit}"
    raise AssertionError("the last unit takes whatever is left")


def count_text(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, singular for one.

    >>> count_text(336776, "row")
    '336,776 rows'
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def seconds_text(seconds: float) -> str:
    """A duration: ``0.1 s``, ``12 s``, ``1 min 15 s``, ``2 h 3 min``.

    >>> seconds_text(75.2)
    '1 min 15 s'
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
