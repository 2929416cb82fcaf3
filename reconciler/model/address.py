"""How a resource is called in manifests, plans and state: ``Kind/name``."""

from __future__ import annotations


class Address(str):
    """``Kind/name`` (CONTRACT 1). A ``str``, so it is cheap as a dictionary key and prints as itself."""

    __slots__ = ()

    @classmethod
    def of(cls, kind: str, name: str) -> Address:
        """Address of the resource called ``name`` of kind ``kind``."""
        return cls(f"{kind}/{name}")

    @property
    def kind(self) -> str:
        """The part before the first slash."""
        return self.partition("/")[0]

    @property
    def name(self) -> str:
        """The part after the first slash."""
        return self.partition("/")[2]
