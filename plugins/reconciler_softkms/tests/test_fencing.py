"""Whoever was overtaken changes nothing in the key store (I13), and how far a state came is remembered there (I16)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.access.policy import default_key_policy
from reconciler.envelope.data_key import DataKey
from reconciler.errors import LockHeld, NotFoundException
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fence
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.providers.marks import Mark
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.fence_contract import NEWEST, STALE, FenceContract, FencedWorld, Writer, kept
from reconciler.testing.key_material_contract import FIRST, parameters, wrapped
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION

CONTEXT = {"a": "b"}
ELSEWHERE = "us-east-1"


def service(home: Path, writer: Writer) -> SoftKms:
    services = ProviderServices(
        name="kms",
        account=ACCOUNT,
        region=REGION,
        principal=ADMINISTRATOR,
        home=home,
        fs=OsFs(),
        clock=ManualClock(),
        random=SeededRandom(),
        fence=writer.now,
    )
    return SoftKms(SoftKmsConfig(), services, NoOther())


IDENTITY = {"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}


class Calls:
    """Each call of the software KMS, in an order in which each works."""

    def __init__(self, kms: SoftKms, caller: Caller) -> None:
        self.kms, self.caller = kms, caller
        self.key, self.sealed, self.grants = "", b"", list[str]()
        self.shared = self.external = ""
        self.import_token = self.wrapped = self.key_wrapped = b""

    def create_key(self) -> None:
        self.key = self.kms.create_key(self.caller, KeyRequest(), token="t").key_id
        self.shared = self.kms.create_key(self.caller, KeyRequest(multi_region=True), token="s").key_id
        self.external = self.kms.create_key(self.caller, KeyRequest(origin="EXTERNAL"), token="e").key_id

    def get_parameters(self) -> None:
        given = parameters(self.kms, self.caller, self.external)
        self.import_token, self.wrapped = given.import_token, wrapped(given, FIRST)

    def import_material(self) -> None:
        self.kms.import_key_material(
            self.caller, self.external, import_token=self.import_token, encrypted_material=self.wrapped
        )

    def wrap(self) -> None:
        with DataKey(FIRST) as key:
            self.key_wrapped = self.kms.wrap_key(self.caller, self.key, key, CONTEXT).wrapped

    def replicate(self) -> None:
        self.kms.replicate_key(self.caller, self.shared, ReplicaRequest(region=ELSEWHERE))

    def encrypt(self) -> None:
        self.sealed = self.kms.encrypt(self.caller, self.key, b"x", CONTEXT)

    def create_grant(self) -> None:
        request = GrantRequest(
            key_id=self.key, grantee_principal=ADMINISTRATOR, operations=("Decrypt", "RetireGrant"), name=None
        )
        self.grants.append(self.kms.create_grant(self.caller, request).grant_id)

    def table(self) -> dict[str, Any]:
        kms, caller = self.kms, self.caller
        return {
            "create_key": self.create_key,
            "encrypt": self.encrypt,
            "decrypt": lambda: kms.decrypt(caller, self.sealed, CONTEXT),
            "re_encrypt": lambda: kms.re_encrypt(caller, self.sealed, CONTEXT, self.key, {"c": "d"}),
            "wrap_key": self.wrap,
            "unwrap_key": lambda: kms.unwrap_key(caller, self.key, self.key_wrapped, CONTEXT),
            "generate_data_key": lambda: kms.generate_data_key(caller, self.key, CONTEXT),
            "update_key_description": lambda: kms.update_key_description(caller, self.key, "new"),
            "answer": lambda: kms.answer(caller, "GenerateDataKey", {"KeyId": self.key, "KeySpec": "AES_256"}),
            "disable_key": lambda: kms.disable_key(caller, self.key),
            "enable_key": lambda: kms.enable_key(caller, self.key),
            "tag_resource": lambda: kms.tag_resource(caller, self.key, {"a": "b"}),
            "untag_resource": lambda: kms.untag_resource(caller, self.key, ["a"]),
            "rotate_key": lambda: kms.rotate_key(caller, self.key, token="r"),
            "enable_key_rotation": lambda: kms.enable_key_rotation(caller, self.key, period_days=90),
            "disable_key_rotation": lambda: kms.disable_key_rotation(caller, self.key),
            "get_parameters_for_import": self.get_parameters,
            "import_key_material": self.import_material,
            "delete_imported_key_material": lambda: kms.delete_imported_key_material(caller, self.external),
            "replicate_key": self.replicate,
            "update_primary_region": lambda: kms.update_primary_region(caller, self.shared, region=ELSEWHERE),
            "create_alias": lambda: kms.create_alias(caller, "alias/a", self.key),
            "update_alias": lambda: kms.update_alias(caller, "alias/a", self.key),
            "delete_alias": lambda: kms.delete_alias(caller, "alias/a"),
            "put_key_policy": lambda: kms.put_key_policy(caller, self.key, default_key_policy(ACCOUNT)),
            "put_identity_policy": lambda: kms.put_identity_policy(caller, ADMINISTRATOR, "p", IDENTITY),
            "delete_identity_policy": lambda: kms.delete_identity_policy(caller, ADMINISTRATOR, "p"),
            "create_grant": self.create_grant,
            "retire_grant": lambda: kms.retire_grant(caller, self.key, self.grants[0]),
            "revoke_grant": self.revoke,
            "owned_key": lambda: kms.owned_key(Caller(principal="redshift.amazonaws.com", account=ACCOUNT), "redshift"),
            "raise_mark": lambda: kms.raise_mark("a state", Mark(token=1, serial=1)),
            "schedule_key_deletion": lambda: kms.schedule_key_deletion(caller, self.key, waiting_days=7),
            "cancel_key_deletion": lambda: kms.cancel_key_deletion(caller, self.key),
        }

    def revoke(self) -> None:
        if len(self.grants) == 1 and self.kms._door.store._who_writes() != STALE:
            self.create_grant()
        self.kms.revoke_grant(self.caller, self.key, self.grants[-1])


@pytest.fixture
def fenced(home: Path, caller: Caller) -> Iterator[FencedWorld]:
    writer = Writer()
    kms = service(home, writer)
    calls = Calls(kms, caller)
    yield FencedWorld(
        provider=kms,
        writer=writer,
        folder=home,
        calls=calls.table(),
        reads={
            "find_key": lambda: kms.find_key(caller, token="t"),
            "describe_keys": lambda: kms.describe_keys(caller, [calls.key]),
            "list_keys": lambda: kms.list_keys(caller),
            "list_aliases": lambda: kms.list_aliases(caller),
            "list_grants": lambda: kms.list_grants(caller, calls.key),
            "get_key_policies": lambda: kms.get_key_policies(caller, [calls.key]),
            "default_key_policy": kms.default_key_policy,
            "audit_events": lambda: list(kms.audit_events()),
            "check_audit_log": kms.check_audit_log,
            "mark": lambda: kms.mark("a state"),
            "check_readiness": kms.check_readiness,
            "describe_store": kms.describe_store,
            "key_uses": kms.key_uses,
            "operations": lambda: kms.operations,
            "get_identity_policies": lambda: kms.get_identity_policies(caller.principal),
            "list_identity_policies": lambda: kms.list_identity_policies(caller),
        },
        elsewhere=frozenset(
            {
                "reset_mark",  # breaks glass: see below
                *("reseal_store", "restore_store"),  # an operator's, under no lock: test_resealing, test_backups
                *("back_up_store", "check_backup", "check_store"),
            }
        ),
    )
    kms.close()


class TestFencing(FenceContract):
    def test_a_refusal_of_the_door_is_not_recorded_by_an_overtaken_process(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.calls["create_key"]()
        fenced.writer.fence = STALE
        before = kept(fenced.folder)
        kms = fenced.provider
        assert isinstance(kms, SoftKms)
        stranger = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/nobody", account=ACCOUNT)
        for refused in (
            lambda: kms.disable_key(stranger, "absent"),
            lambda: kms.encrypt(stranger, "absent", b"x", CONTEXT),
        ):
            with pytest.raises(LockHeld):
                refused()
        with pytest.raises(NotFoundException):  # looking is refused by the door, and nowhere else
            kms.list_grants(stranger, "absent")
        assert kept(fenced.folder) == before

    def test_breaking_glass_is_not_refused_and_leaves_a_record(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.calls["create_key"]()
        fenced.writer.fence = STALE
        kms = fenced.provider
        assert isinstance(kms, SoftKms)
        kms.reset_mark("a state", Mark(token=2, serial=5, head="ab"))
        assert kms.mark("a state") == Mark(token=2, serial=5, head="ab")
        last = list(kms.audit_events())[-1][1]
        assert last["eventName"] == "ResetStateMark"
        assert last["requestParameters"] == {"lineage": "a state", "token": 2, "serial": 5}

    def test_an_overtaken_process_writes_to_no_other_regions_store_either(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.calls["create_key"]()
        fenced.calls["replicate_key"]()
        kms = fenced.provider
        assert isinstance(kms, SoftKms)
        fenced.writer.fence = Fence("lineage", 8)
        kms.raise_fence()
        fenced.writer.fence = NEWEST
        before = kept(fenced.folder)
        with pytest.raises(LockHeld), kms._door.siblings.at(ACCOUNT, ELSEWHERE).store.transaction():
            pytest.fail("it was let in")
        assert kept(fenced.folder) == before
