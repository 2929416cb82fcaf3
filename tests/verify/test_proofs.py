"""``verify``: all is proved in a sound estate, and each tampering behind our back breaks the proof of exactly what it
touches (CONTRACT 3; RE3–RE8, SC4, KM2–KM4, KS5, I9, I19)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.planning.verifying import proofs_of, watch
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import (
    DENIED,
    PROBES,
    REFUSALS,
    ROUND_TRIPS,
    Result,
)
from reconciler.providers.typed import (
    holding_policies,
    issuing_grants,
    key_provider,
    naming_keys,
    table_provider,
    warehouse_provider,
)
from reconciler.resources import registry
from tests.counts import count
from tests.verify.estate import CANARY, PLATFORM, SOMEBODY, Estate, who
from tests.world import World, document, provider

SILENT = lambda text, done, total: None  # noqa: E731  # progress that nobody reads


@pytest.fixture(scope="module", name="made")
def applied_once(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return Estate.apply(tmp_path_factory.mktemp("verify") / "project")


@pytest.fixture(name="estate")
def estate_to_break(made: Estate) -> Iterator[Estate]:
    """The same for each test: what a test breaks is put back."""
    saved = made.world.folder.with_name("saved")
    shutil.copytree(made.world.folder, saved, symlinks=True)
    yield made
    shutil.rmtree(made.world.folder)
    saved.rename(made.world.folder)


def arn(session: Session, key: str) -> str:
    return str(session.attributes(Address(f"Key/{key}"))["arn"])


def test_everything_of_a_sound_estate_is_proved(estate: Estate) -> None:
    with estate.world.session() as session:
        recorded = {row.address for row in session.reader.all()}
        proofs = {proof.subject: proof for proof in estate.prove(session)}
    providers = {f"Provider/{name}" for name in ("dwh", "dwh-us", "kms", "kms-us")}
    assert set(proofs) == {*recorded, *providers, "State", "Home"}
    assert {subject: proof.checks for subject, proof in proofs.items() if proof.result is not Result.PROVED} == {}
    held = {subject: {check.what for check in proof.checks} for subject, proof in proofs.items()}
    assert all(held.values()), "each says what it counted"
    assert {ROUND_TRIPS, REFUSALS} <= held["Key/root"]
    assert ROUND_TRIPS in held["Alias/name"]
    assert held["Key/off"] == {REFUSALS}
    assert held["Grant/bound"] == held["KeyPolicy/root"] == {PROBES}
    checks = [check for proof in proofs.values() for check in proof.checks]
    count("verify", proofs=len(proofs), checks=sum(check.count for check in checks))


def test_every_kind_has_a_proof_and_one_without_is_not_called_proved(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [registry.kind(name) for name in registry.kind_names() if name != "Provider"]
    assert [kind.name for kind in kinds if kind.verify is None] == []
    found = registry.kind
    monkeypatch.setattr(registry, "kind", lambda name: replace(found(name), verify=None))
    results = {check.result for checks in estate.failures().values() for check in checks}
    assert results == {Result.UNCHECKED}


def test_verify_changes_nothing_but_audit_records(estate: Estate) -> None:
    def contents() -> dict[str, bytes]:
        files = sorted(path for path in estate.world.folder.rglob("*") if path.is_file())
        seen = {str(path): path.read_bytes() for path in files if not {"softkms", "cache"} & set(path.parts)}
        # Who reads a database makes its log where there is none, and leaves it empty.
        return {name: content for name, content in seen.items() if content and not name.endswith("-shm")}

    before = contents()
    assert estate.failures() == {}
    assert contents() == before


def disable_the_root(session: Session) -> None:
    key_provider(session, "kms").disable_key(who(session, "kms"), arn(session, "root"))


def schedule_its_deletion(session: Session) -> None:
    key_provider(session, "kms").schedule_key_deletion(who(session, "kms"), arn(session, "next"), waiting_days=30)


def enable_a_disabled_key(session: Session) -> None:
    key_provider(session, "kms").enable_key(who(session, "kms"), arn(session, "off"))


def widen_the_policy(session: Session) -> None:
    policies = holding_policies(session, "kms")
    document = dict(policies.get_key_policies(who(session, "kms"), [arn(session, "root")])[arn(session, "root")])
    statement = {"Effect": "Allow", "Principal": {"AWS": SOMEBODY}, "Action": "kms:Decrypt", "Resource": "*"}
    document["Statement"] = [*document["Statement"], statement]
    policies.put_key_policy(who(session, "kms"), arn(session, "root"), document)


def narrow_the_policy(session: Session) -> None:
    policies = holding_policies(session, "kms")
    document = dict(policies.get_key_policies(who(session, "kms"), [arn(session, "root")])[arn(session, "root")])
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] != "read"]
    policies.put_key_policy(who(session, "kms"), arn(session, "root"), document)


def deny_through_a_condition(session: Session) -> None:
    policies = holding_policies(session, "kms")
    document = dict(policies.get_key_policies(who(session, "kms"), [arn(session, "root")])[arn(session, "root")])
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:Encrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "acme"}},
    }
    document["Statement"] = [*document["Statement"], statement]
    policies.put_key_policy(who(session, "kms"), arn(session, "root"), document)


def retarget_the_alias(session: Session) -> None:
    naming_keys(session, "kms").update_alias(who(session, "kms"), "alias/name", arn(session, "next"))


def remove_the_alias(session: Session) -> None:
    naming_keys(session, "kms").delete_alias(who(session, "kms"), "alias/name")


def revoke_the_grant(session: Session) -> None:
    grant = str(session.attributes(Address("Grant/job"))["id"])
    issuing_grants(session, "kms").revoke_grant(who(session, "kms"), arn(session, "root"), grant)


def change_in_the_key_store(statement: str) -> Callable[[Session], None]:
    def change(session: Session) -> None:
        (path,) = (session.settings.home / "softkms").rglob("eu-west-1*/*.db")
        with closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute(statement).rowcount == 1

    return change


def switch_the_cluster(session: Session) -> None:
    warehouse, root = warehouse_provider(session, "dwh"), Root(kind=RootKind.OWNED)
    warehouse.modify_encryption(who(session, "dwh"), "sales", root, progress=SILENT, token="behind")


def decrypt_the_cluster(session: Session) -> None:
    warehouse, root = warehouse_provider(session, "dwh"), Root(kind=RootKind.NONE)
    warehouse.modify_encryption(who(session, "dwh"), "sales", root, progress=SILENT, token="behind")


def switch_the_table(session: Session) -> None:
    table_provider(session, "tables").update_table_encryption(
        who(session, "tables"), "shop", "carts", None, token="behind"
    )


def delete_the_snapshot(session: Session) -> None:
    warehouse_provider(session, "dwh").delete_snapshot(who(session, "dwh"), "first")


def put_the_copy_under_another_root(session: Session) -> None:
    (path,) = (session.settings.home / "warehouse").rglob("us-east-1/keyring.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("UPDATE cek SET root_kind = 'owned'").rowcount == 1


def lock_the_key_abroad(session: Session) -> None:
    key_provider(session, "kms-us").disable_key(who(session, "kms-us"), arn(session, "abroad"))


def flip_a_segment(session: Session) -> None:
    for path in (session.settings.home / "warehouse").rglob("eu-west-1/data/*"):
        raw = bytearray(path.read_bytes())
        raw[0] ^= 1
        path.write_bytes(raw)


def leave_plaintext_about(session: Session) -> None:
    (folder,) = (session.settings.home / "warehouse").rglob("eu-west-1/data")
    path = folder / f"{'ab' * 16}.1"
    path.write_bytes(b"PAR1" + CANARY.encode())
    path.chmod(0o600)


def move_a_row(session: Session) -> None:
    (path,) = (session.settings.home / "tables").rglob("tables.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sealed_row SET row = randomblob(32)")


def open_the_home(session: Session) -> None:
    session.settings.home.chmod(0o755)


def open_a_file(session: Session) -> None:
    next(path for path in session.settings.home.rglob("keyring.db")).chmod(0o640)


def put_a_link_in(session: Session) -> None:
    os.symlink("/dev/null", session.settings.home / "link")


def forge_the_state(session: Session) -> None:
    with closing(sqlite3.connect(session.settings.state_path)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = next(name for name in tables if "journal" in name)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        text = "text" if "text" in columns else columns[-1]
        assert connection.execute(f"UPDATE {table} SET {text} = 'forged'").rowcount > 0  # noqa: S608  # names of our own


IN_CLEAR = "is declared to be under"
BELOW = ("Cluster/sales", "Snapshot/first", "Table/carts")  # what lies under Key/root
TAMPERINGS: dict[str, tuple[Callable[[Session], None], dict[str, str]]] = {
    # what is done, and for each subject that it breaks a word of what is said
    "the root is disabled": (
        disable_the_root,
        {"Key/root": "declared enabled, and is Disabled", "Alias/name": "disabled", **dict.fromkeys(BELOW, "disabled")},
    ),
    "a key waits for its deletion": (schedule_its_deletion, {"Key/next": "when it is destroyed"}),
    "a disabled key is enabled": (enable_a_disabled_key, {"Key/off": "declared disabled, and is Enabled"}),
    "a policy allows one action more": (widen_the_policy, {"KeyPolicy/root": "allows kms:Decrypt to " + SOMEBODY}),
    "a policy allows one action less": (narrow_the_policy, {"KeyPolicy/root": "denies kms:DescribeKey to " + SOMEBODY}),
    "a policy denies under one context": (deny_through_a_condition, {"KeyPolicy/root": "denies kms:Encrypt"}),
    "an alias leads elsewhere": (retarget_the_alias, {"Alias/name": "is declared to lead to"}),
    "an alias is gone": (remove_the_alias, {"Alias/name": "no key answers"}),
    "a grant is revoked": (revoke_the_grant, {"Grant/job": "is gone"}),
    "a grant allows another operation": (
        change_in_the_key_store("UPDATE grants SET operations = replace(operations, 'Encrypt', 'Decrypt') "
                                "WHERE subset LIKE '%\"a\"%'"),
        {"Grant/bound": "allows kms:Decrypt"},
    ),
    "a grant loses its constraint": (
        change_in_the_key_store("UPDATE grants SET subset = NULL WHERE subset LIKE '%\"a\"%'"),
        {"Grant/bound": "allows kms:Encrypt"},
    ),
    "a grant is somebody else's": (
        change_in_the_key_store("UPDATE grants SET grantee = replace(grantee, 'analyst', 'intern') "
                                "WHERE subset LIKE '%\"a\"%'"),
        {"Grant/bound": "does not allow kms:Encrypt"},
    ),
    "a cluster is under the owned key": (
        switch_the_cluster,
        {"Cluster/sales": IN_CLEAR, "Snapshot/first": IN_CLEAR},
    ),
    "a cluster is decrypted": (decrypt_the_cluster, {"Cluster/sales": "stored in clear"}),
    "a table is under the owned key": (switch_the_table, {"Table/carts": IN_CLEAR}),
    "a snapshot is gone": (delete_the_snapshot, {"Snapshot/first": "there is no snapshot"}),
    "a copy abroad is under another root": (
        put_the_copy_under_another_root,
        {"SnapshotCopy/copy": "is declared to be under arn:aws:kms:us-east-1"},
    ),
    "the key abroad is locked": (
        lock_the_key_abroad,
        {"Key/abroad": "Disabled", "SnapshotCopy/copy": "disabled", "SnapshotCopyGrant/inbound": "disabled"},
    ),
    "a block of a segment is changed": (
        flip_a_segment,
        {"Cluster/sales": "changed after it was written", "Snapshot/first": "changed after it was written"},
    ),
    "plaintext lies about": (leave_plaintext_about, {"Provider/dwh": "is in clear"}),
    "a row is moved": (move_a_row, {"Table/carts": "does not open"}),
    "the home is open to others": (open_the_home, {"Home": "its mode is 0755"}),
    "a file is open to others": (open_a_file, {"Home": "its mode is 0640"}),
    "a link stands in the home": (put_a_link_in, {"Home": "neither a file nor a folder"}),
    "the journal is forged": (forge_the_state, {"State": ""}),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "broken"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_each_tampering_breaks_the_proofs_of_what_it_touches(
    estate: Estate, tamper: Callable[[Session], None], broken: dict[str, str]
) -> None:
    with estate.world.session() as session:
        tamper(session)
    found = estate.failures()
    assert set(found) == set(broken)
    for subject, word in broken.items():
        assert any(word in (check.failure or "") for check in found[subject]), found[subject]
        assert all(check.result is Result.UNPROTECTED and check.fix for check in found[subject])
    count("verify", tamperings=1, found=1)


HIDING: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda secret: secret,
    "in hex": lambda secret: secret.hex().encode(),
    "in capital hex": lambda secret: secret.hex().upper().encode(),
    "in base64": base64.b64encode,
    "in base64, one byte later": lambda secret: base64.b64encode(b"x" + secret + b"yz"),
    "in base64, two bytes later": lambda secret: base64.urlsafe_b64encode(b"xx" + secret + b"y"),
    "in JSON": lambda secret: json.dumps({"attributes": {"dek": base64.b64encode(secret).decode()}}).encode(),
}
PLACES = {
    "the home": ".reconciler/left.log",
    "beside the state": ".reconciler/state.db.backup",
    "a saved plan": "my.plan",
}


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING.keys())
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_key_that_opens_data_is_found_in_any_file_of_ours(
    estate: Estate, hide: Callable[[bytes], bytes], place: str
) -> None:
    secret = estate.keys_opened()[1]
    path = estate.world.folder / place
    path.write_bytes(b"some words before " + hide(secret) + b" and some after")
    path.chmod(0o600)
    found = estate.failures()
    assert set(found) == {"Home"}
    (check,) = found["Home"]
    assert path.name in str(check.failure)
    assert secret.hex() not in str(check), "the report itself never shows it"
    count("verify", planted_secrets=1, secrets_found=1)


def test_a_value_that_lies_sealed_is_found_in_the_home_and_is_no_finding_where_it_comes_from(estate: Estate) -> None:
    path = estate.home / "left.log"
    path.write_text(f"loaded {CANARY}-0000 and more")
    path.chmod(0o600)
    assert [check.failure for check in estate.failures()["Home"]] == [
        f"{path} holds a value that is stored sealed, at byte 7"
    ]
    path.unlink()
    (estate.world.folder / "orders.csv").write_bytes((estate.world.folder / "data" / "orders.csv").read_bytes())
    assert estate.failures() == {}


def test_what_cannot_be_reached_is_unchecked_and_named(estate: Estate) -> None:
    manifest = estate.world.folder / "manifests" / "world.yaml"
    documents = manifest.read_text().split("---\n")
    kept = [one for one in documents if "provider: tables" not in one and "name: tables}" not in one]
    manifest.write_text("---\n".join(kept))
    found = estate.failures()
    assert set(found) == {"Table/carts", "Keyspace/shop", "Provider/tables"}
    for checks in found.values():
        assert all(check.result is Result.UNCHECKED and "Provider/tables" in str(check.failure) for check in checks)


def test_a_key_that_its_policy_keeps_from_whoever_runs_this_is_no_failure(estate: Estate) -> None:
    """Services use such a key; that they can is proved by what lies under it."""
    with estate.world.session() as session:
        statement: dict[str, Any] = {
            "Sid": "no direct use",
            "Effect": "Deny",
            "Principal": {"AWS": PLATFORM},
            "Action": ["kms:Encrypt", "kms:Decrypt"],
            "Resource": "*",
        }
        policies, key = holding_policies(session, "kms"), arn(session, "next")
        document = dict(policies.get_key_policies(who(session, "kms"), [key])[key])
        document["Statement"] = [*document["Statement"], statement]
        policies.put_key_policy(who(session, "kms"), key, document)
    with estate.world.session() as session:
        proofs = {proof.subject: proof for proof in estate.prove(session)}
    assert [check.what for check in proofs["Key/next"].checks] == [DENIED]


def test_the_keys_that_were_opened_are_wiped(estate: Estate, tmp_path: Path) -> None:
    with estate.world.session() as session:
        from reconciler.planning.verifying import watch

        witness = watch(session.reader.all(), is_full=True, tell=SILENT)
        estate.prove(session, witness)
        held = [key._material for key in witness.needles.keys]
        assert len(held) >= 6
        witness.needles.wipe()
        assert all(not any(material) for material in held)
        assert not witness.needles.keys


@pytest.mark.parametrize("days", [0, 31])
def test_a_key_that_an_apply_sent_away_is_proved_to_open_nothing(tmp_path: Path, days: int) -> None:
    world = World(tmp_path / "project")
    world.declare(provider() + document("Key", "kept") + document("Key", "gone", lifecycle="{preventDestroy: false}"))
    world.apply()
    world.declare(provider() + document("Key", "kept"))
    world.apply()
    world.clock.advance(days=days)
    with world.session() as session:
        rows = [session.reader.get(Address("Key/gone"))]
        (proof,) = proofs_of([row for row in rows if row is not None], session, watch((), is_full=False, tell=SILENT))
    assert [(check.what, check.failure) for check in proof.checks] == [(REFUSALS, None)]


def test_a_sealed_snapshot_of_a_cluster_that_was_decrypted_is_as_it_was_taken(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    for encryption in ("{enabled: false}", "{key: root}", "{enabled: false}"):  # the second makes a snapshot (RE10)
        cluster = document("Cluster", "sales", provider="dwh", encryption=encryption)
        world.declare(provider() + provider("dwh", "warehouse") + document("Key", "root") + cluster)
        world.apply()
    with world.session() as session:
        (taken,) = warehouse_provider(session, "dwh").describe_snapshots(who(session, "dwh"))
        rows = [row for row in session.reader.all() if row.address == "Cluster/sales"]
        (proof,) = proofs_of(rows, session, watch((), is_full=False, tell=SILENT))
    assert taken.root.kind is RootKind.KMS
    assert [check for check in proof.checks if check.result is not Result.PROVED] == []
