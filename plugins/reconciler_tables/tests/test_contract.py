"""The embedded tables meet the contract of every TableProvider, with the software key service under them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.testing.table_contract import TableContract, TableWorld
from reconciler.testing.table_rows_contract import TableRowsContract
from reconciler_tables.tests.worlds import opened_world


class TestTables(TableContract, TableRowsContract):
    @pytest.fixture
    def world(self, folder: Path) -> Iterator[TableWorld]:
        with opened_world(folder) as world:
            yield world
