"""Heads as one text and back: column by column, since splitting a text is the quickest reading that Python has.

Documents are separated by tabs, columns by line feeds, several values of one document by spaces. No value can hold any
of these: each comes from a pattern without white space.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.loading.heads import Head
from reconciler.model.address import Address

Columns = list[list[str]]


def pack(heads: Sequence[Head]) -> str:
    """The text of some heads, without their specs."""
    columns: list[list[str]] = [
        [head.address for head in heads],
        [head.digest for head in heads],
        [head.provider or "" for head in heads],
        [head.external_name for head in heads],
        [str(head.line) for head in heads],
        [" ".join([f"{key}={value}" for key, value in head.labels.items()]) for head in heads],
        [" ".join(head.references) for head in heads],
        [" ".join(head.providers) for head in heads],
        [" ".join(head.claims) for head in heads],
    ]
    return "\n".join(["\t".join(column) for column in columns])


def concatenate(packs: Sequence[str], count: int) -> str:
    """The text of all heads (``count``, one or more) of some texts, none of them empty. Without claims: those matter
    only where heads are checked against each other."""
    columns = ["\t".join(parts) for parts in zip(*(text.split("\n") for text in packs), strict=True)]
    return "\n".join([*columns[:-1], "\t" * (count - 1)])


def columns_of(text: str, count: int) -> Columns:
    """The columns of ``count`` heads. ValueError when the text holds another number."""
    if count == 0:
        return [[] for _ in range(9)]
    columns = [column.split("\t") for column in text.split("\n")]
    if len(columns) != 9 or any(len(column) != count for column in columns):
        raise ValueError("not the columns of so many heads")
    return columns


class Unpacker:
    """Makes the values of columns, the same value once: most references and labels occur many times."""

    def __init__(self) -> None:
        self._references: dict[str, tuple[Address, ...]] = {"": ()}
        self._labels: dict[str, dict[str, str]] = {"": {}}

    def references(self, text: str) -> tuple[Address, ...]:
        """A document's references."""
        found = self._references.get(text)
        if found is None:
            found = self._references[text] = tuple(map(Address, text.split(" ")))
        return found

    def labels(self, text: str) -> dict[str, str]:
        """A document's labels; shared, so not to be changed."""
        found = self._labels.get(text)
        if found is None:
            pairs = [pair.partition("=") for pair in text.split(" ")]
            found = self._labels[text] = {key: value for key, _, value in pairs}
        return found

    def heads(self, text: str, count: int) -> list[Head]:
        """All heads of a text. ValueError when it is not the text of ``count``."""
        return [
            Head(
                address=Address(address),
                digest=digest,
                provider=provider or None,
                external_name=external_name,
                line=int(line),
                labels=self.labels(labels),
                references=self.references(references),
                providers=tuple(providers.split()),
                claims=tuple(claims.split()),
                json=None,
                spec=None,
            )
            for (
                address,
                digest,
                provider,
                external_name,
                line,
                labels,
                references,
                providers,
                claims,
            ) in zip(*columns_of(text, count), strict=True)
        ]
