"""Every kind of operation at every provider, as a change of a small world: what the harnesses of faults walk through.

A new one is a row in ``CASES``: manifests before and after, and the verbs that its plan must show;
``test_kills_cover_everything.py`` refuses a verb of the model that no row shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.commands.session import Session
from reconciler.model.address import Address
from tests.faults.deeds import emptied, orders, pending, rotated_by_hand, unrecorded
from tests.faults.small_worlds import (
    ABROAD,
    APP,
    DW,
    EVERY_DAY,
    FAMILY,
    FAR,
    FEW,
    K2,
    KMS,
    MORE,
    NAMED,
    OWNED,
    OWNED_TABLE,
    PLAIN,
    REPLICA,
    ROTATED,
    TB,
    TURNED,
    UNDER_K,
    UNDER_K2,
    VAULTS,
    VAULTS_EMPTIED,
    K,
    U,
    cluster,
    copying,
    grant,
    identity,
    key,
    keyspace,
    landing,
    policy,
    restored,
    share,
    snapshot,
    table_under,
)
from tests.world import document


@dataclass(frozen=True, kw_only=True)
class Case:
    """``start`` is applied, ``meanwhile`` done behind its back and ``days`` waited; then ``change`` is applied with
    ``flags`` and killed on the way. ``after`` is one more change that a world must go through when all is over.
    ``files`` are the data that the manifests name, ``changed`` those that are different with the change. Of a case that
    differs from others in a few calls only, every ``stride``-th failpoint and call is tried, but in a campaign all."""

    group: str
    verbs: frozenset[str]
    change: str
    after: str
    start: str | None = None
    files: Mapping[str, str] = field(default_factory=lambda: {"a.csv": FEW, "b.csv": MORE})
    changed: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[Session], None] | None = None
    days: int = 0
    stride: int = 1


def verbs(text: str) -> frozenset[str]:
    return frozenset(text.split())


CASES: Mapping[str, Case] = {
    "a key with everything is made": Case(
        group="keys", verbs=verbs("create grant"), change=KMS + NAMED, after=KMS + key("k", rotation="{trigger: x}")
    ),
    "a key is described anew": Case(
        group="keys",
        verbs=verbs("update"),
        start=KMS + K,
        change=KMS + key("k", enabled="true", rotation="{every: 120d}", tags="{a: c, d: e}") + "  multiRegion: false\n",
        after=KMS + ROTATED,
    ),
    "a key is rotated": Case(
        group="keys",
        verbs=verbs("rotate"),
        start=KMS + K,
        change=KMS + ROTATED,
        after=KMS + key("k", rotation="{trigger: once more}"),
    ),
    "a principal is given a policy": Case(
        group="keys",
        verbs=verbs("create"),
        start=KMS + K,
        change=KMS + K + identity("Decrypt"),
        after=KMS + K + identity("Encrypt"),
    ),
    "a policy of a principal moves to another": Case(
        group="keys",
        verbs=verbs("update retire"),
        start=KMS + K + identity("Decrypt"),
        change=KMS + K + identity("Encrypt", f"{APP}2"),
        after=KMS + K,
    ),
    "a key is disabled": Case(
        group="keys",
        verbs=verbs("disable"),
        start=KMS + K,
        change=KMS + key("k", enabled="false"),
        after=KMS + ROTATED,
    ),
    "a key is enabled": Case(
        group="keys",
        verbs=verbs("enable"),
        start=KMS + key("k", enabled="false"),
        change=KMS + K,
        after=KMS + ROTATED,
    ),
    "a key goes with its names and grants": Case(
        group="keys",
        verbs=verbs("schedule-deletion delete"),
        start=KMS + NAMED + K2,
        change=KMS + K2,
        after=KMS + key("k2", rotation="{trigger: x}"),
    ),
    "a key is called back": Case(
        group="keys",
        verbs=verbs("cancel-deletion enable"),
        start=KMS + K,
        meanwhile=pending,
        change=KMS + K,
        after=KMS + ROTATED,
    ),
    "a key is replicated": Case(
        group="keys",
        verbs=verbs("replicate-key create"),
        start=FAR + FAMILY,
        change=FAR + FAMILY + REPLICA + document("Alias", "k", provider="kms-us", key="r"),
        after=FAR + FAMILY + REPLICA.replace("description: r", "description: other"),
    ),
    "another Region becomes the primary, and the old one goes": Case(
        group="keys",
        verbs=verbs("update"),
        start=FAR + FAMILY + REPLICA,
        change=FAR + key("k", replicaOf="r") + key("r", provider="kms-us", multiRegion="true"),
        after=FAR + key("r", provider="kms-us", multiRegion="true"),
    ),
    "material that is gone is imported again": Case(
        group="keys",
        verbs=verbs("restore"),
        start=KMS + key("k", origin="EXTERNAL"),
        meanwhile=emptied,
        change=KMS + key("k", origin="EXTERNAL", material="{from: {file: k.key}}"),
        after=KMS + key("k", origin="EXTERNAL", tags="{a: b}"),
    ),
    "a key whose window is over is destroyed": Case(
        group="keys",
        verbs=verbs("update"),
        start=KMS + K + K2,
        meanwhile=pending,
        days=8,
        flags={"targets": (Address("Key/k2"),)},
        change=KMS + K + key("k2", tags="{a: b}"),
        after=KMS + key("k2", rotation="{trigger: x}"),
    ),
    "names, policies and grants are changed": Case(
        group="keys",
        verbs=verbs("update grant retire"),
        start=KMS + NAMED + K2,
        change=KMS
        + key("k", rotation="{every: 90d}", tags="{a: b}")
        + policy("k", "Get*")
        + grant("k", "Encrypt")
        + K2
        + document("Alias", "name", key="k2"),
        after=KMS + ROTATED + K2,
    ),
    "a name is renamed": Case(
        group="keys",
        verbs=verbs("rename retire"),
        start=KMS + K + document("Alias", "name", key="k"),
        change=KMS + K + document("Alias", "other", key="k", renamedFrom="name"),
        after=KMS + ROTATED + document("Alias", "other", key="k"),
    ),
    "a key and its name are adopted": Case(
        group="keys",
        verbs=verbs("import update"),
        start=KMS + K + document("Alias", "name", key="k"),
        meanwhile=unrecorded,
        change=KMS
        + key("k", importId="alias/name", tags="{a: b}")
        + document("Alias", "name", key="k", importId="name"),
        after=KMS + ROTATED + document("Alias", "name", key="k"),
    ),
    "a cluster is made and loaded": Case(
        group="clusters",
        verbs=verbs("create load"),
        start=DW + K,
        change=DW + K + cluster(UNDER_K),
        after=DW + K + cluster(TURNED),
    ),
    "a cluster is resized": Case(
        group="clusters",
        verbs=verbs("update"),
        start=DW + K + cluster(UNDER_K),
        change=DW + K + cluster(UNDER_K, nodes=3),
        after=DW + K + cluster(TURNED, nodes=3),
    ),
    "a cluster is rotated": Case(
        group="clusters",
        verbs=verbs("rotate"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(TURNED) + snapshot(),
        after=DW + K + cluster("{key: k, rotation: {trigger: once more}}") + snapshot(),
    ),
    "a cluster is encrypted": Case(
        group="clusters",
        verbs=verbs("encrypt"),
        start=DW + K + cluster(PLAIN),
        change=DW + K + cluster(UNDER_K),
        after=DW + K + cluster(TURNED),
    ),
    "a cluster is decrypted": Case(
        group="clusters",
        verbs=verbs("decrypt"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(PLAIN) + snapshot(),
        after=DW + K + cluster(UNDER_K) + snapshot(),
    ),
    "a cluster and its snapshots go to another key": Case(
        group="roots",
        verbs=verbs("switch-key"),
        start=DW + K + K2 + cluster(UNDER_K) + snapshot(),
        change=DW + K + K2 + cluster(UNDER_K2) + snapshot(),
        after=DW + K + K2 + cluster(TURNED) + snapshot(),
    ),
    "a cluster goes to the owned key, and its key goes": Case(
        group="roots",
        verbs=verbs("switch-key schedule-deletion"),
        start=DW + K + cluster(UNDER_K),
        change=DW + cluster(OWNED),
        after=DW + cluster("{owned: true, rotation: {trigger: again}}"),
    ),
    "a cluster is rooted in a partition of an HSM": Case(
        group="hsm",
        stride=3,
        verbs=verbs("create load"),
        start=VAULTS,
        change=VAULTS + cluster("{hsm: a}"),
        after=VAULTS + cluster("{hsm: a, rotation: {trigger: again}}"),
    ),
    "a cluster and its snapshots go into an HSM": Case(
        group="hsm",
        stride=3,
        verbs=verbs("switch-key"),
        start=VAULTS + K + cluster(UNDER_K) + snapshot(),
        change=VAULTS + K + cluster("{hsm: a}") + snapshot(),
        after=VAULTS + K + cluster("{hsm: b}") + snapshot(),
    ),
    "retired cluster keys leave their token": Case(
        group="hsm",
        stride=3,
        verbs=verbs("update"),
        start=VAULTS + cluster("{hsm: a}") + snapshot(),
        meanwhile=rotated_by_hand,
        change=VAULTS_EMPTIED + cluster("{hsm: a}") + snapshot(),
        after=VAULTS + cluster("{owned: true}") + snapshot(),  # with those that this retires destroyed, a plan more
    ),
    "a file is loaded beside another": Case(
        group="roots",
        verbs=verbs("load"),
        start=DW + K + cluster(UNDER_K),
        change=DW + K + cluster(UNDER_K, files="a.csv b.csv"),
        after=DW + K + cluster(TURNED, files="a.csv b.csv"),
    ),
    "a table's rows are replaced": Case(
        group="roots",
        verbs=verbs("load"),
        start=DW + K + cluster(UNDER_K, mode="replace"),
        changed={"a.csv": MORE},
        change=DW + K + cluster(UNDER_K, mode="replace"),
        after=DW + K + cluster(TURNED, mode="replace"),
    ),
    "a cluster is renamed": Case(
        group="snapshots",
        verbs=verbs("rename update"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(UNDER_K, name="d", renamedFrom="c", nodes=2) + snapshot("d"),
        after=DW + K + cluster(TURNED, name="d", nodes=2) + snapshot("d"),
    ),
    "a snapshot is taken": Case(
        group="snapshots",
        verbs=verbs("snapshot"),
        start=DW + K + cluster(UNDER_K),
        change=DW + K + cluster(UNDER_K) + snapshot(),
        after=DW + K + cluster(TURNED) + snapshot(),
    ),
    "a snapshot is deleted": Case(
        group="snapshots",
        verbs=verbs("delete"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(UNDER_K),
        after=DW + K + cluster(TURNED),
    ),
    "everything is destroyed": Case(
        group="snapshots",
        verbs=verbs("delete schedule-deletion"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(UNDER_K) + snapshot(),
        flags={"destroy": True, "confirmed": True},
        after=DW + key("k3") + cluster("{key: k3}"),
    ),
    "snapshots are copied abroad": Case(
        group="copies",
        verbs=verbs("create enable-copy copy-snapshot"),
        start=ABROAD + K + U + cluster(UNDER_K) + snapshot(),
        change=ABROAD + K + U + cluster(UNDER_K) + snapshot() + landing() + copying(),
        after=ABROAD + K + U + cluster(TURNED) + snapshot() + landing() + copying(),
    ),
    "copying is switched off": Case(
        group="copies",
        verbs=verbs("disable-copy delete"),
        start=ABROAD + K + U + cluster(UNDER_K) + landing() + copying(),
        change=ABROAD + K + U + cluster(UNDER_K),
        after=ABROAD + K + U + cluster(TURNED),
    ),
    "a copy grant is made anew under another key": Case(
        group="copies",
        verbs=verbs("replace"),
        start=ABROAD + K + U + key("v", provider="kms-us") + cluster(UNDER_K) + landing(),
        change=ABROAD + K + U + key("v", provider="kms-us") + cluster(UNDER_K) + landing(under="v"),
        after=ABROAD + K + U + key("v", provider="kms-us") + cluster(TURNED) + landing(under="v"),
    ),
    "a cluster is written again under new keys": Case(
        group="backups",
        stride=6,
        verbs=verbs("re-encrypt"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster("{key: k, reencrypt: true}") + snapshot(),
        after=DW + K + cluster(TURNED) + snapshot(),
    ),
    "a dc2 cluster is encrypted": Case(
        group="backups",
        stride=6,
        verbs=verbs("encrypt"),
        start=DW + K + cluster(PLAIN).replace("ra3.large", "dc2.large"),
        change=DW + K + cluster(UNDER_K).replace("ra3.large", "dc2.large"),
        after=DW + K + cluster(TURNED).replace("ra3.large", "dc2.large"),
    ),
    "a cluster goes to another key, and its snapshots stay": Case(
        group="backups",
        stride=6,
        verbs=verbs("switch-key"),
        start=DW + K + K2 + cluster(UNDER_K) + snapshot(),
        change=DW + K + K2 + cluster("{key: k2, snapshotsFollow: false}") + snapshot(),
        after=DW + K + K2 + cluster("{key: k2, rotation: {trigger: again}}") + snapshot(),
    ),
    "a cluster is made of a snapshot": Case(
        group="backups",
        stride=6,
        verbs=verbs("restore"),
        start=DW + K + cluster(UNDER_K) + snapshot(),
        change=DW + K + cluster(UNDER_K) + snapshot() + restored(),
        after=DW + K + cluster(TURNED) + snapshot() + restored(),
    ),
    "a cluster's keys are put in escrow": Case(
        group="backups",
        stride=6,
        verbs=verbs("re-wrap"),
        start=DW + K + K2 + cluster(UNDER_K) + snapshot(),
        change=DW + K + K2 + cluster("{key: k, escrow: k2}") + snapshot(),
        after=DW + K + K2 + cluster("{key: k, escrow: k2, rotation: {trigger: again}}") + snapshot(),
    ),
    "automated snapshots are scheduled, and one is due": Case(
        group="backups",
        stride=6,
        verbs=verbs("update"),
        start=DW + K + cluster(UNDER_K) + EVERY_DAY,
        days=2,
        change=DW + K + cluster(UNDER_K, nodes=2) + EVERY_DAY,
        after=DW + K + cluster(TURNED, nodes=2),
    ),
    "tables are shared": Case(
        group="backups",
        stride=6,
        verbs=verbs("create"),
        start=DW + K + cluster(UNDER_K) + cluster(OWNED, name="d", files=""),
        change=DW + K + cluster(UNDER_K) + cluster(OWNED, name="d", files="") + share(),
        after=DW + K + cluster(TURNED) + cluster(OWNED, name="d", files=""),
    ),
    "a table is made": Case(
        group="tables",
        verbs=verbs("create"),
        start=TB + K,
        change=TB + K + keyspace() + table_under("k"),
        after=TB + K + keyspace() + OWNED_TABLE,
    ),
    "a table goes to a key of one's own": Case(
        group="tables",
        verbs=verbs("switch-key"),
        start=TB + K + keyspace() + OWNED_TABLE,
        meanwhile=orders,
        change=TB + K + keyspace() + table_under("k"),
        after=TB + K + K2 + keyspace() + table_under("k2"),
    ),
    "a table goes to another key": Case(
        group="tables",
        verbs=verbs("switch-key"),
        start=TB + K + K2 + keyspace() + table_under("k"),
        meanwhile=orders,
        change=TB + K + K2 + keyspace() + table_under("k2"),
        after=TB + K + K2 + keyspace() + OWNED_TABLE,
    ),
    "a table goes back to the owned key, and its key goes": Case(
        group="tables",
        verbs=verbs("switch-key schedule-deletion"),
        start=TB + K + keyspace() + table_under("k"),
        meanwhile=orders,
        change=TB + keyspace() + OWNED_TABLE,
        after=TB + K2 + keyspace() + table_under("k2"),
    ),
    "a table is dropped": Case(
        group="tables",
        verbs=verbs("delete"),
        start=TB + K + keyspace() + table_under("k"),
        meanwhile=orders,
        change=TB + K,
        after=TB + K + keyspace() + OWNED_TABLE,
    ),
}


def named(group: str) -> list[str]:
    """The cases of one group, by name; each group is a file of tests, so that two workers share them."""
    return [name for name, case in CASES.items() if case.group == group]


# Verbs that no plan of these providers can show, and why.
IMPOSSIBLE: Mapping[str, str] = {
    "forget": "only --replace asks for it, and is refused once the new one is there: a repeated apply is another one",
    "retain": "an action of a change, not an operation: it has no step that could be killed",
}
