"""The audit log: nothing that was answered is missing from it, whoever is killed when, and what is changed shows
(KM9, AU1, AU4)."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller, Origin
from reconciler.audit.query import AuditQuery
from reconciler.errors import AccessDeniedException, DryRunOperationException, HostError
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms, audit_chain, audit_log, audit_trail
from reconciler_softkms.audit_chain import NOTHING, digest, link
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION, Opened

CONTEXT = {"table": "orders"}
STRANGER = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/nobody", account=ACCOUNT)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "softkms" / ACCOUNT / REGION


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> str:
    return provider.create_key(caller, KeyRequest(), token="key").arn


def events(provider: SoftKms, **wanted: Any) -> list[dict[str, Any]]:
    return [event for _, event in provider.audit_events(query=AuditQuery(**wanted))]


def names(provider: SoftKms, **wanted: Any) -> list[str]:
    return [event["eventName"] for event in events(provider, **wanted)]


def spools(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


# --- batches and spools -----------------------------------------------------------------------------------------------


def test_a_use_is_in_the_spool_before_it_is_answered_and_in_the_log_before_it_is_read(
    provider: SoftKms, caller: Caller, key: str, folder: Path
) -> None:
    provider.encrypt(caller, key, b"x", CONTEXT)
    (spool,) = spools(folder)
    before = spool.stat().st_size
    provider.encrypt(caller, key, b"x", CONTEXT)
    assert spool.stat().st_size > before > 0
    assert names(provider)[-2:] == ["Encrypt", "Encrypt"]
    assert spool.stat().st_size == 0
    provider.close()
    assert spools(folder) == []


def test_a_change_carries_the_uses_before_it_into_the_log(
    provider: SoftKms, caller: Caller, key: str, folder: Path
) -> None:
    provider.encrypt(caller, key, b"x", CONTEXT)
    provider.disable_key(caller, key)
    with closing(sqlite3.connect(folder / "keys.db")) as store:
        kept = [
            name for (name,) in store.execute("SELECT name FROM audit JOIN audit_said USING (said) ORDER BY serial")
        ]
    assert kept == ["CreateKey", "Encrypt", "DisableKey"]


@pytest.mark.parametrize("asked", ["the log", "the store"])
def test_records_of_another_process_while_the_chain_is_followed_are_no_damage(
    opened: Opened, caller: Caller, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    one, other = opened(), opened()
    key = one.create_key(caller, KeyRequest(), token="key").arn
    followed = audit_chain.digest

    def meanwhile(said: audit_log.Said) -> bytes:
        if said[0] == "CreateKey":  # the first record is being followed, the end is read last
            monkeypatch.setattr(audit_chain, "digest", followed)
            other.update_key_description(caller, key, "changed meanwhile")
            assert other.check_audit_log() == (2, None)  # and it stands in the log
        return followed(said)

    one.check_audit_log()  # moves what is there into the log
    monkeypatch.setattr(audit_chain, "digest", meanwhile)
    if asked == "the log":
        assert one.check_audit_log() == (1, None)
    else:
        assert one.check_store().problems == ()
    assert names(one)[-1] == "UpdateKeyDescription"


def test_a_batch_moves_when_it_is_full_and_nothing_is_recorded_twice(
    provider: SoftKms, opened: Opened, caller: Caller, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "_MOST", 3)
    for number in range(7):
        provider.encrypt(caller, key, b"x", {"number": str(number)})
        if number == 4:
            assert len(events(opened(), event="Encrypt")) == 5, "another process reads what this one has not moved"
    seen = [event["requestParameters"]["encryptionContext"]["number"] for event in events(opened(), event="Encrypt")]
    assert seen == list("0123456")
    assert provider.check_audit_log() == (8, None)


def test_two_processes_at_once_have_one_chain(opened: Opened, caller: Caller) -> None:
    one, other = opened(), opened()
    key = one.create_key(caller, KeyRequest(), token="key").arn
    for number in range(20):
        for service in (one, other):
            service.encrypt(caller, key, b"x", {"number": str(number)})
        if number % 7 == 0:
            other.update_key_description(caller, key, str(number))
    one.close()
    assert len(events(other, event="encrypt")) == 40
    assert other.check_audit_log().broken is None


_WORKER = """
import sys
from pathlib import Path
from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import ProviderServices
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
home, account, region, principal, key = sys.argv[1:]
services = ProviderServices(name="kms", account=account, region=region, principal=principal, home=Path(home),
                            fs=OsFs(), clock=SystemClock(), random=SystemRandom())
