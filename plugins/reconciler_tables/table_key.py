"""The table key and the keys below it (KS1).

The key service generates the table key; only its wrap is kept. The table key opens two keys of its own: the *row* key,
which seals rows, and the *index* key, under which primary keys become opaque tags. Both are bound to the table's uid,
to the table key's id and to the schema, so a schema that somebody changed on disk opens nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_key, seal_key
from reconciler.errors import (
    AccessDeniedException,
    DamagedStore,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidRequestException,
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
)
from reconciler.model.ports import Random
from reconciler_tables import keyring
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import TableName
from reconciler_tables.site import Site

ROW: Final = "row"
INDEX: Final = "index"


@dataclass(frozen=True, slots=True)
class InnerKeys:
    """The open keys below a table key; wiped on leaving."""

    row: DataKey
    index: DataKey

    def __enter__(self) -> InnerKeys:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.row.wipe()
        self.index.wipe()


def make_inner_keys(table_key: DataKey, wrap: Wrap, schema: str, random: Random) -> dict[str, bytes]:
    """Fresh inner keys sealed under ``table_key``, by purpose. ``schema`` is the catalogue's text."""
    sealed = {}
    for purpose in (ROW, INDEX):
        with DataKey.generate(random) as key:
            sealed[purpose] = seal_key(table_key, key, _binding(wrap, purpose, schema), random)
    return sealed


def open_inner_keys(table_key: DataKey, wrap: Wrap, schema: str, sealed: Mapping[str, bytes]) -> InnerKeys:
    """What ``make_inner_keys`` made. DamagedStore when they, or what they are bound to, were changed."""
    try:
        row, index = (open_key(table_key, sealed[purpose], _binding(wrap, purpose, schema)) for purpose in (ROW, INDEX))
    except (KeyError, InvalidCiphertextException):
        raise _damaged(wrap.name, "the keys below its table key do not open") from None
    return InnerKeys(row, index)


def unwrap(site: Site, wrap: Wrap, grant_token: str | None = None) -> DataKey:
    """The table key, opened by the key service for the table service itself (AU3). The key service's own errors;
    DamagedStore when the wrap is not what was stored."""
    if wrap.wrapped is None:
        raise _damaged(wrap.name, "its table key is not there")
    try:
        return site.keys.decrypt(site.itself(grant_token), wrap.wrapped, wrap.context, key_id=wrap.key_arn).plaintext
    except (InvalidCiphertextException, IncorrectKeyException) as error:
        raise _damaged(wrap.name, "its wrapped table key does not open") from error


@contextmanager
def opened(site: Site, table: TableRecord, verb: str) -> Iterator[InnerKeys]:
    """The table's inner keys, by way of the key service each time: a revoked grant or a disabled key counts at once.

    ``verb`` (read, written) goes into the message. AccessDeniedException or InvalidRequestException when the key
    service refuses; DamagedStore.
    """
    wrap, sealed = _live(site, table)
    try:
        table_key = unwrap(site, wrap)
    except ThrottlingException:
        raise
    except ServiceError as error:
        again, sealed = _live(site, table)
        if again.generation == wrap.generation:
            raise _unreachable(wrap, verb, error) from error
        wrap, table_key = again, unwrap(site, again)  # it changed its KMS key while we asked
    with table_key, open_inner_keys(table_key, wrap, table.schema, sealed) as keys:
        yield keys


def _live(site: Site, table: TableRecord) -> tuple[Wrap, dict[str, bytes]]:
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_of(ring, table.uid)
        sealed = {} if ring is None else keyring.inner_keys_of(ring, table.uid)
    for wrap in wraps:
        if wrap.stage == keyring.LIVE:
            return wrap, sealed
    if wraps:
        raise ResourceNotFoundException(f"Table {table.name} is being dropped")
    raise _damaged(table.name, "it has no table key")


def _unreachable(wrap: Wrap, verb: str, error: ServiceError) -> ServiceError:
    kind = AccessDeniedException if isinstance(error, AccessDeniedException) else InvalidRequestException
    cause = (
        "the table service may not kms:Decrypt with it"
        if kind is AccessDeniedException
        else f"the key service refuses it ({error.code})"
    )
    return kind(
        f"Table {wrap.name} cannot be {verb}, since its key {wrap.key_arn} is out of reach: {cause}",
        detail=error.summary,
        suggestion="Nothing is lost. Give the table its grant back (update it to the same key), enable the key or "
        "allow the table service in its policy, and repeat.",
    )


def _damaged(name: TableName, what: str) -> DamagedStore:
    return DamagedStore(
        f"The key ring of tables is damaged where table {name} is concerned: {what}",
        suggestion="It is left as it is. Put back a copy of keyring.db and tables.db from one backup.",
    )


def _binding(wrap: Wrap, purpose: str, schema: str) -> bytes:
    digest = hashlib.sha256(schema.encode()).digest()
    return encode("reconciler/tables/inner-key/v1", wrap.table_uid, wrap.table_key_id, purpose, digest)
