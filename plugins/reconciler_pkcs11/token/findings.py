"""What is found wrong with a token, a key or a blob, beside what a call answers (``CkError``)."""

from __future__ import annotations


class Finding(Exception):
    """``fault`` is the value of an ``HsmFault``."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class NotAuthentic(Exception):
    """A blob of another key or context, or changed."""


def key_missing(key_id: str) -> Finding:
    """No key of that id."""
    return Finding("key-missing", f"the token holds no key with the id {key_id}")


def key_duplicate(key_id: str) -> Finding:
    """The id is taken, or more than one object has it."""
    return Finding("key-duplicate", f"the token holds an object with the id {key_id} already, or several")
