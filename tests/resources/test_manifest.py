"""What a kind's ``manifest`` says of any object that can exist: declared so, nothing is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Undeclarable
from reconciler.loading.load import load
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.providers.data import RootKind
from reconciler.resources import registry
from reconciler.resources.alias.observe import AliasObservation
from reconciler.resources.cluster.observe import ClusterObservation, ScheduleObservation
from reconciler.resources.cluster.observe import TableObservation as LoadedTableObservation
from reconciler.resources.data_share.observe import DataShareObservation
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.hsm_partition.server_certificate import fingerprint, one_certificate
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import USAGES
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.keyspace.observe import KeyspaceObservation
from reconciler.resources.kind import DiffInput, ManifestInput, Observation
from reconciler.resources.reference import Reference
from reconciler.resources.snapshot.observe import SnapshotObservation
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation
from reconciler.resources.table.observe import SchemaObservation, TableObservation
from reconciler.views.manifests_yaml import render_manifests
from tests.partitions_in_memory import pem
from tests.world import provider

NOW = datetime(2026, 1, 5, tzinfo=UTC)
KEY = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-4333-8444-555555555555"
ESCROW = "arn:aws:kms:eu-west-1:111122223333:key/99999999-2222-4333-8444-555555555555"
CLUSTER = "arn:aws:redshift:eu-west-1:111122223333:cluster:people"
ROLE = "arn:aws:iam::111122223333:role/r"

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs", "S"), exclude_characters="\x85\xa0"))
names = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
columns = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
PARTITION = "arn:aws:redshift:eu-west-1:111122223333:hsmconfiguration:vault"
roots = st.sampled_from([(RootKind.NONE, None), (RootKind.OWNED, None), (RootKind.KMS, KEY)])
cluster_roots = roots | st.just((RootKind.HSM, PARTITION))
pairs = st.dictionaries(names, words.filter(lambda text: len(text) <= 30), min_size=1, max_size=3)


@dataclass(frozen=True)
class Thing:
    """An object: its kind, what the state would record of it, and how it is observed."""

    kind: str
    attributes: Mapping[str, Any]
    observed: Observation


SPECS = [(key_spec, usage) for key_spec, usages in USAGES.items() for usage in usages]


@st.composite
def keys(draw: st.DrawFn) -> Thing:
    key_spec, usage = draw(st.sampled_from([*SPECS[:1] * 8, *SPECS[1:]]))
    origin = draw(st.sampled_from(["AWS_KMS", "EXTERNAL"]))
    primary = draw(st.sampled_from([None, KEY, KEY.replace("eu-west-1", "us-east-1")]))
    rotates = key_spec == "SYMMETRIC_DEFAULT" and origin == "AWS_KMS"
    lacking = ["PendingImport"] if origin == "EXTERNAL" else []
    observed = KeyObservation(
        arn=KEY,
        description=draw(words),
        key_spec=key_spec,
        key_usage=usage,
        state=draw(st.sampled_from(["Enabled", "Disabled", *lacking])),
        multi_region=primary is not None,
        material_id="m",
        rotated_at=NOW,
        rotation_period_days=draw(st.none() | st.integers(90, 2560)) if rotates else None,
        origin=origin,
        material_expires_at=draw(st.none() | st.just(NOW + timedelta(days=9))) if origin == "EXTERNAL" else None,
        primary_arn=primary,
        deletion_date=None,
        tags=draw(st.dictionaries(names, words.filter(lambda text: len(text) <= 30), max_size=3)),
        partition=draw(st.none() | st.just("vault")) if primary is None else None,
    )
    return Thing("Key", {"id": KEY.rpartition("/")[2], "arn": KEY}, observed)


@st.composite
def aliases(draw: st.DrawFn) -> Thing:
    name = f"alias/{draw(names)}"
    arn = f"arn:aws:kms:eu-west-1:111122223333:{name}"
    observed = AliasObservation(name=name, arn=arn, target_key_id=KEY.rpartition("/")[2])
    return Thing("Alias", {"id": name, "arn": arn}, observed)


@st.composite
def policies(draw: st.DrawFn) -> Thing:
    statement = {"Sid": draw(words), "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"}
    if draw(st.booleans()):
        statement["Condition"] = {"Bool": {"kms:GrantIsForAWSResource": draw(st.sampled_from([True, "true"]))}}
    observed = KeyPolicyObservation(document={"Version": "2012-10-17", "Statement": [statement]})
    return Thing("KeyPolicy", {"id": KEY, "arn": KEY}, observed)


@st.composite
def identity_policies(draw: st.DrawFn) -> Thing:
    statement = {"Sid": draw(words), "Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    observed = IdentityPolicyObservation(
        principal=ROLE, name="own", document={"Version": "2012-10-17", "Statement": [statement]}
    )
    return Thing("IdentityPolicy", dict(Held(ROLE, "own").attributes), observed)


@st.composite
def grants(draw: st.DrawFn) -> Thing:
    subset, equals = draw(st.sampled_from([(None, None), (True, None), (None, True)]))
    observed = GrantObservation(
        key_arn=KEY,
        grantee_principal=ROLE,
        retiring_principal=draw(st.none() | st.just(ROLE)),
        operations=tuple(sorted(draw(st.sets(st.sampled_from(["Decrypt", "Encrypt", "RetireGrant"]), min_size=1)))),
        context_subset=draw(pairs) if subset else None,
        context_equals=draw(pairs) if equals else None,
    )
    return Thing("Grant", {"id": "g" * 64, "key_arn": KEY}, observed)


@st.composite
def clusters(draw: st.DrawFn) -> Thing:
    root, arn = draw(cluster_roots)
    tables = draw(st.dictionaries(columns, st.booleans(), max_size=3))
    every, days = draw(st.integers(1, 24 * 30)), draw(st.integers(1, 35))
    schedule = ScheduleObservation(every=timedelta(hours=every), retention=timedelta(days=days))
    observed = ClusterObservation(
        arn=CLUSTER,
        uid="u",
        status="available",
        node_type=draw(st.sampled_from(["ra3.large", "dc2.large"])),
        nodes=draw(st.integers(1, 128)),
        database=draw(columns),
        created_at=NOW,
        root=root,
        key_arn=arn if root is RootKind.KMS else None,
        partition=arn if root is RootKind.HSM else None,
        cek_id=None,
        dek_id=None,
        grant_id=None,
        rotated_at=None,
        schedule=draw(st.none() | st.just(schedule)),
        escrow_arn=None if root is RootKind.NONE else draw(st.none() | st.just(ESCROW)),
        tables=tuple(
            LoadedTableObservation(name=name, backup=backup, rows=1, bytes=1, loads=("a" * 64,))
            for name, backup in sorted(tables.items())
        ),
    )
    return Thing("Cluster", {"id": CLUSTER, "arn": CLUSTER, "name": "people", "uid": "u"}, observed)


@st.composite
def shares(draw: st.DrawFn) -> Thing:
    name, arn = draw(columns), "arn:aws:redshift:eu-west-1:111122223333:datashare:u/it"
    observed = DataShareObservation(
        arn=arn,
        uid="d",
        producer="people",
        consumer="reports",
        tables=tuple(sorted(draw(st.sets(columns, min_size=1, max_size=3)))),
        status="ACTIVE",
        created_at=NOW,
    )
    return Thing("DataShare", {"id": arn, "arn": arn, "name": name, "uid": "d"}, observed)


@st.composite
def snapshots(draw: st.DrawFn) -> Thing:
    root, key = draw(roots)
    days, name = draw(st.none() | st.integers(1, 3653)), draw(names)
    arn = f"arn:aws:redshift:eu-west-1:111122223333:snapshot:people/{name}"
    observed = SnapshotObservation(
        arn=arn,
        uid="s",
        cluster="people",
        cluster_uid="u",
        status="available",
        created_at=NOW,
        expires_at=None if days is None else NOW + timedelta(days=days),
        root=root,
        key_arn=key,
        bytes=1,
        predates_encryption=False,
    )
    recorded = {"id": arn, "arn": arn, "name": name, "uid": "s", "cluster_uid": "u", "retention_days": days}
    return Thing("Snapshot", recorded, observed)


@st.composite
def copy_grants(draw: st.DrawFn) -> Thing:
    root, key = draw(roots.filter(lambda root: root[0] is not RootKind.NONE))
    name = draw(names)
    arn = f"arn:aws:redshift:us-east-1:111122223333:snapshotcopygrant:{name}"
    observed = SnapshotCopyGrantObservation(arn=arn, root=root, key_arn=key, grant_id=None, copying=())
    return Thing("SnapshotCopyGrant", {"id": arn, "arn": arn, "name": name}, observed)


@st.composite
def copies(draw: st.DrawFn) -> Thing:
    root, _ = draw(roots)
    observed = SnapshotCopyObservation(
        region="us-east-1",
        grant_name="from-eu" if root is RootKind.KMS else draw(st.none() | st.just("from-eu")),
        retention_days=draw(st.integers(1, 35)),
        cluster_root=root,
        uncopied=(),
    )
    identity = f"{CLUSTER}/snapshot-copy/us-east-1"
    recorded = {"id": identity, "arn": CLUSTER, "cluster": "people", "to": "dw-us", "region": "us-east-1"}
    return Thing("SnapshotCopy", recorded, observed)


@st.composite
def keyspaces(draw: st.DrawFn) -> Thing:
    name, label = draw(columns), draw(st.from_regex(r"[A-Za-z]{1,20}", fullmatch=True))
    arn = f"arn:aws:cassandra:eu-west-1:111122223333:/keyspace/{name}/"
    observed = KeyspaceObservation(arn=arn, replication=label)
    return Thing("Keyspace", {"id": arn, "arn": arn, "name": name, "replication": label}, observed)


@st.composite
def tables(draw: st.DrawFn) -> Thing:
    found = draw(st.lists(columns, min_size=3, max_size=5, unique=True))
    clustered = draw(st.booleans())
    schema = SchemaObservation(
        columns=tuple(sorted((column, draw(st.sampled_from(["int", "text", "uuid"]))) for column in found)),
        partition_key=(found[0],),
        clustering_key=((found[1], draw(st.sampled_from(["ASC", "DESC"]))),) if clustered else (),
        static=(found[2],) if clustered and draw(st.booleans()) else (),
    )
    arn = "arn:aws:cassandra:eu-west-1:111122223333:/keyspace/shop/table/orders"
    observed = TableObservation(
        arn=arn,
        uid="t",
        status="ACTIVE",
        table_schema=schema,
        key_arn=draw(st.none() | st.just(KEY)),
        table_key_id="k",
        grant_id=None,
        rows=1,
        bytes=1,
        created_at=NOW,
    )
    return Thing("Table", {"id": arn, "arn": arn, "name": "orders", "keyspace": "shop", "uid": "t"}, observed)


@st.composite
def certificates(draw: st.DrawFn) -> Thing:
    arn, days = "arn:aws:redshift:eu-west-1:111122223333:hsmclientcertificate:link", draw(st.integers(1, 3650))
    observed = HsmClientCertificateObservation(
        arn=arn,
        common_name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", fullmatch=True)),
        fingerprint="f" * 64,
        not_before=NOW,
        not_after=NOW + timedelta(days=days),
        used_by=draw(st.sampled_from([(), ("vault",)])),
    )
    return Thing("HsmClientCertificate", {"id": arn, "arn": arn, "name": "link"}, observed)


pins = st.sampled_from([{"fd": 3}, {"file": "/run/pin"}, {"file": "~/pin"}, {"command": ["/bin/pass", "show hsm"]}])


@st.composite
def partitions(draw: st.DrawFn) -> Thing:
    has_agent, has_label = draw(st.booleans()), draw(st.booleans())
    server = one_certificate(pem(draw(st.binary(min_size=1, max_size=90)))) if has_agent else None
    observed = HsmPartitionObservation(
        arn=PARTITION,
        uid="u",
        token_label=draw(st.text("abc: #'-", min_size=1, max_size=32)) if has_label else None,
        slot=draw(st.integers(0, 2**63 - 1)) if not has_label or draw(st.booleans()) else None,
        pin_from=draw(pins),
        address=draw(st.sampled_from(["hsm.example.com:8711", "10.0.0.7:1", "[::1]:65535"])) if has_agent else None,
        server_certificate=server,
        server_fingerprint=None if server is None else fingerprint(server),
        server_not_after=NOW + timedelta(days=400) if has_agent else None,
        client_certificate="link" if has_agent else None,
        allow_unenforced=draw(st.booleans()),
        verify=draw(st.sampled_from(["full", "connection-only"])),
        suites=("gcm",),
        enforced=draw(st.booleans()),
        serial="1",
    )
    return Thing("HsmPartition", {"id": PARTITION, "arn": PARTITION, "name": "vault", "uid": "u"}, observed)


THINGS: dict[str, Callable[[], st.SearchStrategy[Thing]]] = {
    "Key": keys,
    "Alias": aliases,
    "KeyPolicy": policies,
    "IdentityPolicy": identity_policies,
    "Grant": grants,
    "Cluster": clusters,
    "DataShare": shares,
    "Snapshot": snapshots,
    "SnapshotCopyGrant": copy_grants,
    "SnapshotCopy": copies,
    "Keyspace": keyspaces,
    "Table": tables,
    "HsmClientCertificate": certificates,
    "HsmPartition": partitions,
}


def test_every_kind_is_here() -> None:
    assert set(THINGS) == {name for name in registry.kind_names() if name != registry.PROVIDER}


def fields(thing: Thing) -> Mapping[str, Any]:
    found = registry.kind(thing.kind).manifest
    assert found is not None
    return found(
        ManifestInput(
            provider="p", attributes=thing.attributes, observed=thing.observed, name_of=lambda kind, one: None
        )
    )


def resolve(reference: Reference) -> Mapping[str, Any]:
    """As the plan's own: an object that no manifest manages is its ARN."""
    return {"id": reference.arn, "arn": reference.arn}


