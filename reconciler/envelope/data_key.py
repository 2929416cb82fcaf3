"""A handle on key bytes that does not print, copy or pickle itself (I19)."""

from __future__ import annotations

import hmac
from types import TracebackType
from typing import Final, NoReturn

from reconciler.model.ports import Random

KEY_BYTES: Final = 32


class DataKey:
    """Key material in memory, usually 32 bytes for AES-256.

    As a context manager it is wiped on leaving. Wiping is best effort: Python and OpenSSL may hold copies
    (RELIABILITY T14); the handle keeps one bytearray and overwrites that.
    """

    __slots__ = ("_material",)

    def __init__(self, material: bytes | bytearray | memoryview) -> None:
        self._material = bytearray(material)

    @classmethod
    def generate(cls, random: Random, count: int = KEY_BYTES) -> DataKey:
        """Fresh material of ``count`` bytes."""
        return cls(random.bytes(count))

    def expose_key_bytes(self) -> bytearray:
        """The material itself, not a copy. The name is long so that a review finds every use (STYLE habit 9).
        ValueError once wiped."""
        if not self._material:
            raise ValueError("this data key was wiped")
        return self._material

    def wipe(self) -> None:
        """Overwrite and drop the material."""
        self._material[:] = bytes(len(self._material))
        self._material = bytearray()

    def __len__(self) -> int:
        return len(self._material)

    def __enter__(self) -> DataKey:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        """Same material, compared in constant time (T15)."""
        return isinstance(other, DataKey) and hmac.compare_digest(self._material, other._material)

    __hash__ = None  # type: ignore[assignment]  # material must not end up in a hash

    def __repr__(self) -> str:
        return "DataKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is not pickled or copied")
