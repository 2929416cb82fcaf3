"""Proof that a table is encrypted as declared (KS1, KS2)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.proofs import Check, Witness
from reconciler.providers.typed import caller, proving_tables
from reconciler.resources.kind import VerifyInput
from reconciler.resources.reference import name_of
from reconciler.resources.table.observe import TableObservation
from reconciler.resources.table.spec import TableSpec


def verify(given: VerifyInput[TableSpec, TableObservation], services: Services, witness: Witness) -> Iterable[Check]:
    """The table key under the declared key, and every sealed row."""
    tables, who = proving_tables(services, given.provider), caller(services, given.provider)
    keyspace, name = str(given.attributes["keyspace"]), name_of(given.attributes)
    return tables.prove_table(who, keyspace, name, declared_key(given, services), witness)


def declared_key(given: VerifyInput[TableSpec, TableObservation], services: Services) -> str | None:
    """The customer-managed key that the manifest asked for; where it is silent, the recorded one. None: the owned
    key."""
    encryption = None if given.spec is None else given.spec.encryption
    if encryption is None:
        known = given.attributes.get("key_arn")
        return None if known is None else str(known)
    return None if encryption.key is None else encryption.key.arn_in(services)