kms, caller, number = SoftKms(SoftKmsConfig(), services, None), Caller(principal=principal, account=account), 0
while True:
    kms.encrypt(caller, key, b"x", {"third": str(number // 3)})  # so some records borrow the words of another
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


@pytest.mark.parametrize("answers", [1, 200, 900])
def test_every_answered_use_of_a_killed_process_is_in_the_log(
    provider: SoftKms, key: str, home: Path, folder: Path, answers: int
) -> None:
    arguments = [sys.executable, "-c", _WORKER, str(home), ACCOUNT, REGION, ADMINISTRATOR, key]
    paths = os.pathsep.join(str(path) for path in (Path(__file__).parents[2], Path(__file__).parents[3]))
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as worker:
        assert worker.stdout is not None
        answered = [int(worker.stdout.readline()) for _ in range(answers)]
        worker.send_signal(signal.SIGKILL)
        answered += [int(line) for line in worker.stdout.read().splitlines() if line]
    found = [
        int(event["requestParameters"]["encryptionContext"]["third"]) for event in events(provider, event="Encrypt")
    ]
    assert found[: len(answered)] == [number // 3 for number in answered]
    assert len(found) <= len(answered) + 1, "one may have been recorded and not answered"
    assert len(spools(folder)) <= 1, "the dead process's is gone"
    assert provider.check_audit_log().broken is None


def test_a_record_that_was_cut_short_is_dropped_and_one_that_was_changed_is_told(
    opened: Opened, caller: Caller, folder: Path
) -> None:
    first = opened()
    key = first.create_key(caller, KeyRequest(), token="key").arn
    for number in range(3):
        first.encrypt(caller, key, b"x", {"number": str(number)})
    (spool,) = spools(folder)
    content, name = spool.read_bytes(), spool.name
    first.close()
    for cut, left in ((len(content) - 5, 2), (len(content) // 2, 1)):
        (folder / f"{cut:032x}.spool").write_bytes(content[:cut])  # of another identity: nothing in it is right
        (folder / name).write_bytes(content[:cut])
        reader = opened()
        before = len(events(reader, event="Encrypt"))
        assert before >= 3 + left
        reader.close()
    told = events(opened(), event="DiscardAuditRecords")
    assert [event["eventType"] for event in told] == ["AwsServiceEvent"] * 2
    assert spools(folder) == []


def test_a_record_whose_words_somebody_took_out_is_told(opened: Opened, caller: Caller, folder: Path) -> None:
    first = opened()
    key = first.create_key(caller, KeyRequest(), token="key").arn
    first.encrypt(caller, key, b"x", CONTEXT)
    (spool,) = spools(folder)
    begins = spool.stat().st_size
    first.encrypt(caller, key, b"x", CONTEXT)
    content = spool.read_bytes()
    assert len(content) - begins < begins / 2, "it borrows them from the first"
    first.close()
    spool.write_bytes(content[begins:])
    (told,) = events(opened(), event="DiscardAuditRecords")
    assert told["requestParameters"]["spool"] == spool.stem
    assert spools(folder) == []


def test_a_full_disk_refuses_the_use_with_its_cause_and_the_next_goes_on(
    provider: SoftKms, opened: Opened, caller: Caller, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.encrypt(caller, key, b"x", {"number": "0"})
    write = os.write

    def full(handle: int, data: bytes) -> int:
        return write(handle, data[:7])  # the system took a part

    monkeypatch.setattr("reconciler.host.spool.os.write", full)
    with pytest.raises(HostError, match=r"audit log at .*: No space left on device"):
        provider.encrypt(caller, key, b"x", {"number": "refused"})
    monkeypatch.undo()
    provider.encrypt(caller, key, b"x", {"number": "1"})
    found = events(opened(), event="Encrypt")  # read from the spool by another process
    assert [event["requestParameters"]["encryptionContext"]["number"] for event in found] == ["0", "1"]


# --- the chain --------------------------------------------------------------------------------------------------------

ATTACKS: dict[str, str] = {
    "a record is changed": "UPDATE audit_said SET principal = 'arn:aws:iam::111122223333:role/other' WHERE said = 3",
    "a record is taken out": "DELETE FROM audit WHERE serial = 3",
    "what a record says is taken out": "DELETE FROM audit_said WHERE said = 3",
    "a record says what another says": "UPDATE audit SET said = 2 WHERE serial = 3",
    "the last record is cut off": "DELETE FROM audit WHERE serial = (SELECT max(serial) FROM audit)",
    "all records are gone": "DELETE FROM audit",
    "all records and their end are gone": "DELETE FROM audit; DELETE FROM audit_head",
    "the end is gone": "DELETE FROM audit_head",
    "the end is made up": "UPDATE audit_head SET mac = zeroblob(32)",
    "two records change places": "UPDATE audit SET serial = -1 WHERE serial = 2;"
    " UPDATE audit SET serial = 2 WHERE serial = 3; UPDATE audit SET serial = 3 WHERE serial = -1",
    "a record is put in": "INSERT INTO audit SELECT serial + 100, time, request_id, event_id, said, hash FROM audit"
    " WHERE serial = 2",
    "a refusal is made a success": "UPDATE audit_said SET error_code = NULL WHERE said = 5",
}


@pytest.fixture
def written(opened: Opened, caller: Caller, clock: ManualClock) -> str:
    kms = opened()
    key = kms.create_key(caller, KeyRequest(), token="key").arn
    for number in range(3):
        kms.encrypt(caller, key, b"x", {"number": str(number)})
    with pytest.raises(AccessDeniedException):
        kms.encrypt(STRANGER, key, b"x", CONTEXT)
    assert kms.check_audit_log() == (5, None)
    kms.close()
    clock.advance(hours=1)
    return key


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_changed_behind_the_logs_back_is_found_and_stays_found(
    opened: Opened, caller: Caller, folder: Path, written: str, attack: str
) -> None:
    with closing(sqlite3.connect(folder / "keys.db")) as store:
        store.executescript(ATTACKS[attack])
    assert opened().check_audit_log().broken is not None
    later = opened()
    later.encrypt(caller, written, b"x", CONTEXT)
    later.update_key_description(caller, written, "after it")
    assert later.check_audit_log().broken is not None, "going on does not hide it"


def test_the_log_of_a_region_whose_first_key_is_a_replica_is_whole(
    opened: Opened, caller: Caller, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now

    def later() -> datetime:
        clock.advance(milliseconds=1)
        return now()

    monkeypatch.setattr(clock, "now", later)
    kms = opened()
    key_id = kms.create_key(caller, KeyRequest(multi_region=True), token="key").key_id
    kms.replicate_key(caller, key_id, ReplicaRequest(region="us-east-1"))
    there = opened(region="us-east-1")
    assert names(there)[0] == "CreateKey"
    assert there.check_audit_log().broken is None


def test_each_byte_of_the_chain_counts(opened: Opened, folder: Path, written: str) -> None:
    own = ("time", "request_id", "event_id")
    said = ("name", "principal", "account", "key_arns", "parameters", "rest")
    assert written
    for column in (*own, *said):
        where = "audit WHERE serial = 2" if column in own else "audit_said WHERE said = 2"
        table, _, row = where.partition(" ")
        with closing(sqlite3.connect(folder / "keys.db")) as store:
            (before,) = store.execute(f"SELECT {column} FROM {where}").fetchone()  # noqa: S608  # of the lists above
            changed = (
                before + 1 if isinstance(before, int) else before[:-1] + (b"?" if isinstance(before, bytes) else "?")
            )
            store.execute(f"UPDATE {table} SET {column} = ? {row}", (changed,))  # noqa: S608  # of the lists above
            store.commit()
            assert opened().check_audit_log().broken is not None, column
            store.execute(f"UPDATE {table} SET {column} = ? {row}", (before,))  # noqa: S608  # of the lists above
            store.commit()
    assert opened().check_audit_log().broken is None


def test_the_chain_is_spelled_as_ever() -> None:
    """A vector: a store that was written once is checked for ever."""
    said = digest(("Encrypt", "arn", ACCOUNT, None, "key", '{"a":"b"}', None, None))
    assert link(NOTHING, (1, 1, bytes(16), bytes(range(16)), said)).hex() == VECTOR


def test_what_records_of_a_batch_say_alike_stands_once_and_each_is_told_whole(
    provider: SoftKms, caller: Caller, key: str, folder: Path
) -> None:
    for number in (1, 2, 1, 1, 2):
        provider.encrypt(caller, key, b"x", {"number": str(number)})
    told = events(provider, event="Encrypt")
    assert [event["requestParameters"]["encryptionContext"]["number"] for event in told] == ["1", "2", "1", "1", "2"]
    assert len({event["eventID"] for event in told} | {event["requestID"] for event in told}) == 10
    with closing(sqlite3.connect(folder / "keys.db")) as store:
        found = store.execute("SELECT said, (SELECT count(*) FROM audit a WHERE a.said = s.said) FROM audit_said s")
        assert dict(found.fetchall()) == {1: 1, 2: 3, 3: 2}


VECTOR = "fe02a8c72b3e796f8b77b39ce3ffa1e0418ac6fb233dcf278b393241c514cd3b"


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_a_record_tells_where_the_request_came_from_and_what_decided(
    provider: SoftKms, caller: Caller, key: str
) -> None:
    origin = Origin(
        address="192.0.2.7",
        user_agent="aws-cli/2",
        access_key_id="AKIDEXAMPLE",
        is_encrypted=True,
        request_id=bytes(16),
    )
    provider.encrypt(Caller(principal=ADMINISTRATOR, account=ACCOUNT, origin=origin), key, b"x", CONTEXT)
    last = events(provider)[-1]
    assert (last["sourceIPAddress"], last["userAgent"]) == ("192.0.2.7", "aws-cli/2")
    assert last["userIdentity"]["accessKeyId"] == "AKIDEXAMPLE"
    assert last["requestID"] == "00000000-0000-4000-8000-000000000000"
    (decision,) = last["additionalEventData"]["decisions"]
    assert (decision["action"], decision["effect"], decision["source"]) == ("kms:Encrypt", "allow", "identity-policy")


def test_a_denied_use_is_recorded_with_its_reason_and_the_grant_that_allows_with_its_id(
    provider: SoftKms, caller: Caller, key: str
) -> None:
    with pytest.raises(AccessDeniedException):
        provider.encrypt(STRANGER, key, b"x", CONTEXT)
    (denied,) = events(provider, denied=True)
    assert denied["errorCode"] == "AccessDenied"
    assert denied["additionalEventData"]["decisions"][0]["effect"] == "implicit-deny"
    assert denied["additionalEventData"]["decisions"][0]["reason"] in denied["errorMessage"]
    request = GrantRequest(key_id=key, grantee_principal=STRANGER.principal, operations=("Encrypt",))
    grant_id = provider.create_grant(caller, request).grant_id
    provider.encrypt(STRANGER, key, b"x", CONTEXT)
    assert names(provider, grant_id=grant_id) == ["CreateGrant", "Encrypt"]


def test_a_trial_is_recorded_as_one(provider: SoftKms, key: str) -> None:
    trial = Caller(principal=ADMINISTRATOR, account=ACCOUNT, dry_run=True)
    with pytest.raises(DryRunOperationException):
        provider.encrypt(trial, key, b"x", CONTEXT)
    last = events(provider)[-1]
    assert last["errorCode"] == "DryRunOperationException"
    assert last["additionalEventData"]["dryRun"] is True


QUERIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "by operation, in any case": ({"event": "encrypt"}, ["Encrypt", "Encrypt"]),
    "by a pair of the context": ({"context": {"table": "orders"}}, ["Encrypt", "Decrypt"]),
    "by two pairs": ({"context": {"table": "orders", "of": "shop"}}, []),
    "by principal": ({"principal": STRANGER.principal}, ["Encrypt"]),
    "what was denied": ({"denied": True}, ["Encrypt"]),
    "all parts must hold": ({"denied": True, "event": "Decrypt"}, []),
}


@pytest.mark.parametrize("what", QUERIES)
def test_what_is_asked_for_is_found_and_nothing_else(provider: SoftKms, caller: Caller, key: str, what: str) -> None:
    sealed = provider.encrypt(caller, key, b"x", CONTEXT)
    provider.decrypt(caller, sealed, CONTEXT)
    with pytest.raises(AccessDeniedException):
        provider.encrypt(STRANGER, key, b"x", {"table": "others"})
    wanted, found = QUERIES[what]
    assert names(provider, **wanted) == found
    assert names(provider, key_arns=(key,), **wanted) == found
    assert names(provider, key_arns=("arn:aws:kms:eu-west-1:111122223333:key/another",), **wanted) == []


# --- what nobody has changed ------------------------------------------------------------------------------------------

SHUT: dict[str, Callable[[SoftKms, Caller, str], object]] = {
    "the key is disabled": lambda kms, caller, key: kms.disable_key(caller, key),
    "its deletion is scheduled": lambda kms, caller, key: kms.schedule_key_deletion(caller, key, waiting_days=7),
    "its policy denies": lambda kms, caller, key: kms.put_key_policy(
        caller,
        key,
        {
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": ADMINISTRATOR}, "Action": "kms:*", "Resource": "*"},
                {"Effect": "Deny", "Principal": {"AWS": STRANGER.principal}, "Action": "kms:*", "Resource": "*"},
            ]
        },
    ),
    "the grant is revoked": lambda kms, caller, key: kms.revoke_grant(
        caller, key, kms.list_grants(caller, key)[0].grant_id
    ),
}


@pytest.mark.parametrize("by", ["this process", "another process"])
@pytest.mark.parametrize("how", SHUT)
def test_what_shuts_a_key_is_seen_by_the_very_next_request(opened: Opened, caller: Caller, how: str, by: str) -> None:
    kms, other = opened(), opened()
    key = kms.create_key(caller, KeyRequest(), token="key").arn
    request = GrantRequest(key_id=key, grantee_principal=STRANGER.principal, operations=("Encrypt",))
    kms.create_grant(caller, request)
    for _ in range(3):
        kms.encrypt(STRANGER, key, b"x", CONTEXT)
    SHUT[how](kms if by == "this process" else other, caller, key)
    with pytest.raises(Exception, match=r"disabled|pending deletion|not authorized"):
        kms.encrypt(STRANGER, key, b"x", CONTEXT)


def test_no_secret_is_in_log_or_spool(provider: SoftKms, caller: Caller, key: str, folder: Path) -> None:
    """Every operation of the wire is driven in ``test_secrets``; here the calls in process, spool and all."""
    secret = b"a plaintext that nobody may see"
    sealed = provider.encrypt(caller, key, secret, CONTEXT)
    made = provider.generate_data_key(caller, key, CONTEXT)
    again = provider.re_encrypt(caller, sealed, CONTEXT, key, {"other": "context"})
    provider.decrypt(caller, again, {"other": "context"})
    token = provider.create_grant(
        caller, GrantRequest(key_id=key, grantee_principal=STRANGER.principal, operations=("Encrypt",))
    ).grant_token
    provider.encrypt(caller, key, secret, CONTEXT)
    files = b"".join(path.read_bytes() for path in folder.iterdir() if "seal" not in path.name)
    log = json.dumps(events(provider)).encode()
    for hidden in (secret, bytes(made.plaintext.expose_key_bytes()), made.wrapped[54:], sealed[54:], token.encode()):
        assert hidden not in files
        assert hidden not in log
        assert hidden.hex().encode() not in log
