"""Every refusal of the loader with its exact text: the files in ``refusals/`` hold cases and what is said of them.

A case begins with ``=== `` and a sentence, then ``==> file`` lines with their content, then ``==<`` and the problems.
``pytest --update-golden`` writes what is said now; the difference is for review.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loading.places import BASE, problems, project, told

FOLDER = Path(__file__).parent / "refusals"
GROUPS = sorted(FOLDER.glob("*.txt"))
LEAST_CASES = 60


def cases(group: Path) -> list[tuple[str, dict[str, str]]]:
    """Each case's sentence and files."""
    found = []
    for block in re.split(r"^=== ", group.read_text(), flags=re.MULTILINE)[1:]:
        sentence, _, rest = block.partition("\n")
        given = rest.partition("==<\n")[0]
        parts = re.split(r"^==> (\S+)\n", given, flags=re.MULTILINE)[1:]
        found.append((sentence, dict(zip(parts[::2], parts[1::2], strict=True))))
    return found


@pytest.mark.parametrize("group", GROUPS, ids=lambda path: path.stem)
def test_each_problem_is_told_with_its_place(
    group: Path, tmp_path: Path, golden_file: Callable[[Path, str], None]
) -> None:
    text = ""
    for number, (sentence, files) in enumerate(cases(group)):
        found = problems(project(tmp_path / str(number), {"base.yaml": BASE, **files}))
        assert found, sentence
        assert all(problem.severity == "error" for problem in found)
        text += f"=== {sentence}\n" + "".join(f"==> {name}\n{content}" for name, content in files.items())
        text += f"==<\n{told(found)}\n"
    golden_file(group, text)


def test_there_are_enough_cases() -> None:
    assert sum(len(cases(group)) for group in GROUPS) >= LEAST_CASES
