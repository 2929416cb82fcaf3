"""The plugin's README says where each thing is."""

from __future__ import annotations

import re
from pathlib import Path

PLUGIN = Path(__file__).resolve().parent.parent


def test_every_module_is_in_the_table_and_only_modules() -> None:
    _, table = (PLUGIN / "README.md").read_text("utf-8").split("## Where things are\n")
    named = re.findall(r"`([a-z_]+/?)`", "".join(re.findall(r"^\| (`.*?`) \|", table.split("\n## ")[0], re.MULTILINE)))
    modules = {path.stem for path in PLUGIN.glob("[a-z]*.py")}
    folders = {f"{path.parent.name}/" for path in PLUGIN.glob("*/__init__.py")} - {"tests/"}

    assert sorted(named) == sorted(modules | folders)
