"""Whoever was overtaken changes nothing in the table service's stores (I13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import LockHeld
from reconciler.providers.keys import KeyRequest
from reconciler.providers.tables import TableRequest
from reconciler.testing.fence_contract import NEWEST, STALE, FenceContract, FencedWorld, Writer, kept
from reconciler.testing.table_contract import ORDERS, ROWS
from reconciler_tables import Tables, dropping
from reconciler_tables.config import TablesConfig
from reconciler_tables.tests.worlds import Fixed, admin, services, soft_kms


class TestFencing(FenceContract):
    @pytest.fixture
    def fenced(self, folder: Path) -> Iterator[FencedWorld]:
        writer = Writer()
        kms = soft_kms(folder)
        tables = Tables(TablesConfig(), replace(services(folder, "tables"), fence=writer.now), Fixed(kms))
        user = admin()
        key = kms.create_key(user, KeyRequest(), token="k").arn
        request = TableRequest(keyspace="shop", name="orders", schema=ORDERS, key_arn=key)
        yield FencedWorld(
            provider=tables,
            writer=writer,
            folder=folder / "tables",
            calls={
                "create_keyspace": lambda: tables.create_keyspace(user, "shop", replication="single", token="s"),
                "create_table": lambda: tables.create_table(user, request, token="t"),
                "put_rows": lambda: tables.put_rows(user, "shop", "orders", ROWS),
                "update_table_encryption": lambda: tables.update_table_encryption(
                    user, "shop", "orders", None, token="u"
                ),
                "delete_table": lambda: tables.delete_table(user, "shop", "orders"),
                "delete_keyspace": lambda: tables.delete_keyspace(user, "shop"),
            },
            reads={
                "describe_keyspaces": lambda: tables.describe_keyspaces(user),
                "describe_tables": lambda: tables.describe_tables(user),
                "find_table": lambda: tables.find_table(user, token="t"),
                "key_uses": tables.key_uses,
                "held_grants": tables.held_grants,
                "plaintext_found": tables.plaintext_found,
                "list_dependents": lambda: tables.list_dependents(key),
            },
            elsewhere=frozenset({"clear_up", "get_rows", "list_accesses_to_adopt", "prove_table"}),  # three only look
        )
        tables.close()
        kms.close()

    def test_an_overtaken_process_clears_no_keys_away(
        self, fenced: FencedWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fenced.writer.fence = NEWEST
        tables = fenced.provider
        assert isinstance(tables, Tables)
        fenced.calls["create_keyspace"]()
        fenced.calls["create_table"]()
        with monkeypatch.context() as killed:
            killed.setattr(dropping, "_forget", lambda site, uid: None)  # before the keys went
            fenced.calls["delete_table"]()
        before = kept(fenced.folder)
        fenced.writer.fence = STALE
        with pytest.raises(LockHeld):
            tables.clear_up()
        assert kept(fenced.folder) == before
        fenced.writer.fence = NEWEST
        tables.clear_up()
        assert kept(fenced.folder) != before
