"""What a person reads while apply works."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reconciler.errors import Diagnostic
from reconciler.host.pulse import Pulse
from reconciler.model import event as events
from reconciler.model.address import Address
from reconciler.views.apply_text import ApplyText, apply_line

KEY = Address("Key/analytics")
CLUSTER = Address("Cluster/sales")


class Screen:
    """An ApplyText over a list, with a clock that is set by hand."""

    def __init__(self, *, colour: bool = False) -> None:
        self.text = ""
        self.now = 0.0
        self.view = ApplyText(self._write, colour=colour, monotonic=lambda: self.now)

    def _write(self, text: str) -> None:
        self.text += text


def test_an_apply_as_a_person_reads_it(golden: Callable[[str, str], None]) -> None:
    screen = Screen()
    told: list[tuple[float, events.Event | None]] = [
        (0, events.ApplyStarted(plan_id="01J", operations=4, steps=6)),
        (0, events.Resumed(address=CLUSTER, step="load-flights", resolution="the load was whole; not repeated")),
        (0, events.OperationStarted(address=KEY, verb="create", reason="declared, and not there")),
        (0, events.StepStarted(address=KEY, step="create", summary="create the key", number=1, of=3)),
        (0, events.OperationStarted(address=CLUSTER, verb="load", reason="flights.csv is new")),
        (0, events.StepStarted(address=CLUSTER, step="load", summary="load flights.csv", number=1, of=1)),
        (0.1, events.StepFinished(address=KEY, step="create", serial=31, seconds=0.1)),
        (0.1, events.StepStarted(address=KEY, step="policy", summary="put its policy")),
        (4, events.StepProgress(address=CLUSTER, step="load", text="rows", done=50_000, total=336_776)),
        (12, events.StepProgress(address=CLUSTER, step="load", text="rows", done=120_000, total=336_776)),
        (13, None),
        (25, None),
        (75, events.StepFinished(address=CLUSTER, step="load", serial=32, seconds=75)),
        (75, events.OperationFinished(address=CLUSTER, verb="load", seconds=75)),
        (
            76,
            events.OperationFailed(
                address=KEY,
                verb="create",
                diagnostics=(
                    Diagnostic(
                        code="MalformedPolicyDocumentException",
                        summary="the policy would lock its author out",
                        file="manifests/keys.yaml",
                        line=7,
                        column=3,
                        path="spec.document",
                        suggestion="Allow kms:PutKeyPolicy to the caller.",
                    ),
                ),
            ),
        ),
        (99, None),
        (
            99,
            events.OperationSkipped(address=Address("Alias/analytics"), verb="create", because="Key/analytics failed"),
        ),
        (99, events.ApplyFinished(done=1, failed=1, skipped=1, serial=32)),
    ]
    for now, event in told:
        screen.now = now
        screen.view.still_running() if event is None else screen.view(event)
    golden("apply.txt", screen.text)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            events.ApplyFinished(done=12, failed=0, skipped=0, serial=34),
            "Apply complete: 12 operations done, 0 failed, 0 skipped (serial 34).",
        ),
        (
            events.ApplyFinished(done=1, failed=0, skipped=2, serial=9),
            "Apply incomplete: 1 operation done, 0 failed, 2 skipped (serial 9). The next apply takes it up.",
        ),
    ],
)
def test_the_last_line_says_whether_all_is_done(event: events.ApplyFinished, line: str) -> None:
    assert apply_line(event) == line


def test_a_quick_step_makes_one_line_and_its_progress_none() -> None:
    screen = Screen()
    screen.view(events.StepStarted(address=KEY, step="s", summary="create the key"))
    for done in range(100):
        screen.view(events.StepProgress(address=KEY, step="s", text="rows", done=done))
    screen.view(events.StepFinished(address=KEY, step="s", serial=1, seconds=0.04))
    assert screen.text == "Key/analytics: create the key … done (0.0 s)\n"


def test_an_event_of_a_later_version_is_passed_over() -> None:
    class Later(events.Event):
        pass

    screen = Screen()
    screen.view(Later())
    assert screen.text == ""


def test_a_failed_operation_is_no_longer_running() -> None:
    screen = Screen()
    screen.view(events.StepStarted(address=KEY, step="s", summary="create the key"))
    screen.view(events.OperationFailed(address=KEY, verb="create", diagnostics=()))
    screen.text, screen.now = "", 60
    screen.view.still_running()
    assert screen.text == ""


def test_colour_only_when_asked() -> None:
    plain, coloured = Screen(), Screen(colour=True)
    for screen in (plain, coloured):
        screen.view(events.StepFinished(address=KEY, step="s", serial=1, seconds=1))
    assert "\x1b" not in plain.text
    assert coloured.text.replace("\x1b[32m", "").replace("\x1b[0m", "") == plain.text


def test_the_pulse_beats_until_its_block_ends() -> None:
    beaten = threading.Event()
    before = threading.active_count()
    with Pulse(beaten.set, every=0.001):
        assert beaten.wait(5)
    assert threading.active_count() == before
    beaten.clear()
    assert not beaten.wait(0.02)
