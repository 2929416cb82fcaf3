"""How a DEK goes under its CEK and comes out again, whatever root that CEK is under (RE6, HS3).

Under the key service the CEK is opened in memory and wraps by ``envelope.seal``. Under an HSM it never leaves the
token: the token wraps (the inner layer, bound to the context of RE5 and the uids), and what it answers is sealed once
more under the internal root key (the outer layer, bound to the same).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_key, open_sealed, seal, seal_key
from reconciler.errors import ConflictException, HsmError, HsmFault, ReconcilerError, ResourceNotFoundException
from reconciler_warehouse.keyring import Cek, cek_at
from reconciler_warehouse.names import DEK_PAIR
from reconciler_warehouse.site import Site


class OpenCek(Protocol):
    """A CEK that can be used now, for as long as one call needs it."""

    def wrap(self, dek: str, key: DataKey) -> bytes:
        """The DEK of that uid under the CEK."""

    def unwrap(self, dek: str, wrapped: bytes) -> DataKey:
        """What ``wrap`` was given. InvalidCiphertextException for another CEK, uid or byte."""


@dataclass(frozen=True, slots=True)
class CekInMemory:
    """A CEK that the key service opened."""

    site: Site
    cek: Cek
    key: DataKey

    def wrap(self, dek: str, key: DataKey) -> bytes:
        """See ``OpenCek``."""
        return seal_key(self.key, key, dek_aad(self.site, self.cek, dek), self.site.random)

    def unwrap(self, dek: str, wrapped: bytes) -> DataKey:
        """See ``OpenCek``."""
        return open_key(self.key, wrapped, dek_aad(self.site, self.cek, dek))


@dataclass(frozen=True, slots=True)
class CekInToken:
    """A CEK in an HSM. Each call is one operation of the token; ``what`` names the cluster or snapshot in errors."""

    site: Site
    cek: Cek
    internal_root: DataKey
    what: str

    def wrap(self, dek: str, key: DataKey) -> bytes:
        """See ``OpenCek``. HsmError."""
        context = token_context(self.site, self.cek, dek)
        try:
            inner = self.site.hsm.wrap_data_key(
                self.site.service_caller, self.cek.root_arn, self.cek.material, key, context
            )
        except (HsmError, ResourceNotFoundException, ConflictException) as error:
            raise self._explained(error) from error
        return seal(self.internal_root, inner, _outer_aad(context), self.site.random)

    def unwrap(self, dek: str, wrapped: bytes) -> DataKey:
        """See ``OpenCek``. HsmError."""
        context, inner = token_context(self.site, self.cek, dek), self.inner(dek, wrapped)
        try:
            return self.site.hsm.unwrap_data_key(
                self.site.service_caller, self.cek.root_arn, self.cek.material, inner, context
            )
        except (HsmError, ResourceNotFoundException) as error:
            raise self._explained(error) from error

    def _explained(self, error: ReconcilerError) -> ReconcilerError:
        """What to say of it: a key that another process gave up or replaced meanwhile is not missing."""
        with self.site.keyring.read() as ring:
            if ring is not None and cek_at(ring, self.cek.uid) is None:
                return ConflictException(
                    f"The keys of {self.what} were changed by another process meanwhile",
                    suggestion="Run the command again.",
                )
        if isinstance(error, HsmError):
            return _unopened(error, self.cek, self.what)
        return ResourceNotFoundException(
            f"{self.what} cannot be opened: its HSM partition {self.cek.root_arn} or its cluster key there is not "
            f"known any more ({error.summary})",
            suggestion="Nothing was changed. Declare its HsmPartition again, for the same token; or put back the HSM "
            "provider's folder from a backup.",
        )

    def inner(self, dek: str, wrapped: bytes) -> bytes:
        """What the token made, without the outer layer. InvalidCiphertextException."""
        return open_sealed(self.internal_root, wrapped, _outer_aad(token_context(self.site, self.cek, dek)))


def dek_aad(site: Site, cek: Cek, dek: str) -> bytes:
    """What a wrapped DEK is bound to (I7)."""
    return encode("reconciler/dek/v1", dek, cek.material, cek.origin, site.region)


def token_context(site: Site, cek: Cek, dek: str) -> dict[str, str]:
    """The same for a token: the pairs of RE5, and the uids."""
    return {
        **cek.context,
        DEK_PAIR: dek,
        "reconciler:cluster-key": cek.material,
        "reconciler:origin": cek.origin,
        "reconciler:region": site.region,
    }


def chain(site: Site, cek: Cek, parent: tuple[str, DataKey], dek: str, key: DataKey) -> bytes:
    """A DEK under another of its holder, which alone is under the CEK (``Holding.under``)."""
    return seal_key(parent[1], key, _chain_aad(site, cek, parent[0], dek), site.random)


def unchain(site: Site, cek: Cek, parent: tuple[str, DataKey], dek: str, wrapped: bytes) -> DataKey:
    """What ``chain`` was given. InvalidCiphertextException."""
    return open_key(parent[1], wrapped, _chain_aad(site, cek, parent[0], dek))


def _unopened(error: HsmError, cek: Cek, what: str) -> HsmError:
    """The HSM's error under a message that names what waits for it. Nothing was changed, and no key is made in the
    place of one that is missing (HS6)."""
    suggestion = error.suggestion or "Nothing is lost: reach the partition again, then run the command again."
    if error.fault is HsmFault.KEY_MISSING and not cek.verified:
        suggestion = (
            f"It was moved there by its connection only (`verify: connection-only`): replicate cluster key "
            f"{cek.material} with the vendor's tools; or declare the partition that it came from again, with `verify: "
            f"connection-only` there, too."
        )
    elif error.fault is HsmFault.KEY_MISSING:
        suggestion = "No other key is made in its place. Put the token's objects back from the HSM's own backup."
    return type(error)(
        f"{what} cannot be opened: its HSM partition {cek.root_arn} does not open its database key ({error.summary})",
        fault=error.fault,
        detail=error.detail,
        suggestion=suggestion,
    )


def _outer_aad(context: dict[str, str]) -> bytes:
    return encode("reconciler/outer-layer/v1", context)


def _chain_aad(site: Site, cek: Cek, parent: str, dek: str) -> bytes:
    return encode("reconciler/chained-dek/v1", parent, dek, cek.material, cek.origin, site.region)
