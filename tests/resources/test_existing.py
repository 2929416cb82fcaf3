"""Every kind says what a provider has, managed or not, in the words that a recorded row of it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.discovery import InstalledPlugins
from reconciler.providers.hsm import ClientCertificateRequest, PartitionRequest
from reconciler.providers.identities import HoldsIdentityPolicies
from reconciler.providers.keys import GrantRequest, IssuesGrants, KeyRequest, NamesKeys
from reconciler.providers.secret_source import SecretSource
from reconciler.providers.tables import Column, TableRequest, TableSchema
from reconciler.providers.typed import (
    caller,
    hsm_provider,
    key_provider,
    sharing_data,
    table_provider,
    warehouse_provider,
)
from reconciler.resources import registry
from reconciler.resources.kind import Existing
from tests.hsm_in_memory import find_plugin
from tests.world import World, document, provider

IDENTITY = "{Version: '2012-10-17', Statement: [{Effect: Allow, Action: 'kms:Decrypt', Resource: '*'}]}"
POLICY = (
    "{Version: '2012-10-17', Statement: [{Sid: all, Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'},"
    " Action: 'kms:*', Resource: '*'}, {Sid: more, Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:role/a'},"
    " Action: 'kms:Decrypt', Resource: '*'}]}"
)
MANAGED = "".join(
    (
        *(provider("kms"), provider("kms-us", region="us-east-1"), provider("dw", "warehouse")),
        *(provider("dw-us", "warehouse", "us-east-1"), provider("tb", "tables")),
        document("Key", "one"),
        document("Key", "us", provider="kms-us"),
        document("Alias", "one", key="one"),
        document("KeyPolicy", "one", key="one", document=POLICY),
        document("IdentityPolicy", "one", principal="arn:aws:iam::111122223333:role/a", document=IDENTITY),
        document(
            "Grant", "one", key="one", granteePrincipal="arn:aws:iam::111122223333:role/a", operations="[Decrypt]"
        ),
        document("Cluster", "c", provider="dw", nodeType="ra3.large", nodes="1", encryption="{key: one}"),
        document("Snapshot", "s", provider="dw", cluster="c", retention="9d"),
        document("SnapshotCopyGrant", "g", provider="dw-us", key="us"),
        document("SnapshotCopy", "c", provider="dw", cluster="c", to="dw-us", grant="g", retention="7d"),
        document("Keyspace", "ks", provider="tb"),
        document(
            "Table",
            "t",
            provider="tb",
            keyspace="ks",
            schema="{columns: [{name: id, type: int}], partitionKey: [id]}",
            encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: one}",
        ),
    )
)
SHARED = document(
    "Cluster", "reports", provider="dw", encryption="{owned: true}", tables="[{name: t, load: [manifests/t.csv]}]"
) + document("DataShare", "bi", provider="dw", producer="reports", tables="[t]", consumer="c")
IN_HSM = (
    provider("hsm", "pkcs11")
    + document("HsmClientCertificate", "link", provider="hsm", commonName="one")
    + document("HsmPartition", "a", provider="hsm", tokenLabel="partition-a", pinFrom="{fd: 3}")
)
PROVIDERS = {"keys": ("kms", "kms-us"), "warehouse": ("dw", "dw-us"), "tables": ("tb",), "hsm": ("hsm",)}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    world = World(Path(tmp_path_factory.mktemp("existing")) / "project")
    declare(world, MANAGED + SHARED + IN_HSM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InstalledPlugins, "find", find_plugin)
        world.apply()
        with world.session() as opened:
            _by_hand(opened)
            yield opened


def declare(world: World, manifests: str) -> None:
    """The manifests, and the file that one of their tables is loaded from."""
    world.declare(manifests)
    (world.folder / "manifests" / "t.csv").write_text("a\n1\n")


def _by_hand(session: Session) -> None:
    """Things that no manifest declares."""
    who, keys = caller(session, "kms"), key_provider(session, "kms")
    made = keys.create_key(who, KeyRequest(description="by hand"), token="by-hand")
    cast(NamesKeys, keys).create_alias(who, "alias/by-hand", made.key_id)
    request = GrantRequest(
        key_id=made.arn, grantee_principal="arn:aws:iam::111122223333:role/b", operations=("Encrypt",)
    )
    cast(IssuesGrants, keys).create_grant(who, request)
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    holder = "arn:aws:iam::111122223333:role/b"
    cast(HoldsIdentityPolicies, keys).put_identity_policy(who, holder, "by-hand", {"Statement": [statement]})
    keys.schedule_key_deletion(who, made.key_id, waiting_days=7)
    warehouse = warehouse_provider(session, "dw")
    plain = ClusterRequest(
        name="elsewhere", node_type="ra3.large", nodes=1, database="dev", root=Root(kind=RootKind.NONE)
    )
    warehouse.create_cluster(who, plain, token="by-hand")
    # The first snapshot after encrypting is taken by the service itself (RE10).
    owned = Root(kind=RootKind.OWNED)
    warehouse.modify_encryption(who, "elsewhere", owned, progress=lambda text, done, total: None, token="encrypt")
    sharing_data(session, "dw").create_data_share(
        who, "by_hand", producer="reports", consumer="elsewhere", tables=["t"], token="share"
    )
    warehouse_provider(session, "dw-us").create_snapshot_copy_grant(who, "spare", owned, token="by-hand")
    tables = table_provider(session, "tb")
    tables.create_keyspace(who, "other", replication="SingleRegionStrategy", token="by-hand")
    schema = TableSchema(columns=(Column(name="id", type="int"),), partition_key=("id",))
    tables.create_table(who, TableRequest(keyspace="other", name="t", schema=schema, key_arn=None), token="table")
    certificate = ClientCertificateRequest(name="spare", common_name="spare", valid_days=9)
    hsm_provider(session, "hsm").create_client_certificate(who, certificate, token="by-hand")
    partition = PartitionRequest(name="b", slot=2, pin_from=SecretSource(fd=3))
    hsm_provider(session, "hsm").create_partition(who, partition, token="partition")


def sweep(session: Session, kind: str) -> list[Existing]:
    found = registry.kind(kind)
    assert found.existing is not None
    providers = PROVIDERS[found.provider_protocol]
    # What is of the account is told by each of its Providers.
    return [one for name in providers[: 1 if found.of_account else None] for one in found.existing(name, session)]


KINDS = [name for name in registry.kind_names() if name != registry.PROVIDER]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_managed_is_found_with_the_attributes_that_its_row_has(kind: str, session: Session) -> None:
    rows = [row for row in session.reader.all() if row.address.kind == kind]
    assert rows, "this world has none"
    found = {one.identity: one for one in sweep(session, kind)}
    for row in rows:
        one = found[str(row.identity)]
        assert {name: row.attributes.get(name) for name in one.attributes} == one.attributes


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_objects_of_a_provider_have_one_identity(kind: str, session: Session) -> None:
    identities = [one.identity for one in sweep(session, kind)]
    assert len(identities) == len(set(identities))


UNMANAGED = {
    "Key": 1,
    "Alias": 1,
    "KeyPolicy": 0,
    "IdentityPolicy": 1,
    "Grant": 1,
    "Cluster": 1,
    "DataShare": 1,
    "Snapshot": 0,
    "SnapshotCopy": 0,
    "SnapshotCopyGrant": 1,
    "Keyspace": 1,
    "Table": 1,
    "HsmClientCertificate": 1,
    "HsmPartition": 1,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_declares_is_found_and_what_a_service_made_belongs_to_something(
    kind: str, session: Session
) -> None:
    recorded = {row.identity for row in session.reader.all()}
    unmanaged = [one.name for one in sweep(session, kind) if one.identity not in recorded and one.belongs_to is None]
    assert len(unmanaged) == UNMANAGED[kind], unmanaged


def test_a_services_grant_belongs_to_what_it_was_made_for(session: Session) -> None:
    owners = {one.belongs_to for one in sweep(session, "Grant")}
    arns = {str(session.attributes(Address(one))["arn"]) for one in ("Cluster/c", "SnapshotCopyGrant/g", "Table/t")}
    assert owners == {None, *arns}


def test_a_default_policy_belongs_to_its_key(session: Session) -> None:
    one = str(session.attributes(Address("Key/one"))["arn"])
    policies = sweep(session, "KeyPolicy")
    assert {found.identity: found.belongs_to for found in policies if found.identity == one} == {one: None}
    assert all(found.belongs_to == found.identity for found in policies if found.identity != one)


def test_an_automated_snapshot_belongs_to_its_cluster_and_a_copy_to_what_it_is_a_copy_of(session: Session) -> None:
    found = {one.name: one for one in sweep(session, "Snapshot") if one.belongs_to is not None}
    automated = next(name for name in found if name.startswith("rs:elsewhere"))
    assert str(found[automated].belongs_to).endswith(":cluster:elsewhere")
    assert any(str(one.belongs_to) == session.attributes(Address("Snapshot/s"))["arn"] for one in found.values())


def test_an_automated_snapshot_whose_cluster_is_gone_belongs_to_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(MANAGED)
    with world.session() as opened:
        opened.initialise()
        who, warehouse = caller(opened, "dw"), warehouse_provider(opened, "dw")
        plain = ClusterRequest(name="x", node_type="ra3.large", nodes=1, database="dev", root=Root(kind=RootKind.NONE))
        warehouse.create_cluster(who, plain, token="x")
        owned = Root(kind=RootKind.OWNED)
        warehouse.modify_encryption(who, "x", owned, progress=lambda text, done, total: None, token="encrypt")
        warehouse.delete_cluster(who, "x")
        (left,) = sweep(opened, "Snapshot")
        assert left.belongs_to is None


def test_a_key_goes_by_its_arn_and_its_aliases_too(session: Session) -> None:
    one = session.attributes(Address("Key/one"))
    found = next(key for key in sweep(session, "Key") if key.identity == one["id"])
    assert found.others[0] == one["arn"]
    assert "alias/one" in found.others
