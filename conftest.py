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
        self._too_few: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test has ended; a worker's are told to the process that began the run."""
        self._ledger.add_phase(report.nodeid, report.duration, failed=report.failed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended."""
        self._ledger.add_figures(getattr(node, "workeroutput", {}).get("counts", {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker hands over what it counted; a run that did less than is due has failed."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["counts"] = counts.counted()
            return
        self._ledger.add_figures(counts.counted())
        is_narrowed = self._config.option.keyword or self._config.option.markexpr or self._config.option.maxfail
        self._too_few = [] if is_narrowed else list(self._ledger.too_few())
        if self._too_few:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The sums, after everything else."""
        terminalreporter.section("what this run did")
        for line in (*self._ledger.lines(counts.workers_of(self._config)), *self._too_few):
            terminalreporter.line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What forks goes first, while its worker is small; then long files, so that none is left over for one worker at
    the end."""
    items.sort(key=lambda item: counts.turn_of_file(item.nodeid.partition("::")[0]))


def pytest_configure(config: pytest.Config) -> None:
    """Have the run told at its end."""
    config.pluginmanager.register(Bookkeeping(config), "bookkeeping")