@pytest.mark.parametrize("kind", THINGS)
def test_what_a_manifest_says_of_an_object_plans_nothing(kind: str) -> None:
    @given(THINGS[kind]())
    @settings(max_examples=60, deadline=None)
    def check(thing: Thing) -> None:
        found = registry.kind(kind)
        spec = found.spec.model_validate({"provider": "p", **fields(thing)})
        address = Address.of(kind, "it")
        name = str(thing.attributes.get("name") or thing.attributes["id"])
        verdict = found.diff(
            DiffInput(
                address=address,
                name=name,
                provider="p",
                desired=spec,
                recorded=Recorded(address=address, uid="r", provider="p", attributes=thing.attributes),
                observed=thing.observed,
                now=NOW,
                resolve=resolve,
            )
        )
        assert (verdict.operations, verdict.blocked, verdict.diff) == ((), (), ())

    check()


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_written_of_an_object_loads_as_it_was_written(kind: str, tmp_path: Any) -> None:
    plugin = {"keys": "softkms", "warehouse": "warehouse", "tables": "tables", "hsm": "pkcs11"}[
        registry.kind(kind).provider_protocol
    ]
    providers = provider("p", plugin) + provider("dw-us", "warehouse", "us-east-1")

    @given(THINGS[kind]())
    @settings(max_examples=20, deadline=None)
    def check(thing: Thing) -> None:
        spec = {"provider": "p", **fields(thing), "importId": str(thing.attributes["id"])}
        text = render_manifests([(Address.of(kind, "it"), spec)])
        (tmp_path / "world.yaml").write_text(providers + text)
        (resource,) = [one for one in load(tmp_path, ["world.yaml"]).resources if one.address.kind == kind]
        assert resource.spec == registry.spec_class(kind).model_validate(spec)

    check()


def test_a_key_on_its_way_out_is_not_declared() -> None:
    @given(keys())
    @settings(max_examples=5, deadline=None)
    def check(thing: Thing) -> None:
        leaving = thing.observed.model_copy(update={"state": "PendingDeletion"})
        with pytest.raises(Undeclarable, match="waits for its deletion"):
            fields(Thing("Key", thing.attributes, leaving))

    check()
