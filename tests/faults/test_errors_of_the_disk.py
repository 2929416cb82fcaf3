"""Every kind of operation with an error at each call of the disk, once and for ever (RELIABILITY T3, G3)."""

from __future__ import annotations

import pytest

from tests.faults import erring
from tests.faults.killing import Prepared
from tests.faults.operations import CASES


@pytest.mark.parametrize("prepared", CASES, indirect=True)
def test_a_disk_that_fails_anywhere_costs_one_more_apply(prepared: Prepared) -> None:
    erring.fail_at_every_disk_call(prepared)
