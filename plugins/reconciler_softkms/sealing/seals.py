"""The seals of one key store: the one that its Provider declares, and the one that its row names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.errors import DamagedStore, OtherShape, SealNotAsDeclared, WrongPassphrase
from reconciler_softkms.sealing import passphrase, seal_file
from reconciler_softkms.sealing.key_seal import KIND as KEY
from reconciler_softkms.sealing.key_seal import key_of
from reconciler_softkms.sealing.row import Seal, SealRow, unwrap

if TYPE_CHECKING:
    from reconciler_softkms.sealing.seal_file import SealFile
    from reconciler_softkms.sealing.store_key import StoreKey


class Seals:
    """``declared`` None: the file. ``by_key`` makes the seal of a row that names another PROVIDER/KEY. ``address`` is
    the Provider's. A store that is not its own is opened as it is sealed: another Provider says how it should be."""

    def __init__(
        self,
        file: SealFile,
        *,
        declared: Seal | None = None,
        declared_key: str | None = None,
        by_key: Callable[[str], Seal] | None = None,
        address: str = "",
        is_own: bool = True,
    ) -> None:
        self.file = file
        self.declared: Seal = declared or file
        self.declared_key = declared_key
        self._by_key = by_key
        self._address = address
        self._is_own = is_own

    def is_as_declared(self, row: SealRow) -> bool:
        """Whether the store is sealed as its Provider says."""
        return row.kind == self.declared.kind and (row.kind != KEY or key_of(row) == self.declared_key)

    def open(self, row: SealRow) -> StoreKey:
        """The store key of that row, by the declared seal. SealNotAsDeclared when it is another."""
        if not self._is_own:
            return self.open_as_found(row)
        if not self.is_as_declared(row):
            raise SealNotAsDeclared(
                f"The key store of {self._address} is sealed by {words(row)}; its manifest says "
                f"{_words(self.declared.kind, self.declared_key)}",
                detail="What a manifest says of the seal is never done in passing: nothing was changed.",
                suggestion=f"Seal it as declared: reconciler keystore reseal {self._address.partition('/')[2]}; or put "
                "the manifest's config.seal back.",
                address=self._address,
                path="spec.config.seal",
            )
        return self._opened(row, self.declared)

    def open_as_found(self, row: SealRow, *, other: Seal | None = None) -> StoreKey:
        """The store key of that row, whatever the manifest says: for who is about to seal it anew."""
        return self._opened(row, other or self._named_by(row))

    def _named_by(self, row: SealRow) -> Seal:
        if row.kind == seal_file.KIND:
            return self.file
        if row.kind == KEY and self._by_key is not None:
            name = key_of(row)
            return self.declared if name == self.declared_key else self._by_key(name or "/")
        if row.kind == self.declared.kind:
            return self.declared
        if row.kind == passphrase.KIND:
            raise SealNotAsDeclared(
                f"The key store of {self._address} is sealed by a passphrase, which must be known to seal it anew",
                suggestion="Hand it over: --old-passphrase-file FILE, or --old-passphrase-fd N.",
                address=self._address,
            )
        raise OtherShape(
            f"The key store of {self._address} is sealed by {row.kind!r}, which this version of reconciler does not "
            "know",
            suggestion="Use the version that sealed it, or a newer one. Nothing was touched.",
        )

    def _opened(self, row: SealRow, seal: Seal) -> StoreKey:
        wrapping = seal.wrapping_key(row)
        try:
            found = unwrap(wrapping, row)
        finally:
            wrapping.wipe()
        if found is not None:
            return found
        if row.kind == passphrase.KIND:
            raise WrongPassphrase(
                f"The passphrase does not open the key store of {self._address}",
                suggestion="Give the one that it was sealed with. If it is the right one, the store was changed "
                "outside: put it back from a backup. Nothing was changed, and no new key was made.",
                address=self._address,
            )
        if row.kind == seal_file.KIND:
            raise seal_file.another_store(self.file.path)
        raise DamagedStore(
            f"The key store of {self._address} does not open under {words(row)}",
            suggestion="It was changed outside. Put back the key store from a backup; nothing was touched.",
        )


def words(row: SealRow) -> str:
    """How the store is sealed, in words."""
    return _words(row.kind, key_of(row) if row.kind == KEY else None)


def _words(kind: str, key: str | None) -> str:
    return (
        f"the key {key}"
        if kind == KEY
        else {seal_file.KIND: "a seal file", passphrase.KIND: "a passphrase"}.get(kind, kind)
    )
