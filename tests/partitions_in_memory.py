"""The token and the partitions of ``hsm_in_memory``: what is kept here outlives the providers that are built on it, as
in a real HSM. Real AES-GCM under keys that nobody is given; no PKCS#11, no link."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    HsmError,
    HsmFault,
    HsmUnavailable,
    IncompatibleHsm,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers import hsm
from reconciler.providers.keys import KeyDescription
from reconciler.providers.plugin import ProviderServices

LINK: Final = frozenset(HsmFault) - {HsmFault.NOT_ENFORCED, HsmFault.NO_MECHANISM, HsmFault.REINITIALISED}
ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass
class Token:
    """One account's HSM in one Region, and what its provider keeps of it. ``faults``: what a partition of that name, or
    a token of that label, answers instead; ``verdicts``: what is wrong with single keys of it. A cluster key is
    recorded under the name of its partition and its id; ``material`` is the token's, under ARN and id. ``others`` are
    labels that are not another name of the same token."""

    certificates: dict[str, hsm.ClientCertificateDescription] = field(default_factory=dict)
    partitions: dict[str, hsm.PartitionDescription] = field(default_factory=dict)
    cluster_keys: dict[tuple[str, str], hsm.ClusterKeyDescription] = field(default_factory=dict)
    keys: dict[str, KeyDescription] = field(default_factory=dict)
    material: dict[tuple[str, str], DataKey] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    faults: dict[str, HsmFault] = field(default_factory=dict)
    verdicts: dict[str, list[hsm.KeyVerdict]] = field(default_factory=dict)
    orphans: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    serial: str = "0001"
    leaks: bool = False
    server_not_after: datetime | None = None
    calls: list[str] = field(default_factory=list)


TOKENS: Final[dict[Path, Token]] = {}


def token(home: Path) -> Token:
    """The HSM of a project with that home."""
    return TOKENS.setdefault(home.resolve(), Token())


class Certificates:
    """The link's certificates (HS4)."""

    account: str
    region: str
    _token: Token
    _services: ProviderServices

    def create_client_certificate(
        self, caller: Caller, request: hsm.ClientCertificateRequest, *, token: str
    ) -> hsm.ClientCertificateDescription:
        self._admit(caller)
        kept = self._token
        if token not in kept.tokens:
            if request.name in kept.certificates:
                raise AlreadyExistsException(f"{request.name} exists")
            kept.tokens[token] = request.name
            der = self._services.random.bytes(48)
            now = self._services.clock.now()
            kept.certificates[request.name] = hsm.ClientCertificateDescription(
                name=request.name,
                arn=f"arn:aws:redshift:{self.region}:{self.account}:hsmclientcertificate:{request.name}",
                common_name=request.common_name,
                pem=pem(der),
                fingerprint=hashlib.sha256(der).hexdigest(),
                not_before=now,
                not_after=now + timedelta(days=request.valid_days),
            )
        return self._described(kept.tokens[token])

    def find_client_certificate(self, caller: Caller, *, token: str) -> hsm.ClientCertificateDescription | None:
        name = self._token.tokens.get(token)
        return None if name not in self._token.certificates else self._described(str(name))

    def describe_client_certificates(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[hsm.ClientCertificateDescription]:
        self._admit(caller)
        return [self._described(name) for name in sorted(self._token.certificates) if names is None or name in names]

    def delete_client_certificate(self, caller: Caller, name: str) -> None:
        self._admit(caller)
        if name in self._token.certificates and self._described(name).used_by:
            raise ConflictException(f"a partition uses {name}")
        self._token.certificates.pop(name, None)

    def _admit(self, caller: Caller) -> None:
        if caller.account != self.account:
            raise AccessDeniedException(f"{caller.principal} is of another account")

    def _described(self, name: str) -> hsm.ClientCertificateDescription:
        used = tuple(one.name for one in self._token.partitions.values() if one.client_certificate == name)
        return replace(self._token.certificates[name], used_by=used)


class Partitions(Certificates):
    """``HsmProvider`` and ``KeepsClusterKeys`` (HS2, HS3, HS5)."""

    def create_partition(
        self, caller: Caller, request: hsm.PartitionRequest, *, token: str
    ) -> hsm.PartitionDescription:
        self._admit(caller)
        kept = self._token
        if token not in kept.tokens:
            if request.name in kept.partitions:
                raise AlreadyExistsException(f"{request.name} exists")
            self._reach(request)
            if kept.leaks and not request.allow_unenforced:
                raise IncompatibleHsm("it gives out a key", fault=HsmFault.NOT_ENFORCED)
            kept.tokens[token] = request.name
            uid, now = self._services.random.bytes(16).hex(), self._services.clock.now()
            kept.partitions[request.name] = self._configured(request, uid, now)
        return kept.partitions[kept.tokens[token]]

    def find_partition(self, caller: Caller, *, token: str) -> hsm.PartitionDescription | None:
        return self._token.partitions.get(self._token.tokens.get(token, ""))

    def modify_partition(self, caller: Caller, request: hsm.PartitionRequest) -> hsm.PartitionDescription:
        found = self._partition(caller, request.name)
        self._reach(request)
        if request.token_label != found.token_label and request.token_label in self._token.others:
            raise refused("its marker is not there", HsmFault.REINITIALISED)
        self._token.partitions[request.name] = self._configured(request, found.uid, found.created_at)
        return self._token.partitions[request.name]

    def describe_partitions(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[hsm.PartitionDescription]:
        self._admit(caller)
        found = self._token.partitions
        return [found[name] for name in sorted(found) if names is None or name in names]

    def probe_partition(self, caller: Caller, name: str, *, key_ids: Collection[str] = ()) -> hsm.PartitionCondition:
        kept = self._token
        kept.calls.append(f"probe {name}")
        arn = self._partition(caller, name).arn
        if name in kept.faults:
            return hsm.PartitionCondition(fault=kept.faults[name], detail="as the test says")
        missing = [
            hsm.KeyVerdict(key_id=key_id, fault=HsmFault.KEY_MISSING)
            for key_id in key_ids
            if (arn, key_id) not in kept.material
        ]
        return hsm.PartitionCondition(
            keys=(*missing, *kept.verdicts.get(name, ())),
            orphans=kept.orphans,
            enforced=not kept.leaks,
            serial=kept.serial,
        )

    def delete_partition(self, caller: Caller, name: str) -> None:
        self._admit(caller)
        if any(of == name for of, _ in self._token.cluster_keys):
            raise ConflictException(f"a cluster key of {name} is there")
        self._token.partitions.pop(name, None)

    def verify_partition(self, caller: Caller, partition: str) -> hsm.PartitionDescription:
        found = self._partition(caller, partition)
        self._reach(found)
        return found

    def create_cluster_key(self, caller: Caller, partition: str, key_id: str) -> hsm.ClusterKeyDescription:
        found = self.verify_partition(caller, partition)
        if ID.fullmatch(key_id) is None:
            raise ValidationException(f"{key_id} is no id of a key")
        if (found.name, key_id) not in self._token.cluster_keys:
            self._token.material[found.arn, key_id] = DataKey(self._services.random.bytes(32))
            self._record(found.name, key_id)
        return self._token.cluster_keys[found.name, key_id]

    def wrap_data_key(self, caller: Caller, partition: str, key_id: str, key: DataKey, context: hsm.Context) -> bytes:
        recorded, used = self._key(caller, partition, key_id)
        if recorded.retired_at is not None:
            raise ConflictException(f"{key_id} is retired")
        return seal(used, key.expose_key_bytes(), encode(dict(context)), self._services.random)

    def unwrap_data_key(  # the protocol's own
        self, caller: Caller, partition: str, key_id: str, wrapped: bytes, context: hsm.Context
    ) -> DataKey:
        _, used = self._key(caller, partition, key_id)
        return DataKey(open_sealed(used, wrapped, encode(dict(context))))

    def describe_cluster_keys(
        self, caller: Caller, partition: str | None = None, *, key_ids: Collection[str] | None = None
    ) -> list[hsm.ClusterKeyDescription]:
        self._admit(caller)
        name = None if partition is None else self._partition(caller, partition).name
        found = [one for (of, _), one in self._token.cluster_keys.items() if name in (None, of)]
        return sorted((one for one in found if key_ids is None or one.key_id in key_ids), key=lambda one: one.key_id)

    def adopt_cluster_key(self, caller: Caller, partition: str, key_id: str) -> hsm.ClusterKeyDescription:
        found = self.verify_partition(caller, partition)
        if found.verify is not hsm.Verification.CONNECTION_ONLY:
            raise ConflictException(f"{found.name} verifies its keys")
        self._record(found.name, key_id)
        return self._token.cluster_keys[found.name, key_id]

    def retire_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        place = (self._partition(caller, partition).name, key_id)
        if place in self._token.cluster_keys:
            now = self._services.clock.now()
            self._token.cluster_keys[place] = replace(self._token.cluster_keys[place], retired_at=now)

    def destroy_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        found = self._partition(caller, partition)
        recorded = self._token.cluster_keys.get((found.name, key_id))
        if recorded is not None:
            if recorded.retired_at is None:
                raise ConflictException(f"{key_id} is not retired")
            del self._token.cluster_keys[found.name, key_id]
            self._token.material.pop((found.arn, key_id), None)

    def replicate(self, source: str, target: str) -> None:
        """What the vendor's tools do: every key of one partition, in another."""
        here, there = self._token.partitions[source].arn, self._token.partitions[target].arn
        for (arn, key_id), key in list(self._token.material.items()):
            if arn == here:
                self._token.material[there, key_id] = key

    def _record(self, name: str, key_id: str) -> None:
        self._token.cluster_keys[name, key_id] = hsm.ClusterKeyDescription(
            key_id=key_id, partition=name, suite=hsm.Suite.GCM, created_at=self._services.clock.now()
        )

    def _key(self, caller: Caller, partition: str, key_id: str) -> tuple[hsm.ClusterKeyDescription, DataKey]:
        found = self.verify_partition(caller, partition)
        recorded = self._token.cluster_keys.get((found.name, key_id))
        if recorded is None:
            raise ResourceNotFoundException(f"there is no cluster key {key_id} in {found.name}")
        used = self._token.material.get((found.arn, key_id))
        if used is None:
            raise refused("it has no such key", HsmFault.KEY_MISSING)
        return recorded, used

    def _partition(self, caller: Caller, partition: str) -> hsm.PartitionDescription:
        self._admit(caller)
        for found in self._token.partitions.values():
            if partition in (found.name, found.arn):
                return found
        raise ResourceNotFoundException(f"there is no partition {partition}")

    def _reach(self, one: hsm.PartitionRequest | hsm.PartitionDescription) -> None:
        for called in (one.name, one.token_label or ""):
            fault = self._token.faults.get(called)
            if fault is not None:
                raise refused(f"the partition {one.name} cannot be used: {fault}", fault)

    def _configured(self, request: hsm.PartitionRequest, uid: str, created_at: datetime) -> hsm.PartitionDescription:
        der = None if request.server_certificate is None else _der(request.server_certificate)
        return hsm.PartitionDescription(
            name=request.name,
            arn=f"arn:aws:redshift:{self.region}:{self.account}:hsmconfiguration:{request.name}",
            uid=uid,
            created_at=created_at,
            pin_from=request.pin_from,
            suites=(hsm.Suite.GCM, hsm.Suite.KWP),
            enforced=not self._token.leaks,
            allow_unenforced=request.allow_unenforced,
            verify=request.verify,
            token_label=request.token_label,
            slot=7 if request.slot is None else request.slot,
            address=request.address,
            server_certificate=request.server_certificate,
            server_fingerprint=None if der is None else hashlib.sha256(der).hexdigest(),
            server_not_after=self._token.server_not_after if der is not None else None,
            client_certificate=request.client_certificate,
            serial=self._token.serial,
        )


def refused(why: str, fault: HsmFault) -> HsmError:
    """What a partition with that fault is refused with."""
    kind = HsmUnavailable if fault in LINK else IncompatibleHsm
    return kind(why, fault=fault, suggestion="Look at what the test did to the token.")


def pem(der: bytes) -> str:
    """A text in the form of a certificate."""
    body = base64.b64encode(der).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def _der(text: str) -> bytes:
    return base64.b64decode("".join(text.splitlines()[1:-1]))
