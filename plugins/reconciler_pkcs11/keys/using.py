"""Uses of a ``Key``: one token operation each, whatever the payload's size (KM4, KM5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    ValidationException,
)
from reconciler.providers.hsm import Suite
from reconciler.providers.key_wrapping import WrappedKey
from reconciler.providers.keys import DecryptedKey, GeneratedDataKey
from reconciler_pkcs11.judging import require_wrapped_by, settled
from reconciler_pkcs11.keys import ciphertext as form
from reconciler_pkcs11.keys.finding import (
    find_key,
    newest_of,
    partition_of,
    require_enabled,
    require_key,
    require_not_pending,
    versions_of,
)
from reconciler_pkcs11.keys.limits import MOST_DATA_KEY, MOST_PLAINTEXT
from reconciler_pkcs11.keys.rotation import rotate_due
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.requests import Asked, asked
from reconciler_pkcs11.rows import KeyRow, VersionRow
from reconciler_pkcs11.site import Site

Context = Mapping[str, str]


def generate_data_key(site: Site, caller: Caller, key_id: str, context: Context, count: int) -> GeneratedDataKey:
    """See ``KeyProvider.generate_data_key``."""
    with asked(site, caller, "GenerateDataKey", _parameters(key_id, context, numberOfBytes=count)) as asking:
        if not 1 <= count <= MOST_DATA_KEY:
            raise ValidationException(f"A data key has 1 to {MOST_DATA_KEY} bytes, not {count}")
        made = DataKey.generate(site.random, count)
        row, version, wrapped = _sealed(site, asking, key_id, made, context)
        return GeneratedDataKey(made, wrapped, site.names.key_arn(row.key_id), version.object_id)


def encrypt(site: Site, caller: Caller, key_id: str, plaintext: DataKey, context: Context) -> WrappedKey:
    """See ``KeyProvider.encrypt``. A key may also be named by its tag ``Name``."""
    with asked(site, caller, "Encrypt", _parameters(key_id, context)) as asking:
        if not 1 <= len(plaintext) <= MOST_PLAINTEXT:
            raise ValidationException(f"A plaintext has 1 to {MOST_PLAINTEXT} bytes, not {len(plaintext)}")
        row, _, made = _sealed(site, asking, key_id, plaintext, context)
        return WrappedKey(site.names.key_arn(row.key_id), made)


def decrypt(site: Site, caller: Caller, ciphertext: bytes, context: Context, key_id: str | None) -> DecryptedKey:
    """See ``KeyProvider.decrypt``. A key may also be named by its tag ``Name``."""
    with asked(site, caller, "Decrypt", _parameters(key_id, context)) as asking:
        row, version, plaintext = _opened(site, asking, ciphertext, context, key_id)
        return DecryptedKey(plaintext, site.names.key_arn(row.key_id), version.object_id)


def re_encrypt(
    site: Site,
    caller: Caller,
    source: tuple[bytes, Context],
    key_id: str,
    context: Context,
) -> bytes:
    """See ``KeyProvider.re_encrypt``; ``source`` is the ciphertext and its context."""
    ciphertext, source_context = source
    parameters = {
        "destinationKeyId": key_id,
        "sourceEncryptionContext": dict(source_context),
        "destinationEncryptionContext": dict(context),
    }
    with asked(site, caller, "ReEncrypt", parameters) as asking:
        _, _, plaintext = _opened(site, asking, ciphertext, source_context, None)
        with plaintext:
            return _sealed(site, asking, key_id, plaintext, context)[2]


def _sealed(
    site: Site, asking: Asked, key_id: str, plaintext: DataKey, context: Context
) -> tuple[KeyRow, VersionRow, bytes]:
    row = require_key(site, key_id, by_name=True)
    asking.key_arns.append(site.names.key_arn(row.key_id))
    require_not_pending(site, row)
    row = rotate_due(site, row)
    version = newest_of(row, versions_of(site, row))
    aad = form.bound_to(row.key_id, version.object_id, context)
    with DataKey.generate(site.random) as message_key:
        with _ready(site, row, version) as opened:
            wrapped = opened.wrap(version.object_id, Suite(version.suite), message_key, aad)
        sealed = seal(message_key, plaintext.expose_key_bytes(), aad, site.random)
    return row, version, form.join(row.key_id, version.object_id, wrapped, sealed)


def _opened(
    site: Site,
    asking: Asked,
    ciphertext: bytes,
    context: Context,
    key_id: str | None,
) -> tuple[KeyRow, VersionRow, DataKey]:
    parts = form.split(ciphertext)
    if key_id is not None:
        named = require_key(site, key_id, by_name=True)
        if named.key_id != parts.key_id:
            raise IncorrectKeyException(
                f"The ciphertext was made under another key than {site.names.key_arn(named.key_id)}"
            )
    row = find_key(site, parts.key_id)
    version = row and next((each for each in versions_of(site, row) if each.object_id == parts.object_id), None)
    if row is None or version is None:
        raise InvalidCiphertextException("the ciphertext is not one of a key that this HSM has")
    asking.key_arns.append(site.names.key_arn(row.key_id))
    require_not_pending(site, row)
    require_wrapped_by(parts.wrapped, version.object_id, version.suite)
    aad = form.bound_to(row.key_id, version.object_id, context)
    with _ready(site, row, version) as opened, opened.unwrap(parts.wrapped, aad) as message_key:
        return row, version, DataKey(open_sealed(message_key, parts.sealed, aad))


@contextmanager
def _ready(site: Site, row: KeyRow, version: VersionRow) -> Iterator[Partition]:
    """The partition, once the version's label has said that the key is enabled. What an open session says of the key is
    not the last word."""
    partition = partition_of(site, row)
    with (
        settled(site.connections, partition, version.object_id, version.canary),
        site.connections.use(partition) as opened,
    ):
        require_enabled(site, row, opened, version)
        yield opened


def _parameters(key_id: str | None, context: Context, **more: object) -> dict[str, object]:
    named = {} if key_id is None else {"keyId": key_id}
    return {**named, **({"encryptionContext": dict(context)} if context else {}), **more}
