"""Values that meet the conditions of a statement, as far as such values can be made up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from reconciler.access.request import Values

NATURAL: Final = frozenset(
    {
        *("kms:calleraccount", "aws:principalaccount", "aws:principalarn", "aws:principaltype"),
        *("aws:principalisawsservice", "aws:principalservicename", "kms:keyspec", "kms:keyusage", "kms:keyorigin"),
        *("kms:multiregion", "aws:requestedregion", "aws:resourceaccount"),
    }
)
"""Condition keys that caller and key decide: nobody can choose them."""

_MOST: Final = 12
_OTHER: Final = "something-else"


def satisfying(statement: Mapping[str, Any]) -> list[dict[str, Values]]:
    """Sets of condition values, by lower-case key, under which the statement's conditions may hold; ``[{}]`` without
    any. At most a dozen."""
    choices: list[list[tuple[str, Values]]] = []
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, values in keys.items():
            if key.lower() not in NATURAL:
                choices.append(
                    [(key.lower(), value) for value in _values(operator, [_text(one) for one in listed(values)])]
                )
    return [dict(way) for way in itertools.islice(itertools.product(*choices), _MOST)]


def without_wildcards(text: str) -> str:
    """A text that the pattern matches."""
    return text.replace("*", "any").replace("?", "x")


def listed(value: Any) -> list[Any]:
    """A value, or the values of a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _values(operator: str, written: list[str]) -> list[Values]:
    quantifier, _, name = operator.rpartition(":")
    name = name.removesuffix("IfExists")
    if name == "Null":
        return [()] if written[0].lower() == "true" else [(_OTHER,)]
    made = [one for text in written for one in _made(name, text)]
    if quantifier == "ForAllValues" or "Not" in name:
        return [*((one,) for one in made), ()]
    return [(one,) for one in made]


def _made(name: str, text: str) -> Iterator[str]:
    """Values that the operator holds for, beside ``text``."""
    if "Not" in name:
        yield "203.0.113.250" if "Ip" in name else _OTHER
    elif name == "IpAddress":
        yield text.partition("/")[0]
    elif name.startswith("Numeric"):
        yield from (str(Decimal(text) + step) for step in (0, -1, 1))
    elif name.startswith("Date"):
        moment = datetime.fromisoformat(text) if not text.isdigit() else datetime.fromtimestamp(int(text)).astimezone()
        yield from ((moment + timedelta(seconds=step)).isoformat() for step in (0, -1, 1))
    else:
        yield without_wildcards(text)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
