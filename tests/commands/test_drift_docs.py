"""README and the model say the same of drift, and `drift --allow` of the README is a file that it takes."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.host.os_fs import OsFs
from reconciler.loading.allow_file import read_allow_file
from reconciler.model.drift import RULES
from tests.test_manifests import ROOT

README = (ROOT / "README.md").read_text()


def test_the_readme_has_a_row_for_each_class_that_says_what_the_model_says() -> None:
    rows = {
        row[0]: row[1:] for row in re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.+) \| (.+) \|$", README, re.MULTILINE)
    }

    for name, rule in RULES.items():
        assert rows.get(name) == (str(rule.severity), rule.means, rule.seen), name


def test_the_allow_file_of_the_readme_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(- class: .+?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "allow.yaml").write_text(text)
    (line,) = read_allow_file(OsFs(), tmp_path / "allow.yaml", "allow.yaml")

    assert (line.drift_class, line.address) == ("plaintext-snapshot", "Snapshot/before-*")
