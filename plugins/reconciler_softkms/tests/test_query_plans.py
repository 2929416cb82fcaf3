"""What one key costs does not grow with how many keys, aliases and grants there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.access.request import GrantTerms
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.testing.query_plans import begun_by, scans
from reconciler_softkms import SoftKms, grant_rows
from reconciler_softkms.tests.conftest import ACCOUNT, REGION, Opened

SERVICE = Caller(principal="cassandra.eu-west-1.amazonaws.com", account=ACCOUNT)
WRAP = ("GenerateDataKey", "Decrypt", "RetireGrant")


def request(key_id: str, context: dict[str, str]) -> GrantRequest:
    return GrantRequest(
        key_id=key_id,
        grantee_principal=SERVICE.principal,
        retiring_principal=SERVICE.principal,
        operations=WRAP,
        name=f"grant-{context['table']}",
        context_subset=context,
    )


CALLS: dict[str, Callable[[SoftKms, Caller, str], object]] = {
    "describe": lambda kms, caller, key: kms.describe_keys(caller, [key, "alias/orders"]),
    "find": lambda kms, caller, key: kms.find_key(caller, token="key"),
    "create": lambda kms, caller, key: kms.create_key(caller, KeyRequest(), token="another"),
    "rotate": lambda kms, caller, key: kms.rotate_key(caller, key, token="rotate"),
    "policies": lambda kms, caller, key: kms.get_key_policies(caller, [key]),
    "one alias": lambda kms, caller, key: kms.list_aliases(caller, ["alias/orders"]),
    "alias": lambda kms, caller, key: kms.create_alias(caller, "alias/more", key),
    "grants": lambda kms, caller, key: kms.list_grants(caller, key),
    "grant": lambda kms, caller, key: kms.create_grant(caller, request(key, {"table": "7"})),
    "use": lambda kms, caller, key: kms.generate_data_key(SERVICE, key, {"table": "1"}),
    "a page of grants": lambda kms, caller, key: kms.answer(caller, "ListGrants", {"KeyId": key, "Limit": 1}),
    "retirable": lambda kms, caller, key: kms.answer(
        caller, "ListRetirableGrants", {"RetiringPrincipal": SERVICE.principal}
    ),
    "revoke": lambda kms, caller, key: kms.revoke_grant(caller, key, "0" * 64),
    "more context": lambda kms, caller, key: kms.generate_data_key(SERVICE, key, {"table": "1", "row": "2"}),
    "owned": lambda kms, caller, key: kms.owned_key(SERVICE, SERVICE.principal),
    "delete": lambda kms, caller, key: kms.schedule_key_deletion(caller, key, waiting_days=7),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_call_about_one_reads_a_whole_table(
    opened: Opened, caller: Caller, home: Path, call: Callable[[SoftKms, Caller, str], object]
) -> None:
    kms = opened()
    key = kms.create_key(caller, KeyRequest(), token="key").key_id
    kms.create_alias(caller, "alias/orders", key)
    kms.create_grant(caller, request(key, {"table": "1"}))
    kms.close()
    store = home / "softkms" / ACCOUNT / REGION / "keys.db"
    assert scans(begun_by(lambda: call(opened(), caller, key)), [store], small=("seal", "audit_coming")) == {}


def test_a_service_with_many_grants_on_a_key_finds_its_own_at_once(
    provider: SoftKms, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = provider.create_key(caller, KeyRequest(), token="key").key_id
    for number in range(40):
        provider.create_grant(caller, request(key, {"table": str(number), "of": "shop"}))
    read: list[grant_rows.Row] = []
    terms = grant_rows.terms

    def counted(row: grant_rows.Row) -> GrantTerms:
        read.append(row)
        return terms(row)

    monkeypatch.setattr(grant_rows, "terms", counted)
    for number in (0, 20, 39):
        read.clear()
        provider.generate_data_key(SERVICE, key, {"of": "shop", "table": str(number)})
        assert len(read) == 1
    provider.generate_data_key(SERVICE, key, {"of": "shop", "table": "3", "more": "than the grant asks for"})


@pytest.mark.parametrize("more", [{}, {"statement": "7"}, {"statement": "7", "database": "dev"}])
def test_a_grantee_with_a_thousand_grants_finds_the_one_whose_constraint_is_a_part_of_its_context(
    provider: SoftKms, caller: Caller, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    key = provider.create_key(caller, KeyRequest(), token="key").key_id
    provider.create_grant(caller, request(key, {"table": "right"}))
    with provider._door.store.transaction() as connection:
        (row,) = connection.execute("SELECT * FROM grants").fetchall()
        for number in range(1_000):
            made = list(row)
            made[0], made[5], made[9] = f"{number:064x}", str(number), None
            made[6] = grant_rows.pairs_text({"table": str(number)})
            marks = ", ".join("?" * len(made))
            connection.execute(f"INSERT INTO grants VALUES ({marks})", made)  # noqa: S608 - only question marks
    read: list[grant_rows.Row] = []
    terms = grant_rows.terms

    def counted(row: grant_rows.Row) -> GrantTerms:
        read.append(row)
        return terms(row)

    monkeypatch.setattr(grant_rows, "terms", counted)
    provider.generate_data_key(SERVICE, key, {"table": "right", **more})
    assert len(read) == 1
