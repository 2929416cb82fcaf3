"""Specs: read from strings, written in one canonical JSON, and read back from it the same."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.resources import registry
from reconciler.resources.field_types import Duration, canonical_tree, read_duration, write_duration
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.provider.spec import ProviderSpec
from reconciler.resources.reference import Reference, RefersTo
from reconciler.resources.spec import Spec, spec_digest

ARN = "arn:aws:kms:eu-central-1:111122223333:key/x"
SCHEMA = {"columns": [{"name": "id", "type": "uuid"}, {"name": "at", "type": "date"}], "partitionKey": ["id"]}

FULL: dict[str, dict[str, Any]] = {
    "Alias": {"key": "orders", "externalName": "alias/shop/orders"},
    "Cluster": {
        "nodeType": "dc2.large",
        "nodes": "2",
        "database": "shop",
        "encryption": {
            "key": {"arn": ARN},
            "rotation": {"every": "24h", "trigger": "a"},
            "snapshotsFollow": "false",
            "reencrypt": "true",
            "escrow": "spare",
        },
        "snapshots": {"every": "480m", "retention": "7d"},
        "restoreFrom": {"arn": "arn:aws:redshift:eu-central-1:111122223333:snapshot:old/rs:old-2026-01-05-00-00-00"},
        "acknowledge": ["backup-no-loss"],
        "tables": [{"name": "t", "backup": "false", "load": [{"path": "a.csv", "sha256": "0" * 64}], "mode": "append"}],
    },
    "DataShare": {"producer": "orders", "tables": ["b", "a"], "consumer": "reports"},
    "Grant": {
        "key": "orders",
        "granteePrincipal": "redshift.amazonaws.com",
        "retiringPrincipal": "arn:aws:iam::111122223333:role/keeper",
        "operations": ["Encrypt", "Decrypt"],
        "constraints": {"encryptionContextEquals": {"b": "2", "a": "1"}},
    },
    "HsmClientCertificate": {"commonName": "reconciler eu-1", "validity": "90d"},
    "HsmPartition": {
        "tokenLabel": "partition-a",
        "pinFrom": {"command": ["/usr/bin/pass", "show", "hsm"]},
        "address": "hsm.example.com:8711",
        "serverCertificate": "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
        "clientCertificate": "link",
        "allowUnenforced": "true",
        "verify": "connection-only",
    },
    "IdentityPolicy": {
        "principal": "arn:aws:iam::111122223333:role/app",
        "document": {"Statement": [{"Effect": "Allow"}], "Version": "2012-10-17"},
    },
    "Key": {
        "description": "x",
        "keySpec": "SYMMETRIC_DEFAULT",
        "keyUsage": "ENCRYPT_DECRYPT",
        "enabled": "false",
        "multiRegion": "true",
        "rotation": {"every": "2160h", "trigger": "x"},
        "deletionWindow": "7d",
        "tags": {"b": "no", "a": "1"},
    },
    "KeyPolicy": {"key": "orders", "document": {"Statement": [{"Effect": "Allow"}], "Version": "2012-10-17"}},
    "Keyspace": {"replicationClass": "SingleRegionStrategy"},
    "Provider": {
        "plugin": "softkms",
        "account": "012345670123",
        "region": "eu-central-1",
        "principal": "arn:aws:iam::111122223333:role/keeper",
        "config": {"z": {"a": ["1"]}, "keyService": "x"},
    },
    "Snapshot": {"cluster": "c", "manual": "true", "retention": "30d"},
    "SnapshotCopy": {"cluster": "c", "to": "far", "grant": "g", "retention": "168h"},
    "SnapshotCopyGrant": {"key": "orders"},
    "Table": {
        "keyspace": "k",
        "schema": {**SCHEMA, "clusteringKey": [{"name": "at", "order": "DESC"}]},
        "encryption": {"type": "CUSTOMER_MANAGED_KMS_KEY", "key": "orders"},
    },
}
COMMON = {
    "provider": "p",
    "lifecycle": {"preventDestroy": "false", "retain": "true", "ignoreChanges": ["spec.tags"]},
    "dependsOn": ["Key/b", "Key/a"],
    "externalName": "name",
    "importId": "id",
    "renamedFrom": "old",
}


def full(kind: str) -> Spec:
    given = FULL[kind] if kind == "Provider" else {**COMMON, **FULL[kind]}
    return registry.spec_class(kind).model_validate(given)


def test_every_kind_has_a_spec_of_its_name() -> None:
    assert set(registry.kind_names()) == set(FULL)
    assert {registry.spec_class(kind).__name__ for kind in FULL} == {f"{kind}Spec" for kind in FULL}
    assert not registry.NOT_YET & set(registry.kind_names())


@pytest.mark.parametrize("word", ["key", "KEY", "Key"])
def test_a_kind_is_found_in_any_case(word: str) -> None:
    assert registry.spelled(word) == "Key"
    assert registry.spelled("ky") is None


@pytest.mark.parametrize("kind", FULL)
def test_canonical_json_reads_back_the_same(kind: str) -> None:
    spec = full(kind)
    text = spec.canonical_json()
    again = registry.spec_class(kind).model_validate_json(text)
    assert again == spec
    assert again.canonical_json() == text
    assert spec_digest(text) == spec_digest(again.canonical_json())


@pytest.mark.parametrize("kind", FULL)
def test_canonical_json_is_one_line_of_manifest_names(kind: str) -> None:
    text = full(kind).canonical_json()
    assert "\n" not in text
    assert set(FULL[kind]) <= set(json.loads(text))
    assert ("provider" in json.loads(text)) is (kind != "Provider")


@pytest.mark.parametrize("kind", FULL)
def test_every_kind_takes_what_all_take(kind: str) -> None:
    if kind == "Provider":
        for field, value in COMMON.items():
            with pytest.raises(ValidationError, match="does not belong to a Provider"):
                ProviderSpec.model_validate({**FULL[kind], field: value})
        return
    spec = full(kind)
    assert (spec.provider, spec.import_id, spec.renamed_from) == ("p", "id", "old")
    assert (spec.lifecycle.prevent_destroy, spec.lifecycle.retain) == (False, True)
    assert spec.depends_on == ("Key/a", "Key/b")


@pytest.mark.parametrize("kind", FULL)
def test_every_kind_has_a_json_schema(kind: str) -> None:
    schema = registry.spec_class(kind).model_json_schema(by_alias=True)
    assert schema["additionalProperties"] is False
    assert set(FULL[kind]) <= set(schema["properties"])


@pytest.mark.parametrize("kind", FULL)
def test_a_spec_is_frozen(kind: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(full(kind), "import_id", "other")  # noqa: B010  # mypy knows that it is read-only


def test_the_canonical_form_of_a_key() -> None:
    """Frozen: a change of this text changes the digest of every key in every state."""
    assert full("Key").canonical_json() == (
        '{"provider":"p","lifecycle":{"preventDestroy":false,"retain":true,"ignoreChanges":["spec.tags"]},'
        '"dependsOn":["Key/a","Key/b"],"externalName":"name","importId":"id","renamedFrom":"old","description":"x",'
        '"keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","enabled":false,"multiRegion":true,'
        '"rotation":{"every":"90d","trigger":"x"},"deletionWindow":"7d","tags":{"a":"1","b":"no"}}'
    )


@given(minutes=st.integers(1, 36500 * 1440))
def test_a_duration_is_written_in_its_largest_unit_and_read_back(minutes: int) -> None:
    span = timedelta(minutes=minutes)
    text = write_duration(span)
    assert read_duration(text) == span
    assert write_duration(read_duration(f"{minutes}m") or timedelta()) == text


@given(text=st.text(max_size=8))
def test_no_other_text_is_a_duration(text: str) -> None:
    span = read_duration(text)
    if span is not None:
        assert text[:-1].isascii() and text[:-1].isdecimal() and text[-1] in "dhm"


def test_a_duration_in_python_is_checked_too() -> None:
    assert KeySpec(provider="p", deletion_window=timedelta(days=8)).deletion_window == timedelta(days=8)
    for span in (timedelta(days=31), timedelta(days=7, seconds=1), timedelta(days=7, hours=1)):
        with pytest.raises(ValidationError):
            KeySpec(provider="p", deletion_window=span)
    assert Duration().read("15m") == timedelta(minutes=15)


def test_a_reference_is_a_name_or_an_arn() -> None:
    to_key = RefersTo("Key")
    assert to_key.read("orders") == Reference("Key", "orders")
    assert str(to_key.read("orders")) == "Key/orders"
    unmanaged = to_key.read({"arn": ARN})
    assert (unmanaged.address, str(unmanaged)) == (None, ARN)
    assert to_key.write(unmanaged) == {"arn": ARN}
    assert to_key.read(Reference("Key", "orders")).name == "orders"


TREES = st.recursive(
    st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(tree=TREES)
def test_a_free_tree_keeps_its_texts_and_loses_only_the_order_of_its_pairs(tree: object) -> None:
    assert canonical_tree(tree) == tree
    assert json.dumps(canonical_tree(tree)) == json.dumps(tree, sort_keys=True)


def test_what_json_says_in_words_is_a_text() -> None:
    assert canonical_tree({"b": True, "a": [90, False]}) == {"a": ["90", "false"], "b": "true"}


DIGITS = {
    "digits of another script are no account": {**FULL["Provider"], "account": "٠١٢٣٤٥٦٧٨٩٠١"},
    "nothing may follow a name": {**FULL["Provider"], "plugin": "softkms\n"},
    "a service is no principal of a provider": {**FULL["Provider"], "principal": "redshift.amazonaws.com"},
}


@pytest.mark.parametrize("case", DIGITS)
def test_texts_have_exactly_their_form(case: str) -> None:
    with pytest.raises(ValidationError):
        ProviderSpec.model_validate(DIGITS[case])
