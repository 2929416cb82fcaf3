"""A mark on a text that a manifest puts in quotes, apart from the field types: reading YAML needs no pydantic."""


class Quoted(str):
    """A scalar that stood in quotes though it looks like a number or a boolean: it stays a text (as in kubectl)."""

    __slots__ = ()
