"""What a table may be called: what an unquoted SQL identifier may, in small letters."""

from __future__ import annotations

from typing import Final

from reconciler.errors import ValidationException

LONGEST: Final = 127


def check_table_name(table: str) -> None:
    """ValidationException for anything else; its message repeats no more of it than a name may be long."""
    if not table or len(table) > LONGEST or not table.replace("_", "a").isalnum() or table[0].isdigit():
        raise ValidationException(
            f"{table[:LONGEST]!r} cannot name a table: letters, digits and _ only, no digit first, {LONGEST} at most"
        )
    if table != table.lower():
        raise ValidationException(f"{table!r} cannot name a table: unquoted names are lower case")
