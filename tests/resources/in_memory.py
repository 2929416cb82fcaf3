"""A table service that remembers only names, and the smallest world to apply a kind in (its warehouse is in
``memory_warehouse``).

They keep the promises of the protocols that a kind's steps rest on (tokens, no-ops, refusals) and hold no data; the
plugins meet the full contract in their own tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException
from reconciler.model.address import Address
from reconciler.model.change import Action, Operation, Verdict
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded
from reconciler.providers.tables import KeyspaceDescription, TableDescription, TableRequest
from reconciler.resources.kind import DiffInput, DriftInput, Observation, ResourceKind, Target
from reconciler.resources.reference import Reference
from reconciler.resources.spec import Spec
from reconciler.testing.fakes import ManualClock, SeededRandom
from tests.resources.memory_warehouse import ACCOUNT, OWNED, PLAINTEXT, MemoryWarehouse, digest_of, hsm, kms

__all__ = [
    "ACCOUNT",
    "OWNED",
    "PLAINTEXT",
    "MemoryTables",
    "MemoryWarehouse",
    "World",
    "digest_of",
    "hsm",
    "kms",
    "shape",
]


@dataclass
class MemoryTables:
    """Keyspaces and tables of one Region."""

    region: str
    clock: ManualClock
    account: str = ACCOUNT
    keyspaces: dict[str, KeyspaceDescription] = field(default_factory=dict)
    tables: dict[tuple[str, str], TableDescription] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def create_keyspace(self, caller: Caller, name: str, *, replication: str, token: str) -> KeyspaceDescription:
        if token not in self.tokens:
            if name in self.keyspaces:
                raise AlreadyExistsException(f"{name} exists")
            self.tokens[token] = (name, "")
            arn = f"arn:aws:cassandra:{self.region}:{self.account}:/keyspace/{name}/"
            self.keyspaces[name] = KeyspaceDescription(name=name, arn=arn, replication=replication)
        return self.keyspaces[name]

    def describe_keyspaces(self, caller: Caller, names: Collection[str] | None = None) -> list[KeyspaceDescription]:
        return [found for name, found in sorted(self.keyspaces.items()) if names is None or name in names]

    def delete_keyspace(self, caller: Caller, name: str) -> None:
        if any(keyspace == name for keyspace, _ in self.tables):
            raise ConflictException(f"keyspace {name} is not empty")
        self.keyspaces.pop(name, None)

    def create_table(self, caller: Caller, request: TableRequest, *, token: str) -> TableDescription:
        place = (request.keyspace, request.name)
        if token not in self.tokens:
            if place in self.tables:
                raise AlreadyExistsException(f"{place} exists")
            self.tokens[token] = place
            self.tables[place] = TableDescription(
                keyspace=request.keyspace,
                name=request.name,
                arn=f"{self.keyspaces[request.keyspace].arn}table/{request.name}",
                uid=f"uid-{token}",
                status="ACTIVE",
                schema=request.schema,
                key_arn=request.key_arn,
                table_key_id=f"table-key-{token}",
                grant_id=None,
                rows=0,
                bytes=0,
                created_at=self.clock.now(),
            )
        return self.tables[place]

    def find_table(self, caller: Caller, *, token: str) -> TableDescription | None:
        return self.tables.get(self.tokens.get(token, ("", "")))

    def describe_tables(
        self, caller: Caller, names: Collection[tuple[str, str]] | None = None
    ) -> list[TableDescription]:
        return [found for place, found in sorted(self.tables.items()) if names is None or place in names]

    def update_table_encryption(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, *, token: str
    ) -> TableDescription:
        found = self.tables[keyspace, table]
        if found.key_arn != key_arn or found.status != "ACTIVE":
            self.calls.append(f"update_table_encryption {key_arn}")
            self.tables[keyspace, table] = replace(found, key_arn=key_arn, status="ACTIVE")
        return self.tables[keyspace, table]

    def delete_table(self, caller: Caller, keyspace: str, table: str) -> None:
        self.tables.pop((keyspace, table), None)


@dataclass
class World:
    """Services, state rows and a planner for one resource at a time: ``apply`` then ``plan`` must come to nothing."""

    project: Path
    clock: ManualClock = field(default_factory=ManualClock)
    random: SeededRandom = field(default_factory=SeededRandom)
    rows: dict[Address, Recorded] = field(default_factory=dict)
    providers: dict[str, object] = field(default_factory=dict)
    declared: dict[Address, Spec] = field(default_factory=dict)
    arriving: tuple[Address, ...] = ()
    token: str = ""
    steps_run: int = 0

    def __post_init__(self) -> None:
        self.eu = MemoryWarehouse("eu-west-1", self.clock)
        self.us = MemoryWarehouse("us-east-1", self.clock)
        self.tables = MemoryTables("eu-west-1", self.clock)
        self.providers |= {"eu": self.eu, "us": self.us, "tables": self.tables}

    def provider(self, name: str) -> object:
        return self.providers[name]

    def principal(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/platform"

    def attributes(self, address: Address) -> Mapping[str, Any]:
        return self.rows[address].attributes

    def key_uses(self, key_arn: str, grant_id: str | None = None) -> Sequence[str]:
        return ()

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        pass

    def record(self, address: str, **attributes: Any) -> Address:
        """A resource that exists: its row in the state."""
        made = Address(address)
        self.rows[made] = Recorded(address=made, uid=address, provider="eu", attributes=attributes)
        return made

    def key(self, name: str) -> str:
        """A Key that exists; its ARN."""
        arn = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{name}"
        self.record(f"Key/{name}", id=name, arn=arn)
        return arn

    def partition(self, name: str) -> str:
        """An HsmPartition that exists; its ARN."""
        arn = f"arn:aws:redshift:eu-west-1:{ACCOUNT}:hsmconfiguration:{name}"
        self.record(f"HsmPartition/{name}", id=arn, arn=arn, name=name)
        return arn

    def observe(self, kind: ResourceKind[Any, Any], address: Address) -> Observation | None:
        """What the kind sees of one recorded resource."""
        row = self.rows.get(address)
        if row is None:
            return None
        target = Target(address=address, provider=row.provider, attributes=row.attributes)
        seen: Observation | None = kind.observe([target], self).get(address)
        return seen

    def given(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, **more: Any) -> DiffInput[Any, Any]:
        """What the kind's diff is given."""
        address = Address.of(kind.name, name)
        row = self.rows.get(address)
        last = None if row is None or row.spec is None else kind.spec.model_validate_json(row.spec)
        provider = desired.provider if desired is not None else "" if row is None else row.provider
        named = desired.external_name if desired is not None and desired.external_name is not None else name
        return DiffInput(
            address=address,
            name=named,
            provider=provider,
            desired=desired,
            recorded=row,
            observed=self.observe(kind, address),
            now=self.clock.now(),
            resolve=self._resolve,
            last_spec=last,
            declared=lambda reference: self.declared.get(reference.address) if reference.address else None,
            arriving=lambda reference: self.arriving,
            **more,
        )

    def _resolve(self, reference: Reference) -> Mapping[str, Any] | None:
        address = reference.address
        if address is None:
            return {"id": reference.arn, "arn": reference.arn}
        return self.rows[address].attributes if address in self.rows else None

    def plan(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, **more: Any) -> Verdict:
        """The verdict on one resource."""
        return kind.diff(self.given(kind, name, desired, **more))

    def apply(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, *, times: int = 2) -> Verdict:
        """Carry a verdict out, each step ``times`` times over with its one token (I11), and settle the row."""
        verdict = self.plan(kind, name, desired)
        assert not verdict.blocked, verdict.blocked
        address = Address.of(kind.name, name)
        self.carry_out(address, desired, verdict.operations, times=times)
        if desired is not None and verdict.action is not Action.NOOP:
            seen = self.observe(kind, address)
            self.rows[address] = replace(
                self.rows[address],
                spec=desired.canonical_json(),
                observed=None if seen is None else seen.model_dump_json(),
            )
        return verdict

    def carry_out(
        self, address: Address, desired: Spec | None, operations: Iterable[Operation], *, times: int = 1
    ) -> None:
        """Run operations' steps, recording after each what it leaves."""
        for operation in operations:
            for step in operation.steps:
                self.steps_run += 1
                self.token = f"token-{self.steps_run}"
                outcomes = [step.run(self) for _ in range(times)]
                assert all(outcome == outcomes[0] for outcome in outcomes)
                outcome, row = outcomes[-1], self.rows.get(address)
                if outcome.gone:
                    self.rows.pop(address, None)
                    continue
                if row is None:
                    provider = "" if desired is None else desired.provider
                    row = Recorded(address=address, uid=f"row-{self.steps_run}", provider=provider)
                attributes = {**row.attributes, **outcome.attributes}
                kept = {name: value for name, value in attributes.items() if value is not None}
                self.rows[address] = replace(row, attributes=kept)

    def drift(self, kind: ResourceKind[Any, Any], name: str) -> Sequence[Finding]:
        """What moved since the last apply."""
        address = Address.of(kind.name, name)
        row = self.rows[address]
        return kind.drift(
            DriftInput(
                address=address,
                recorded=row,
                spec=None if row.spec is None else kind.spec.model_validate_json(row.spec),
                expected=None if row.observed is None else kind.observation.model_validate_json(row.observed),
                observed=self.observe(kind, address),
                now=self.clock.now(),
            )
        )


def shape(verdict: Verdict) -> list[str]:
    """A verdict in short: ``verb: step step``, or ``blocked: guard``."""
    operations = [f"{one.verb}: {' '.join(step.id for step in one.steps)}" for one in verdict.operations]
    return operations + [f"blocked: {block.guard}" for block in verdict.blocked]
