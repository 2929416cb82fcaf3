"""Whether an interrupted step was carried out: did it make, load or encrypt its cluster?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.data import Root, RootKind
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import reencrypted_under
from reconciler.resources.cluster.status import AVAILABLE
from reconciler.resources.cluster.steps import changed_attributes, identity_of, loads_attribute
from reconciler.resources.reference import name_of, planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the cluster that the intent's token made, None if it made none (I10)."""
    if intent.step not in ("create-cluster", "restore-cluster"):
        return None
    warehouse = warehouse_provider(services, intent.provider)
    found = warehouse.find_cluster(caller(services, intent.provider), token=intent.token)
    if found is None:
        return None
    facts = intent.facts
    attributes = {**identity_of(found), "trigger": facts.get("trigger")}
    if facts.get("reencrypt"):
        attributes["reencrypted"] = reencrypted_under(found.root, facts.get("trigger"))
    if "snapshot" in facts:
        attributes["restored_from"] = planned_arn(facts["snapshot"], services)
    return attributes


def outcome(intent: Intent, observed: ClusterObservation, services: Services) -> Outcome | None:
    """What the step would have left, None while it is not carried out: the files of a load, without which a later load
    looks like a changed file; the root, and the trigger of an encryption, without which its keys are rotated again."""
    if intent.step == "modify-encryption":
        return _root(intent, observed, services)
    if intent.step == "rename":
        return _renamed(intent, observed)
    table = intent.facts.get("table")
    return None if table is None else _loads(intent, observed, services, str(table))


def _renamed(intent: Intent, observed: ClusterObservation) -> Outcome | None:
    name = name_of({"id": observed.arn})
    if observed.status != AVAILABLE or (name, observed.uid) != (intent.facts["new"], intent.facts["uid"]):
        return None
    return Outcome(attributes={"id": observed.arn, "arn": observed.arn, "name": name})


def _loads(intent: Intent, observed: ClusterObservation, services: Services, table: str) -> Outcome | None:
    files = {digest: path for path, digest in intent.facts["files"]}
    there = next((one.loads for one in observed.tables if one.name == table), ())
    if not files.keys() <= set(there):
        return None
    known = services.attributes(intent.address).get(loads_attribute(table)) or {}
    kept = {digest: known[digest] for digest in known if digest in there}
    return Outcome(attributes={loads_attribute(table): {**kept, **files}})


def _root(intent: Intent, observed: ClusterObservation, services: Services) -> Outcome | None:
    wanted = intent.facts["root"]
    if observed.status != AVAILABLE or observed.root != wanted["kind"]:
        return None
    if observed.root is RootKind.KMS and planned_arn(wanted["key"], services) != observed.key_arn:
        return None
    if observed.root is RootKind.HSM and planned_arn(wanted["partition"], services) != observed.partition:
        return None
    root = Root(kind=observed.root, key_arn=observed.key_arn, partition=observed.partition)
    facts = intent.facts
    return Outcome(
        attributes=changed_attributes(
            root,
            facts.get("trigger"),
            reencrypt=bool(facts.get("reencrypt")),
            alone=bool(facts.get("alone")),
        )
    )
