"""Which plugin takes effect: ours, and those that the operator's file lists (CONTRACT 2)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, PathDistribution
from pathlib import Path

import pytest

from reconciler.errors import ProviderUnavailable
from reconciler.providers.discovery import DISTRIBUTION, GROUP, InstalledPlugins, load
from reconciler.providers.operator import Operator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path where the test puts packages."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("planted_"):
            del sys.modules[name]


def plant(site: Path, module: str, source: str) -> None:
    (site / f"{module}.py").write_text(source)


def packaged(site: Path, name: str, entry_points: str, requires: str = "") -> Distribution:
    """An installed package's metadata."""
    folder = site / f"{name.replace('-', '_')}-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{requires}")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{entry_points}")
    return PathDistribution(folder)


def entries(*distributions: Distribution) -> list[EntryPoint]:
    return [entry for each in distributions for entry in each.entry_points]


def plugins(
    built_ins: list[EntryPoint], others: list[EntryPoint] | None = None, listed: tuple[str, ...] = ()
) -> InstalledPlugins:
    operator = Operator(path=Path("/etc/operator.yaml"), plugins=frozenset(listed))
    return InstalledPlugins(lambda: operator, built_ins=lambda: built_ins, others=lambda: others or [])


def test_a_built_in_needs_no_permission_and_the_operators_file_is_not_even_read(site: Path) -> None:
    plant(site, "planted_soft", "class SoftKms: protocol = 'keys'\n")
    ours = packaged(site, DISTRIBUTION, "softkms = planted_soft:SoftKms\n")

    def unread() -> Operator:
        raise AssertionError("the operator's file was read")

    found = InstalledPlugins(unread, built_ins=lambda: entries(ours), others=list)
    assert found.find("softkms").__name__ == "SoftKms"
    assert found.names() == ["softkms"]


def test_a_strangers_plugin_runs_only_when_listed(site: Path) -> None:
    plant(site, "planted_other", "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass P: pass\n")
    theirs = entries(packaged(site, "their-plugins", "theirs = planted_other:P\n"))
    with pytest.raises(
        ProviderUnavailable, match=r'"theirs" is installed \(by their-plugins\) but not permitted'
    ) as no:
        plugins([], theirs).find("theirs")
    assert no.value.suggestion == "If you trust it, add it to plugins in /etc/operator.yaml."
    assert not (site / "ran").exists()
    assert plugins([], theirs, ("theirs",)).find("theirs").__name__ == "P"
    assert (site / "ran").exists()


def test_a_stranger_cannot_take_the_name_of_a_built_in(site: Path) -> None:
    plant(site, "planted_soft", "class SoftKms: pass\nclass Fake: pass\n")
    ours = entries(packaged(site, DISTRIBUTION, "softkms = planted_soft:SoftKms\n"))
    theirs = entries(packaged(site, "evil", "softkms = planted_soft:Fake\n"))
    assert plugins(ours, theirs, ("softkms",)).find("softkms").__name__ == "SoftKms"


def test_two_strangers_with_one_name_are_not_chosen_between(site: Path) -> None:
    theirs = entries(*(packaged(site, name, "vault = planted_x:P\n") for name in ("vault-a", "vault-b")))
    with pytest.raises(ProviderUnavailable, match="offered by several packages: vault-a, vault-b"):
        plugins([], theirs, ("vault",)).find("vault")


def test_an_unknown_plugin_lists_those_there_are(site: Path) -> None:
    ours = entries(packaged(site, DISTRIBUTION, "softkms = a:B\nwarehouse = c:D\n"))
    theirs = entries(packaged(site, "their", "vault = e:F\nhidden = g:H\n"))
    with pytest.raises(ProviderUnavailable, match='There is no plugin called "sofkms"') as unknown:
        plugins(ours, theirs, ("vault",)).find("sofkms")
    assert unknown.value.suggestion == "Did you mean softkms? Installed: softkms, vault, warehouse."


def test_with_nothing_installed_the_message_says_so() -> None:
    with pytest.raises(ProviderUnavailable) as unknown:
        plugins([]).find("softkms")
    assert unknown.value.suggestion == f"None is installed: is {DISTRIBUTION} itself?"


IMPORTS = {
    "a syntax error": ("class SoftKms(:\n", "SyntaxError: invalid syntax", "report this to its authors"),
    "an error of its own": ("raise RuntimeError('libfoo.so: version 7')\n", "RuntimeError: libfoo.so: version 7", ""),
    "no such class": ("", "AttributeError: module 'planted_soft' has no attribute 'SoftKms'", ""),
    "a missing optional package": (
        "import planted_arrow.dataset\n",
        "the Python module planted_arrow is not installed",
        "Install what it needs: pip install 'atrest-reconciler[warehouse]'.",
    ),
    "a missing package of no extra": (
        "import planted_gone\n",
        "the Python module planted_gone is not installed",
        "the package that has planted_gone, or atrest-reconciler again",
    ),
}


@pytest.mark.parametrize("case", IMPORTS.values(), ids=IMPORTS)
def test_a_plugin_that_cannot_be_imported_is_one_message(site: Path, case: tuple[str, str, str]) -> None:
    source, words, suggestion = case
    plant(site, "planted_soft", source)
    requires = 'Requires-Dist: planted-arrow; extra == "dev"\nRequires-Dist: planted-arrow>=20 ; extra == "warehouse"\n'
    (entry,) = packaged(site, DISTRIBUTION, "softkms = planted_soft:SoftKms\n", requires).entry_points
    with pytest.raises(ProviderUnavailable) as refused:
        load(entry)
    assert refused.value.summary.startswith(
        'The plugin "softkms" (planted_soft:SoftKms, by atrest-reconciler 1.2) cannot be used: '
    )
    assert words in refused.value.summary
    assert suggestion in (refused.value.suggestion or "")
    assert "Traceback" not in refused.value.summary


def test_metadata_is_not_searched_before_a_provider_is_needed() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import reconciler.providers.pool, reconciler.providers.discovery\n"
        "reconciler.providers.discovery.InstalledPlugins(lambda: None)\n"
        "print([name for name in ('importlib.metadata', 'pydantic', 'yaml', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
