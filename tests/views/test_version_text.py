"""What a bug report quotes."""

from __future__ import annotations

from reconciler.views.version_text import render_version


def test_the_version_names_what_it_runs_on_and_its_plugins() -> None:
    text = render_version("0.1.0", python="3.11.7", platform="Linux", plugins={"tables": "0.1.0", "softkms": "0.2.0"})
    assert text == "reconciler 0.1.0\npython 3.11.7 on Linux\n+ provider softkms 0.2.0\n+ provider tables 0.1.0\n"
