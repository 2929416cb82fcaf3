"""An HSM in a file: real AES-GCM under keys that it hands to nobody, and every way in which one goes wrong.

It lies below the world's home, so that a copy of the home is a copy of the token too. ``operations`` counts what a
token would have been asked; ``before`` is called first, with the call's name, and may raise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.access.caller import Caller
from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    ConflictException,
    HsmError,
    HsmFault,
    HsmUnavailable,
    IncompatibleHsm,
    InvalidCiphertextException,
    ResourceNotFoundException,
)
from reconciler.providers.hsm import (
    ClientCertificateDescription,
    ClientCertificateRequest,
    ClusterKeyDescription,
    Context,
    PartitionCondition,
    PartitionDescription,
    PartitionRequest,
    Suite,
    Verification,
)
from reconciler.providers.secret_source import SecretSource

MADE = datetime(2026, 11, 1, tzinfo=UTC)


class TokenFake:
    """``HsmProvider`` and ``KeepsClusterKeys``. ``away`` partitions answer nobody, ``unfit`` ones fail their checks."""

    def __init__(self, path: Path, account: str, region: str) -> None:
        self._path = path
        self.account = account
        self.region = region
        self.operations: list[tuple[str, str]] = []
        self.contexts: list[dict[str, str]] = []  # of what was wrapped
        self.away: set[str] = set()
        self.unfit: set[str] = set()
        self.connection_only: set[str] = set()
        self.before: Callable[[str], None] = lambda call: None

    # --- what a test does to it ---------------------------------------------------------------------------------------

    def partition(self, name: str) -> str:
        """Its ARN; configured if it is not."""
        kept = self._kept()
        arn = f"arn:aws:redshift:{self.region}:{self.account}:hsmconfiguration:{name}"
        if arn not in kept["tokens"]:
            kept["tokens"][arn] = {}
            self._keep(kept)
        return arn

    def objects(self, partition: str) -> set[str]:
        """Ids of the keys that the token holds."""
        return set(self._kept()["tokens"][partition])

    def lose(self, partition: str) -> dict[str, str]:
        """Somebody re-initialised the token; what was in it, for ``put_back``."""
        kept = self._kept()
        lost: dict[str, str] = kept["tokens"][partition]
        kept["tokens"][partition] = {}
        self._keep(kept)
        return lost

    def remove(self, partition: str) -> None:
        """Its configuration goes, and our keys went before."""
        kept = self._kept()
        del kept["tokens"][partition]
        kept["records"] = {name: one for name, one in kept["records"].items() if not name.startswith(partition)}
        self._keep(kept)

    def put_back(self, partition: str, objects: dict[str, str]) -> None:
        """The vendor's backup, or its replication to another partition."""
        kept = self._kept()
        kept["tokens"][partition] |= objects
        self._keep(kept)

    # --- KeepsClusterKeys ---------------------------------------------------------------------------------------------

    def verify_partition(self, caller: Caller, partition: str) -> PartitionDescription:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("verify_partition", partition)
        if arn in self.unfit:
            raise IncompatibleHsm(f"The partition {arn} gives out its keys", fault=HsmFault.NOT_ENFORCED)
        return self._described(arn)

    def create_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("create_cluster_key", partition)
        kept = self._kept()
        kept["tokens"][arn].setdefault(key_id, os.urandom(32).hex())
        kept["records"].setdefault(f"{arn} {key_id}", {"retired": False})
        self._keep(kept)
        return self._key(arn, key_id)

    def wrap_data_key(self, caller: Caller, partition: str, key_id: str, key: DataKey, context: Context) -> bytes:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("wrap_data_key", partition)
        known = self._kept()["records"].get(f"{arn} {key_id}")
        if known is None:
            raise ResourceNotFoundException(f"There is no cluster key {key_id} in {partition}")
        if known["retired"]:
            raise ConflictException(f"The cluster key {key_id} is retired")
        self.contexts.append(dict(context))
        nonce = os.urandom(12)
        sealed = self._aes(arn, key_id).encrypt(nonce, bytes(key.expose_key_bytes()), encode(context))
        return b"fake" + bytes.fromhex(key_id) + nonce + sealed

    def unwrap_data_key(self, caller: Caller, partition: str, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("unwrap_data_key", partition)
        if f"{partition} {key_id}" not in self._kept()["records"]:
            raise ResourceNotFoundException(f"There is no cluster key {key_id} in {partition}")
        aes = self._aes(arn, key_id)
        if wrapped[4:20].hex() != key_id:
            raise InvalidCiphertextException("the blob names another key")
        try:
            return DataKey(aes.decrypt(wrapped[20:32], wrapped[32:], encode(context)))
        except InvalidTag:
            raise InvalidCiphertextException("the blob does not open") from None

    def describe_cluster_keys(
        self, caller: Caller, partition: str | None = None, *, key_ids: Collection[str] | None = None
    ) -> list[ClusterKeyDescription]:
        """See ``KeepsClusterKeys``."""
        named = [name.split(" ") for name in sorted(self._kept()["records"])]
        return [
            self._key(arn, key_id)
            for arn, key_id in named
            if partition in (None, arn) and (key_ids is None or key_id in key_ids)
        ]

    def adopt_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("adopt_cluster_key", partition)
        kept = self._kept()
        kept["records"][f"{arn} {key_id}"] = {"retired": False}
        self._keep(kept)
        return self._key(arn, key_id)

    def retire_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """See ``KeepsClusterKeys``. Asks no token."""
        self.before("retire_cluster_key")
        kept = self._kept()
        if f"{partition} {key_id}" not in kept["records"]:
            raise ResourceNotFoundException(f"There is no cluster key {key_id} in {partition}")
        kept["records"][f"{partition} {key_id}"]["retired"] = True
        self._keep(kept)

    def destroy_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """See ``KeepsClusterKeys``."""
        arn = self._asked("destroy_cluster_key", partition)
        kept = self._kept()
        if not kept["records"].get(f"{arn} {key_id}", {"retired": True})["retired"]:
            raise ConflictException(f"The cluster key {key_id} is not retired")
        kept["tokens"][arn].pop(key_id, None)
        kept["records"].pop(f"{arn} {key_id}", None)
        self._keep(kept)

    # --- HsmProvider, as far as a warehouse asks it -------------------------------------------------------------------

    def describe_partitions(self, caller: Caller, names: Collection[str] | None = None) -> list[PartitionDescription]:
        """See ``HsmProvider``."""
        found = [self._described(arn) for arn in sorted(self._kept()["tokens"])]
        return [one for one in found if names is None or one.name in names]

    def create_client_certificate(
        self, caller: Caller, request: ClientCertificateRequest, *, token: str
    ) -> ClientCertificateDescription:
        """No warehouse asks for it."""
        _nobody_asks()

    def find_client_certificate(self, caller: Caller, *, token: str) -> ClientCertificateDescription | None:
        """No warehouse asks for it."""
        _nobody_asks()

    def describe_client_certificates(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[ClientCertificateDescription]:
        """No warehouse asks for it."""
        _nobody_asks()

    def delete_client_certificate(self, caller: Caller, name: str) -> None:
        """No warehouse asks for it."""
        _nobody_asks()

    def create_partition(self, caller: Caller, request: PartitionRequest, *, token: str) -> PartitionDescription:
        """No warehouse asks for it."""
        _nobody_asks()

    def find_partition(self, caller: Caller, *, token: str) -> PartitionDescription | None:
        """No warehouse asks for it."""
        _nobody_asks()

    def modify_partition(self, caller: Caller, request: PartitionRequest) -> PartitionDescription:
        """No warehouse asks for it."""
        _nobody_asks()

    def probe_partition(self, caller: Caller, name: str, *, key_ids: Collection[str] = ()) -> PartitionCondition:
        """No warehouse asks for it."""
        _nobody_asks()

    def delete_partition(self, caller: Caller, name: str) -> None:
        """No warehouse asks for it."""
        _nobody_asks()

    # ------------------------------------------------------------------------------------------------------------------

    def _asked(self, call: str, partition: str) -> str:
        self.before(call)
        if partition not in self._kept()["tokens"]:
            raise ResourceNotFoundException(f"There is no partition {partition}")
        if partition in self.away:
            raise HsmUnavailable(f"The partition {partition} does not answer", fault=HsmFault.UNREACHABLE)
        self.operations.append((call, partition))
        return partition

    def _aes(self, partition: str, key_id: str) -> AESGCM:
        key = self._kept()["tokens"][partition].get(key_id)
        if key is None:
            raise HsmError(f"The partition {partition} has no key {key_id}", fault=HsmFault.KEY_MISSING)
        return AESGCM(bytes.fromhex(key))

    def _described(self, arn: str) -> PartitionDescription:
        described = PartitionDescription(
            name=arn.rpartition(":")[2],
            arn=arn,
            uid="00",
            created_at=MADE,
            pin_from=SecretSource(fd=3),
            suites=(Suite.GCM,),
            enforced=arn not in self.unfit,
            allow_unenforced=False,
            verify=Verification.FULL,
        )
        return replace(described, verify=Verification.CONNECTION_ONLY) if arn in self.connection_only else described

    def _key(self, arn: str, key_id: str) -> ClusterKeyDescription:
        retired = self._kept()["records"][f"{arn} {key_id}"]["retired"]
        return ClusterKeyDescription(
            key_id=key_id,
            partition=arn.rpartition(":")[2],
            suite=Suite.GCM,
            created_at=MADE,
            retired_at=MADE if retired else None,
        )

    def _kept(self) -> dict[str, Any]:
        if not self._path.exists():
            return {"tokens": {}, "records": {}}
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found

    def _keep(self, kept: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(kept))


def _nobody_asks() -> NoReturn:
    raise AssertionError("a warehouse asks an HSM for its cluster keys, and for nothing else")
