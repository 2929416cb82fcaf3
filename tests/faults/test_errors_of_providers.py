"""Every kind of operation with an error at each call of a provider, once and for ever, and of SQLite (T3, G3)."""

from __future__ import annotations

import pytest

from tests.amounts import amount
from tests.faults import erring
from tests.faults.killing import Prepared
from tests.faults.operations import CASES

EVERYWHERE = pytest.mark.parametrize("prepared", CASES, indirect=True)


@EVERYWHERE
def test_a_provider_that_fails_before_during_or_after_any_effect_costs_one_more_apply(prepared: Prepared) -> None:
    erring.fail_at_every_provider_call(prepared)


@EVERYWHERE
def test_a_statement_that_sqlite_gives_up_costs_one_more_apply(prepared: Prepared) -> None:
    erring.fail_at_sqlite_statements(prepared, stride=amount(80, 3))
