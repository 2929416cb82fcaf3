"""Worlds that were applied, the hands that move them behind the state's back, and drift as the command prints it."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from reconciler import cli
from reconciler.access.caller import Caller
from reconciler.commands import drift as drift_command
from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.model.drift import SEVERITY
from reconciler.providers.data import WarehouseProvider
from reconciler.providers.keys import HoldsPolicies, IssuesGrants, KeyProvider, NamesKeys, RotatesKeys
from reconciler.providers.tables import TableProvider
from reconciler.providers.typed import caller, key_provider, table_provider, warehouse_provider
from tests.counts import count
from tests.world import World, document, provider

ACCOUNT = "111122223333"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform"
SECURITY = f"arn:aws:iam::{ACCOUNT}:role/security"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
THERE = "us-east-1"
PROVIDERS = (
    provider()
    + provider("dw", "warehouse")
    + provider("tb", "tables")
    + provider("kms-us", region=THERE)
    + provider("dw-us", "warehouse", region=THERE)
)
SCHEMA = "{columns: [{name: id, type: int}, {name: note, type: text}], partitionKey: [id]}"
CLUSTER = {"provider": "dw", "nodeType": "ra3.large", "nodes": "1", "database": "dev"}


def cluster(name: str, **spec: str) -> str:
    """The manifest of a cluster."""
    return document("Cluster", name, **{**CLUSTER, **spec})


def table(name: str, **spec: str) -> str:
    """The manifests of a keyspace and a table in it."""
    keyspace = document("Keyspace", "shop", provider="tb")
    return keyspace + document("Table", name, provider="tb", keyspace="shop", schema=SCHEMA, **spec)


class KeyService(KeyProvider, NamesKeys, HoldsPolicies, IssuesGrants, RotatesKeys):
    """What the software KMS can."""


@dataclass(frozen=True)
class Hands:
    """Somebody with the providers' own tools."""

    session: Session
    world: World

    @property
    def who(self) -> Caller:
        return caller(self.session, "kms")

    def as_principal(self, principal: str) -> Caller:
        return Caller(principal=principal, account=ACCOUNT)

    @property
    def keys(self) -> KeyService:
        return cast(KeyService, key_provider(self.session, "kms"))

    def warehouse(self, name: str = "dw") -> WarehouseProvider:
        return warehouse_provider(self.session, name)

    @property
    def tables(self) -> TableProvider:
        return table_provider(self.session, "tb")

    def of(self, address: str, name: str = "arn") -> str:
        return str(self.session.attributes(Address(address))[name])


@contextmanager
def hands(world: World) -> Iterator[Hands]:
    """For the time of a change behind the state's back."""
    with world.session() as session:
        yield Hands(session, world)


@dataclass(frozen=True)
class Printed:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def found(self) -> list[tuple[str, str]]:
        """Address and class of each finding, in the order printed."""
        return [(one["address"], one["class"]) for one in self.document["findings"]]


def check_findings(printed: Printed, found: Sequence[tuple[str, str]]) -> None:
    """These findings and no others, and the exit code of the worst of them (CONTRACT 4)."""
    assert sorted(printed.found) == sorted(found), printed.out + printed.err
    count("drift", worlds_moved=1)
    severities = {str(SEVERITY[drift_class]) for _, drift_class in found}
    assert printed.code == (0 if not found else 3 if "security" in severities else 2)


def drift(world: World, *arguments: str) -> Printed:
    """``reconciler drift`` in the world, at its time."""

    def session(flags: Any) -> Session:
        return Session(flags, fs=world.fs, clock=world.clock, random=world.random)

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(drift_command, "Session", session):
        code = cli.main(["-C", str(world.folder), "drift", *arguments])
    gc.enable()  # a command ends its process, so main turned the collector off
    return Printed(code, out.getvalue(), err.getvalue())


def applied(folder: Path, manifests: str, data: dict[str, str] | None = None) -> World:
    """A world that is as declared."""
    world = World(folder)
    world.declare(PROVIDERS + manifests)
    for name, text in (data or {}).items():
        target = world.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    world.apply()
    return world
