"""Manifests of small worlds, piece by piece, for the rows of ``operations``."""

from __future__ import annotations

from typing import Any

from tests.campaign.declared import ORDERS, THERE
from tests.world import document, provider

KMS = provider("kms")
DW = KMS + provider("dw", "warehouse")
TB = KMS + provider("tb", "tables")
ABROAD = DW + provider("kms-us", "softkms", THERE) + provider("dw-us", "warehouse", THERE)
VAULTS = DW + provider("hsm", "pkcs11")
APP = "arn:aws:iam::111122223333:role/app"
FEW = "id,tail,delay\n1,a,0.5\n2,b,1.5\n3,c,2.5\n"
MORE = "id,tail,delay\n4,d,3.5\n5,e,4.5\n"
FREE = "{preventDestroy: false}"


def key(name: str, **spec: Any) -> str:
    """A Key that may go."""
    return document("Key", name, **{"description": name, "lifecycle": FREE, "deletionWindow": "7d", **spec})


def policy(name: str, action: str) -> str:
    statement = "{Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'}, Action: 'kms:*', Resource: '*'}"
    more = f"{{Effect: Allow, Principal: {{AWS: '{APP}'}}, Action: 'kms:{action}', Resource: '*'}}"
    return document(
        "KeyPolicy", name, key=name, document=f"{{Version: '2012-10-17', Statement: [{statement}, {more}]}}"
    )


def grant(name: str, operations: str) -> str:
    return document("Grant", name, key=name, granteePrincipal=APP, operations=f"[{operations}]")


def cluster(
    encryption: str, *, nodes: int = 1, files: str = "a.csv", mode: str = "append", name: str = "c", **more: Any
) -> str:
    load = ", ".join(f"manifests/{file}" for file in files.split())
    tables = f"[{{name: t1, load: [{load}], mode: {mode}}}]" if files else "[]"
    spec = {"nodeType": "ra3.large", "nodes": nodes, "tables": tables, "lifecycle": FREE, "encryption": encryption}
    return document("Cluster", name, provider="dw", **spec, **more)


def snapshot(of: str = "c") -> str:
    return document("Snapshot", "s", provider="dw", cluster=of, lifecycle=FREE)


def restored() -> str:
    """Another cluster, made of the snapshot."""
    return cluster(OWNED, name="r", files="") + "  restoreFrom: s\n"


def share() -> str:
    return document("DataShare", "given", provider="dw", producer="c", consumer="d", tables="[t1]", lifecycle=FREE)


EVERY_DAY = "  snapshots: {every: 1d, retention: 7d}\n"


def copying(copy_grant: str = "landing") -> str:
    said = document("SnapshotCopy", "abroad", provider="dw", cluster="c", to="dw-us", grant=copy_grant)
    return said + "  retention: 7d\n"


def landing(name: str = "landing", under: str = "u") -> str:
    return document("SnapshotCopyGrant", name, provider="dw-us", key=under)


def table(encryption: str) -> str:
    return document(
        "Table", "orders", provider="tb", keyspace="shop", schema=ORDERS, encryption=encryption, lifecycle=FREE
    )


def partition(name: str, **spec: Any) -> str:
    return document("HsmPartition", name, provider="hsm", tokenLabel=name, pinFrom="{fd: 3}", **spec)


def keyspace(**spec: Any) -> str:
    return document("Keyspace", "shop", provider="tb", **spec)


VAULTS_EMPTIED = VAULTS + partition("a", retiredKeys="destroy") + partition("b")
VAULTS += partition("a") + partition("b")
OWNED_TABLE = table("{type: AWS_OWNED_KMS_KEY}")


def table_under(name: str) -> str:
    return table(f"{{type: CUSTOMER_MANAGED_KMS_KEY, key: {name}}}")


K, K2 = key("k"), key("k2")
U = key("u", provider="kms-us")
FAR = KMS + provider("kms-us", "softkms", THERE)
FAMILY, REPLICA = key("k", multiRegion="true"), key("r", provider="kms-us", replicaOf="k")
ROTATED = key("k", rotation="{trigger: again}")
UNDER_K, UNDER_K2 = "{key: k}", "{key: k2}"
TURNED = "{key: k, rotation: {trigger: again}}"
PLAIN, OWNED = "{enabled: false}", "{owned: true}"


def identity(action: str, who: str = APP) -> str:
    statement = f"{{Effect: Allow, Action: 'kms:{action}', Resource: '*'}}"
    return document(
        "IdentityPolicy", "own", principal=who, document=f"{{Version: '2012-10-17', Statement: [{statement}]}}"
    )


NAMED = key("k", rotation="{every: 90d}", tags="{a: b}") + policy("k", "Describe*") + grant("k", "Decrypt")
NAMED += document("Alias", "name", key="k")
