"""Settings of hypothesis for every test, and what the run did, told at its end.

There is no deadline, since a busy machine is no defect; a campaign has more examples of everything.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from tests import counts

settings.register_profile("default", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=2_000)
settings.load_profile("default")


class Bookkeeping:
    """Sums what the workers of pytest-xdist counted, and what this process did itself."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ledger = counts.Ledger()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test has ended; a worker's are told to the process that began the run."""
        self._ledger.add_phase(report.nodeid, report.duration, failed=report.failed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended."""
        self._ledger.add_figures(getattr(node, "workeroutput", {}).get("counts", {}))

    def pytest_sessionfinish(self) -> None:
        """A worker hands over what it counted."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["counts"] = counts.counted()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The sums, after everything else."""
        self._ledger.add_figures(counts.counted())
        terminalreporter.section("what this run did")
        for line in self._ledger.lines(counts.workers_of(self._config)):
            terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Have the run told at its end."""
    config.pluginmanager.register(Bookkeeping(config), "bookkeeping")
