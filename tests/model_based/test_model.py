"""Real worlds walk beside a model and stay equal to it (T6, G6)."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.amounts import amount
from tests.model_based.machine import Machine

WALKS, STEPS = 7, 30


def test_whatever_is_changed_killed_or_done_behind_our_back_nothing_is_lost() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=amount(WALKS, 5_000),
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
        ),
    )
