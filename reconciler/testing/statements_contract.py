"""What every warehouse that ``ExecutesStatements`` must do: inherit ``StatementsContract``, give it a ``world``.

Only what the protocol promises is asked: the words of messages and the forms of types are the plugin's.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, ConflictException, ReconcilerError
from reconciler.providers.data import ClusterRequest
from reconciler.providers.warehouse import ExecutesStatements, StatementFile, StatementResult
from reconciler.testing.warehouse_contract import OWNED, WarehouseWorld

MADE = "CREATE TABLE items (id int NOT NULL, name varchar(10))"
FILLED = "INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, NULL)"
REFUSED = (
    "INSERT INTO items VALUES (4, 'four'), (NULL, 'none')",
    "INSERT INTO items VALUES (4, 'four'), (5, 'far too long')",
    "INSERT INTO items SELECT id, 'x' FROM absent",
    "UPDATE items SET id = CAST(name AS int)",
    "CREATE TABLE items (id int)",
    "CREATE TABLE others AS SELECT CAST(name AS int) AS n FROM items",
    "COPY items FROM 'bad.csv'",
    "COPY items FROM 'absent.csv'",
    "DELETE FROM items; DROP TABLE items",
    'CREATE TABLE "../items" (id int)',
    "COPY items TO 'out.csv'",
    "SELECT * FROM read_csv('bad.csv')",
)


class StatementsContract:
    """The promises of ``ExecutesStatements``."""

    @pytest.fixture
    def statements(self, world: WarehouseWorld) -> Statements:
        """A cluster with a table of three rows."""
        request = ClusterRequest(name="sales", node_type="ra3.large", nodes=2, database="dev", root=OWNED)
        world.warehouse.create_cluster(world.user, request, token="create")
        sent = Statements(world)
        sent(MADE)
        sent(FILLED)
        return sent

    def test_it_says_that_it_does(self, world: WarehouseWorld) -> None:
        assert isinstance(world.warehouse, ExecutesStatements)

    def test_each_kind_says_how_many_rows_it_changed(self, statements: Statements) -> None:
        statements.file("more.csv", "id,name\n7,seven\n8,eight\n")
        for statement, verb, rows in (
            ("INSERT INTO items (id) VALUES (4)", "INSERT", 1),
            ("INSERT INTO items SELECT id + 10, name FROM items WHERE id < 3", "INSERT", 2),
            ("COPY items FROM 'more.csv'", "COPY", 2),
            ("UPDATE items SET name = 'x' WHERE id > 10", "UPDATE", 2),
            ("UPDATE items SET name = 'x' WHERE id > 99", "UPDATE", 0),
            ("DELETE FROM items WHERE id = 1", "DELETE", 1),
            ("CREATE TABLE others AS SELECT id FROM items WHERE id > 4", "CREATE TABLE AS", 4),
            ("TRUNCATE others", "TRUNCATE", None),
            ("DROP TABLE others", "DROP TABLE", None),
        ):
            done = statements(statement)
            assert (done.verb, done.rows_changed, done.answer) == (verb, rows, None), statement
        assert statements.ask("SELECT id, name FROM items ORDER BY id") == [
            *((2, "two"), (3, None), (4, None), (7, "seven"), (8, "eight"), (11, "x"), (12, "x")),
        ]

    def test_a_select_is_answered(self, statements: Statements) -> None:
        done = statements("SELECT count(*) AS n FROM items")
        assert done.verb == "SELECT"
        assert done.answer is not None
        assert (done.answer.columns, done.answer.rows) == (("n",), [(3,)])

    def test_the_same_call_again_changes_nothing_more(self, statements: Statements) -> None:
        first = statements("INSERT INTO items VALUES (4, 'four')", token="once")
        assert statements("INSERT INTO items VALUES (4, 'four')", token="once") == first
        assert statements.ask("SELECT count(*) FROM items") == [(4,)]
        with pytest.raises(ConflictException):
            statements("INSERT INTO items VALUES (5, 'five')", token="once")

    def test_what_is_refused_changes_nothing(self, statements: Statements) -> None:
        statements.file("bad.csv", "id,name\n9,nine\nten,ten\n")
        for statement in REFUSED:
            with pytest.raises(ReconcilerError) as refused:
                statements(statement)
            assert "\n" not in refused.value.summary, statement
            assert statements.ask("SELECT count(*), sum(id) FROM items") == [(3, 6)], statement
            assert [table.name for table in statements.tables()] == ["items"], statement

    def test_a_caller_of_another_account_is_refused(self, statements: Statements, world: WarehouseWorld) -> None:
        with pytest.raises(AccessDeniedException):
            statements("DROP TABLE items", caller=Caller(principal=world.user.principal, account="999999999999"))
        assert len(statements.tables()) == 1


class Statements:
    """Sends statements to the cluster of a world, each under a token of its own."""

    def __init__(self, world: WarehouseWorld) -> None:
        self._world = world
        self._sent = 0

    def __call__(self, statement: str, *, token: str | None = None, caller: Caller | None = None) -> StatementResult:
        self._sent += 1
        return cast(ExecutesStatements, self._world.warehouse).execute(
            caller or self._world.user,
            "sales",
            statement,
            open_file=self._find,
            token=token or f"statement-{self._sent}",
        )

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """A SELECT's rows."""
        return self._world.warehouse.select(self._world.user, "sales", statement).rows

    def tables(self) -> Any:
        """The cluster's tables, as it describes them."""
        return self._world.warehouse.describe_clusters(self._world.user, ["sales"])[0].tables

    def file(self, name: str, content: str) -> None:
        """A file that COPY may name."""
        (self._world.folder / name).write_text(content)

    def _find(self, path: str) -> StatementFile:
        file = self._world.folder / path
        if not file.is_file():
            raise ReconcilerError(f"there is no file {path}")
        return StatementFile(path=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
