"""What loading hands on: order, references, names, digests of the meaning."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import InvalidManifests
from reconciler.loading.load import load
from reconciler.loading.manifests import Manifests
from reconciler.loading.selector import parse_selector
from reconciler.model.address import Address
from tests.loading.places import BASE, manifest, problems, project

WORLD = Path(__file__).resolve().parents[2] / "bench" / "world.py"
TABLE = "schema: {columns: [{name: id, type: uuid}], partitionKey: [id]}"


def one(root: Path, text: str) -> Manifests:
    return load(project(root, {"base.yaml": BASE, "m.yaml": text}))


def test_resources_are_in_the_order_of_files_and_documents(tmp_path: Path) -> None:
    project(tmp_path, {"b.yaml": manifest("Key", "z") + manifest("Key", "y"), "a.yaml": manifest("Key", "x")})
    manifests = load(project(tmp_path, {"base.yaml": BASE}))
    assert [(str(resource.address), resource.file, resource.line) for resource in manifests.resources] == [
        ("Key/x", "manifests/a.yaml", 2),
        ("Key/z", "manifests/b.yaml", 2),
        ("Key/y", "manifests/b.yaml", 7),
        ("Provider/kms", "manifests/base.yaml", 1),
        ("Key/orders", "manifests/base.yaml", 10),
    ]
    assert list(manifests.by_address) == [resource.address for resource in manifests.resources]


def test_references_are_in_field_order_each_once_without_providers(tmp_path: Path) -> None:
    text = (
        manifest("Keyspace", "k")
        + manifest("Cluster", "c", "provider: kms, encryption: {key: orders}")
        + manifest("SnapshotCopyGrant", "g", "provider: kms, key: {arn: 'arn:aws:kms:eu-west-1:111122223333:key/x'}")
        + manifest(
            "SnapshotCopy", "s", "provider: kms, cluster: c, to: kms, grant: g, dependsOn: [Key/orders, Cluster/c]"
        )
        + manifest(
            "Table",
            "t",
            f"provider: kms, keyspace: k, {TABLE}, encryption: {{type: CUSTOMER_MANAGED_KMS_KEY, key: orders}}",
        )
    )
    found = {str(resource.address): resource.references for resource in one(tmp_path, text).resources}
    assert found["Cluster/c"] == ("Key/orders",)
    assert found["SnapshotCopyGrant/g"] == ()
    assert found["SnapshotCopy/s"] == ("Cluster/c", "SnapshotCopyGrant/g", "Key/orders")
    assert found["Table/t"] == ("Keyspace/k", "Key/orders")
    assert found["Provider/kms"] == ()


def test_the_name_at_the_provider_is_external_name_or_the_resource_s_own(tmp_path: Path) -> None:
    text = manifest("Alias", "a", "provider: kms, key: orders") + manifest(
        "Alias", "b", "provider: kms, key: orders, externalName: alias/shop/orders_eu"
    )
    found = {str(resource.address): resource.external_name for resource in one(tmp_path, text).resources}
    assert (found["Alias/a"], found["Alias/b"]) == ("a", "shop/orders_eu")


SAME = {
    "units of time": ("Key", "rotation: {every: 90d}", "rotation: {every: 2160h}"),
    "order of fields and pairs": ("Key", "enabled: false, tags: {a: x, b: y}", "tags: {b: y, a: x}, enabled: false"),
    "defaults written out": ("Key", "description: x", "description: x, enabled: true, deletionWindow: 30d, tags: {}"),
    "quotes around a text": ("Key", "description: x", "description: 'x'"),
    "order of a set": (
        "Grant",
        "key: orders, granteePrincipal: redshift.amazonaws.com, operations: [Encrypt, Decrypt]",
        "key: orders, granteePrincipal: redshift.amazonaws.com, operations: [Decrypt, Encrypt]",
    ),
    "a document in a file": (
        "KeyPolicy",
        "key: orders, document: {Version: '2012-10-17', Statement: [{Effect: Allow, Principal: '*', Action: 'kms:*', "
        "Resource: '*', Condition: {Bool: {x: 'true'}}}]}",
        "key: orders, documentFile: policies/p.json",
    ),
    "a prefix that every alias has": ("Alias", "key: orders, externalName: x", "key: orders, externalName: alias/x"),
}


@pytest.mark.parametrize("case", SAME)
def test_spelling_does_not_change_the_digest(case: str, tmp_path: Path) -> None:
    kind, first, second = SAME[case]
    policy = (
        '{"Statement": [{"Condition": {"Bool": {"x": true}}, "Effect": "Allow", "Principal": "*", "Action": "kms:*",'
        ' "Resource": "*"}], "Version": "2012-10-17"}'
    )
    digests = set()
    for number, spec in enumerate((first, second)):
        root = project(tmp_path / str(number), {"policies/p.json": policy, "./policies/p.json": policy})
        manifests = one(root, manifest(kind, "x", f"provider: kms, {spec}"))
        digests.add((manifests.by_address[Address(f"{kind}/x")].digest, manifests.digest))
    assert len(digests) == 1


def test_the_digest_of_all_depends_on_what_is_declared_and_not_on_where(tmp_path: Path) -> None:
    text = manifest("Key", "a") + manifest("Key", "b")
    first = one(tmp_path / "1", text)
    moved = load(
        project(tmp_path / "2", {"z.yaml": BASE, "b.yaml": manifest("Key", "b"), "c.yaml": manifest("Key", "a")})
    )
    other = one(tmp_path / "3", text.replace("name: b", "name: c"))
    changed = one(tmp_path / "4", text.replace("provider: kms", "provider: kms, enabled: false", 1))
    assert first.digest == moved.digest
    assert len({first.digest, other.digest, changed.digest}) == 3


def test_a_changed_data_file_is_a_changed_spec(tmp_path: Path) -> None:
    text = manifest("Cluster", "c", "provider: kms, tables: [{name: t, load: [data/t.csv]}]")
    project(tmp_path, {"./data/t.csv": "a\n1\n"})
    first = one(tmp_path, text)
    project(tmp_path, {"./data/t.csv": "a\n2\n"})
    assert one(tmp_path, text).digest != first.digest


def test_providers_are_found_by_name(tmp_path: Path) -> None:
    manifests = one(tmp_path, "")
    assert list(manifests.providers) == ["kms"]
    assert (manifests.providers["kms"].plugin, manifests.providers["kms"].account) == ("softkms", "111122223333")
    with pytest.raises(KeyError):
        manifests.providers["other"]


def test_a_selection_names_what_fits_and_removes_nothing(tmp_path: Path) -> None:
    text = manifest("Key", "a").replace("{name: a}", "{name: a, labels: {team: data}}") + manifest("Key", "b")
    manifests = one(tmp_path, text)
    assert manifests.selected(parse_selector("team=data")) == {"Key/a"}
    assert len(manifests.resources) == 4


def test_labels_stay_texts(tmp_path: Path) -> None:
    text = manifest("Key", "a").replace("{name: a}", "{name: a, labels: {n: '1', y: yes, v: 1.10}}")
    assert one(tmp_path, text).by_address[Address("Key/a")].labels == {"n": "1", "y": "yes", "v": "1.10"}


def test_problems_come_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    bad = manifest("Alias", "a", "provider: kms, key: nowhere") + manifest("Key", "K")
    found = problems(project(tmp_path, {"z.yaml": bad.replace("name: a", "name: b"), "a.yaml": bad, "base.yaml": BASE}))
    assert [problem.where for problem in found] == [
        "manifests/a.yaml:5:28",
        "manifests/a.yaml:9:18",
        "manifests/z.yaml:5:28",
        "manifests/z.yaml:9:18",
    ]


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_cyclic_collector_is_left_as_it_was(is_enabled: bool, tmp_path: Path) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if is_enabled else gc.disable()
        one(tmp_path, "")
        assert gc.isenabled() is is_enabled
        with pytest.raises(InvalidManifests):
            one(tmp_path, "kind: [")
        assert gc.isenabled() is is_enabled
    finally:
        gc.enable() if before else gc.disable()


def test_the_world_of_the_benchmarks_is_valid_and_its_change_is_one(tmp_path: Path) -> None:
    written = [sys.executable, str(WORLD), "100", str(tmp_path), "--docs-per-file", "20"]
    assert subprocess.check_output(written, text=True) == "100 resources in 5 files\n"
    first = load(tmp_path)
    assert len(first.resources) == 100
    subprocess.check_output([*written, "--change", "20"])
    second = load(tmp_path)
    changed = {
        resource.file
        for before, resource in zip(first.resources, second.resources, strict=True)
        if before.digest != resource.digest
    }
    assert len(changed) == 1
