"""The house's walls, checked on the source (STYLE "Who may import whom"; DESIGN 2).

Each rule takes the modules of a tree and answers with sentences, one for each breach. Each is also shown a planted
breach, so that a rule that could never fail is noticed.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ROWS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("views", "loading", "planning", "applying"),
    ("graph", "serving"),
    ("resources",),
    ("state", "providers", "project"),
    ("access", "audit", "envelope"),
    ("host",),
    ("model",),
    ("errors",),
)
ROW_OF = {name: number for number, names in enumerate(ROWS) for name in names}
PLUGINS_MAY_IMPORT = {"providers", "access", "audit", "envelope", "host", "model", "errors"}
ENGINES = ("pyarrow", "duckdb", "sqlglot", "pkcs11", "PyKCS11", "boto3", "botocore")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "tools", "shared", "lib", "stuff"}
LONGEST_MODULE = 400
LONGEST_CONTRACT = 500  # reconciler.testing: a suite is one table of sentences, and is read that way
LONGEST_FUNCTION = 60

# Who may reach the disk beside reconciler.host, and why.
DISK_EXCEPTIONS: Mapping[str, str] = {
    "reconciler.loading.files": "finds and reads manifests: the user's files, not ours",
    "reconciler.loading.beneath": "opens files that manifests name, part by part, so that no symlink leads out",
    "reconciler.resources.registry": "lists its own source folder",
    "reconciler.views.schemas": "reads the schemas that are shipped beside it",
    "reconciler_softkms.store": "asks whether its folder can be written: a read-only home still serves plan and drift",
}
CLOCK_EXCEPTIONS: Mapping[str, str] = {
    "reconciler.loading.beneath": "compares the kernel's file times with the kernel's clock",
}
DISK_MODULES = {"shutil", "tempfile", "mmap", "dbm", "shelve"}
OS_CALLS = {
    *("open", "read", "write", "pread", "preadv", "pwrite", "fsync", "fdatasync", "close", "truncate", "ftruncate"),
    *("remove", "unlink", "rename", "replace", "link", "symlink", "mkdir", "makedirs", "rmdir"),
    *("listdir", "scandir", "walk", "stat", "lstat", "access", "chmod", "chown", "utime"),
}
PATH_CALLS = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob"),
    *("is_file", "rmdir", "lstat"),
}
PATH_CALLS_WITHOUT_ARGUMENT = {"exists", "touch", "unlink", "mkdir", "stat", "open", "is_symlink"}
CLOCKS_AND_DICE = {
    *("time.time", "time.time_ns", "time.sleep", "datetime.now", "datetime.utcnow", "datetime.datetime.now"),
    *("os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"),
}
WAREHOUSE = "reconciler_warehouse"
# What other folders of the plugin these may import; the rest import as they need.
WAREHOUSE_FOLDERS: Mapping[str, set[str]] = {
    "segment_store": set(),
    "blocks": {"segment_store"},
    "keys": set(),
    "proofs": {"blocks", "keys"},
}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file. ``name`` is dotted; ``top`` its first part."""

    path: Path
    name: str
    is_package: bool
    source: str
    tree: ast.Module

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """The name below ``reconciler`` that has a row: ``reconciler.model.plan`` → ``model``."""
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def kind(self) -> str:
        """The kind's folder, empty for what the kinds share."""
        return kind_of(self.name) if self.is_package or self.name.count(".") > 2 else ""

    @property
    def is_core(self) -> bool:
        return self.top == "reconciler" and self.part != "testing"

    @property
    def is_test(self) -> bool:
        return ".tests." in f"{self.name}." or self.part == "testing"

    def imports(self) -> Iterator[str]:
        """Every module named by an import, wherever it stands: deferred and TYPE_CHECKING ones count too."""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*start, *([node.module] if node.module else [])])
                # ``from reconciler import host`` names a module; ``from reconciler.host import x`` may name one too.
                yield from (f"{module}.{alias.name}" for alias in node.names)


def kind_of(name: str) -> str:
    parts = name.split(".")
    return parts[2] if parts[:2] == ["reconciler", "resources"] and len(parts) > 2 else ""


def modules(root: Path) -> list[Module]:
    """Every source file of the core and of the plugins below ``root``."""
    found = []
    for base, folder in ((root, root / "reconciler"), (root / "plugins", root / "plugins")):
        for path in sorted(folder.rglob("*.py")):
            source = path.read_text("utf-8")
            parts = path.relative_to(base).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found.append(Module(path.relative_to(root), name, is_package, source, ast.parse(source)))
    return found


def known_kinds(tree: list[Module]) -> set[str]:
    return {kind_of(module.name) for module in tree if module.is_package and kind_of(module.name)}


def imports_of_the_core(module: Module) -> Iterator[tuple[str, str]]:
    """``(part, whole name)`` of each import of ``reconciler.…``."""
    for name in module.imports():
        parts = name.split(".")
        if parts[0] == "reconciler" and len(parts) > 1 and (parts[1] in ROW_OF or parts[1] == "testing"):
            yield parts[1], name


def each_row_imports_only_rows_below(tree: list[Module]) -> Iterator[str]:
    for module in tree:
        if not module.is_core or not module.part:
            continue
        if module.part not in ROW_OF:
            yield f"{module.path}: {module.part} stands on no row; give it one in ROWS and in the README"
            continue
        for part, name in imports_of_the_core(module):
            if part in ROW_OF and part != module.part and ROW_OF[part] <= ROW_OF[module.part]:
                where = "beside" if ROW_OF[part] == ROW_OF[module.part] else "above"
                yield f"{module.path} imports {name}, which stands {where} it"


def the_package_itself_imports_nothing(tree: list[Module]) -> Iterator[str]:
    """``import reconciler`` must cost nothing and can then be imported from every row."""
    for module in tree:
        if module.name == "reconciler":
            yield from (f"{module.path} imports {name}" for name in module.imports() if "__future__" not in name)


def kinds_do_not_import_each_other(tree: list[Module]) -> Iterator[str]:
    kinds = known_kinds(tree)
    for module in tree:
        if module.part != "resources":
            continue
        for name in module.imports():
            other = kind_of(name)
            if other in kinds and other != module.kind:
                yield f"{module.path} imports {name}: kinds refer to each other by address"


def nobody_outside_tests_imports_testing(tree: list[Module]) -> Iterator[str]:
    for module in tree:
        if not module.is_test:
            yield from (
                f"{module.path} imports {name}" for part, name in imports_of_the_core(module) if part == "testing"
            )


def only_envelope_imports_cryptography(tree: list[Module]) -> Iterator[str]:
    """In the core; plugins may, for what they alone need (the RSA leg of SC4)."""
    for module in tree:
        if module.is_core and module.part != "envelope":
            for name in module.imports():
                if name.split(".")[0] == "cryptography":
                    yield f"{module.path} imports {name}"


def the_core_imports_no_plugin_and_no_engine(tree: list[Module]) -> Iterator[str]:
    plugins = {module.top for module in tree if module.path.parts[0] == "plugins"}
    for module in tree:
        if module.top == "reconciler":
            for name in module.imports():
                if name.split(".")[0] in plugins | set(ENGINES):
                    yield f"{module.path} imports {name}"


def plugins_import_only_their_protocols_and_below(tree: list[Module]) -> Iterator[str]:
    for module in tree:
        if module.path.parts[0] == "plugins" and not module.is_test:
            for part, name in imports_of_the_core(module):
                if part not in PLUGINS_MAY_IMPORT:
                    yield f"{module.path} imports {name}"


def plugins_do_not_import_each_other(tree: list[Module]) -> Iterator[str]:
    plugins = {module.top for module in tree if module.path.parts[0] == "plugins"}
    for module in tree:
        if module.path.parts[0] == "plugins" and not module.is_test:
            for name in module.imports():
                if name.split(".")[0] in plugins - {module.top}:
                    yield f"{module.path} imports {name}"


def folders_of_the_warehouse_know_only_those_below(tree: list[Module]) -> Iterator[str]:
    """Beside what every module of the plugin may import."""
    prefix = f"{WAREHOUSE}."
    folders = {module.name.split(".")[1] for module in tree if module.is_package and module.name.startswith(prefix)}
    folders |= set(WAREHOUSE_FOLDERS)
    for module in tree:
        folder = module.name.removeprefix(prefix).split(".")[0] if module.name.startswith(prefix) else ""
        for name in module.imports() if folder in WAREHOUSE_FOLDERS and not module.is_test else ():
            found = name.removeprefix(prefix).split(".")[0] if name.startswith(prefix) else ""
            if found in folders - WAREHOUSE_FOLDERS[folder] - {folder}:
                yield f"{module.path} imports {name}"


def only_host_reaches_the_disk(tree: list[Module]) -> Iterator[str]:
    """Elsewhere bulk files go through ``Fs`` and metadata through ``reconciler.host.sqlite``."""
    for module in tree:
        if not module.is_test and module.part != "host" and module.name not in DISK_EXCEPTIONS:
            yield from reaches_the_disk(module)


def reaches_the_disk(module: Module) -> Iterator[str]:
    for name in module.imports():
        if name.split(".")[0] in DISK_MODULES or name in {f"os.{call}" for call in OS_CALLS} | {"sqlite3.connect"}:
            yield f"{module.path} imports {name}"
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call) and (what := disk_call(call)):
            yield f"{module.path}:{call.lineno} calls {what}"


def only_host_asks_for_time_or_chance(tree: list[Module]) -> Iterator[str]:
    """Elsewhere ``Clock`` and ``Random`` are handed in, so that tests can choose them."""
    for module in tree:
        if not module.is_test and module.part != "host" and module.name not in CLOCK_EXCEPTIONS:
            yield from asks_for_time_or_chance(module)


def asks_for_time_or_chance(module: Module) -> Iterator[str]:
    for name in module.imports():
        if name.split(".")[0] in {"random", "secrets"} or name in CLOCKS_AND_DICE:
            yield f"{module.path} imports {name}"
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in CLOCKS_AND_DICE:
            yield f"{module.path}:{call.lineno} calls {ast.unparse(call.func)}()"


def disk_call(call: ast.Call) -> str | None:
    """How a call reaches the disk; None when it does not. ``fs.open(path)`` and its like take a path and are fine."""
    function = call.func
    if isinstance(function, ast.Name):
        return "open()" if function.id == "open" else None
    if not isinstance(function, ast.Attribute):
        return None
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if owner in {"os", "io"} and function.attr in OS_CALLS:
        return f"{owner}.{function.attr}()"
    if owner == "sqlite3" and function.attr == "connect":
        return "sqlite3.connect()"
    if function.attr in PATH_CALLS or (function.attr in PATH_CALLS_WITHOUT_ARGUMENT and opens_itself(call)):
        return f".{function.attr}()"
    return None


def opens_itself(call: ast.Call) -> bool:
    """Whether the object is itself the path: no argument, or a file mode."""
    return not call.args or (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str | int))


def there_are_no_drawer_files(tree: list[Module]) -> Iterator[str]:
    for module in tree:
        if module.name.rpartition(".")[2] in DRAWERS:
            yield f"{module.path}: a function lives with its noun, not in a drawer"


def modules_and_functions_stay_short(tree: list[Module]) -> Iterator[str]:
    for module in tree:
        if ".tests." in module.name:
            continue
        most = LONGEST_CONTRACT if module.part == "testing" else LONGEST_MODULE
        if (lines := module.source.count("\n")) > most:
            yield f"{module.path} has {lines} lines; {most} is the most"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{module.path}:{node.lineno} {node.name} has {length} lines; {LONGEST_FUNCTION} is the most"


Rule = Callable[[list[Module]], Iterator[str]]

# Each rule beside files that break it once each.
PLANTED: Mapping[Rule, Mapping[str, str]] = {
    each_row_imports_only_rows_below: {
        "reconciler/model/x.py": "from reconciler.planning import planner\n",
        "reconciler/views/x.py": "def f():\n    from reconciler import loading\n",
        "reconciler/access/x.py": "if TYPE_CHECKING:\n    import reconciler.envelope.seal\n",
        "reconciler/novelty/x.py": "",
    },
    the_package_itself_imports_nothing: {"reconciler/__init__.py": "from reconciler.errors import UsageError\n"},
    kinds_do_not_import_each_other: {
        "reconciler/resources/alias/diff.py": "from reconciler.resources.key.spec import KeySpec\n",
        "reconciler/resources/grant/diff.py": "from ..key import spec\n",
        "reconciler/resources/kind.py": "import reconciler.resources.key.diff\n",
    },
    nobody_outside_tests_imports_testing: {
        "reconciler/host/x.py": "from reconciler.testing.fakes import FakeClock\n",
        "plugins/reconciler_x/y.py": "import reconciler.testing\n",
    },
    only_envelope_imports_cryptography: {
        "reconciler/state/x.py": "from cryptography.hazmat.primitives import hashes\n",
    },
    the_core_imports_no_plugin_and_no_engine: {
        "reconciler/planning/x.py": "import duckdb\n",
        "reconciler/testing/x.py": "from reconciler_x import provider\n",
    },
    plugins_import_only_their_protocols_and_below: {
        "plugins/reconciler_x/y.py": "from reconciler.state.store import StateReader\n",
        "plugins/reconciler_x/z.py": "from reconciler import resources\n",
    },
    plugins_do_not_import_each_other: {"plugins/reconciler_x/y.py": "import reconciler_other.blob\n"},
    folders_of_the_warehouse_know_only_those_below: {
        "plugins/reconciler_warehouse/keys/x.py": "from reconciler_warehouse.changes import rotation\n",
        "plugins/reconciler_warehouse/blocks/x.py": "import reconciler_warehouse.changes.rotation\n",
        "plugins/reconciler_warehouse/proofs/x.py": "from reconciler_warehouse.changes import rotation\n",
    },
    only_host_reaches_the_disk: {
        "reconciler/loading/a.py": "open('x')\n",
        "reconciler/loading/b.py": "import os\nos.unlink(p)\n",
        "reconciler/loading/c.py": "p.write_text('')\n",
        "reconciler/loading/d.py": "p.open('rb')\n",
        "plugins/reconciler_x/e.py": "import sqlite3\nsqlite3.connect(':memory:')\n",
        "plugins/reconciler_x/f.py": "from os import rename\n",
        "plugins/reconciler_x/g.py": "import tempfile\n",
    },
    only_host_asks_for_time_or_chance: {
        "reconciler/applying/a.py": "from datetime import datetime\ndatetime.now()\n",
        "reconciler/applying/b.py": "import time\ntime.sleep(1)\n",
        "reconciler/model/c.py": "import random\n",
        "plugins/reconciler_x/d.py": "from uuid import uuid4\n",
    },
    there_are_no_drawer_files: {"plugins/reconciler_x/utils.py": ""},
    modules_and_functions_stay_short: {
        "reconciler/graph/a.py": "x = 1\n" * 401,
        "reconciler/testing/a.py": "x = 1\n" * 501,
        "reconciler/graph/b.py": "def f():\n" + "    x = 1\n" * 60,
    },
}
ALLOWED = {
    "reconciler/__main__.py": "from reconciler.cli import main\n",
    "reconciler/cli.py": "from reconciler import __version__\nfrom reconciler.commands import plan\n",
    "reconciler/testing/fakes.py": "from reconciler.planning import planner\nopen('x')\n",
    "reconciler/resources/key/__init__.py": "from reconciler.resources.key.spec import KeySpec\n",
    "reconciler/resources/key/spec.py": "from reconciler.resources.kind import ResourceKind\nfrom . import diff\n",
    "reconciler/envelope/seal.py": "from cryptography.hazmat.primitives import hashes\n",
    "reconciler/host/os_fs.py": "import os\nos.open('x', 0)\n",
    "plugins/reconciler_x/provider.py": "import pyarrow\nfrom reconciler.providers import keys\nfs.open(path)\n",
    "plugins/reconciler_x/tests/test_contract.py": "from reconciler.testing import fakes\nimport reconciler_other\n",
    "plugins/reconciler_other/__init__.py": "",
    "plugins/reconciler_warehouse/changes/__init__.py": "from reconciler_warehouse.keys import roots\n",
    "plugins/reconciler_warehouse/keys/__init__.py": "from reconciler_warehouse.site import Site\n",
    "plugins/reconciler_warehouse/proofs/__init__.py": "from reconciler_warehouse.keys import roots\n",
}


@cache
def house() -> list[Module]:
    """The real tree, parsed once."""
    return modules(ROOT)


def plant(root: Path, files: Mapping[str, str]) -> list[Module]:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return modules(root)


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(house())) == []


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_rule_finds_a_planted_breach_and_nothing_else(rule: Rule, tmp_path: Path) -> None:
    assert list(rule(plant(tmp_path, ALLOWED))) == []
    breaches = list(rule(plant(tmp_path, PLANTED[rule])))
    assert len(breaches) == len(PLANTED[rule])
    for path in PLANTED[rule]:
        assert any(breach.startswith(path) for breach in breaches), path


def test_the_median_module_stays_near_a_hundred_lines(record_property: Callable[[str, object], None]) -> None:
    lengths = [module.source.count("\n") for module in house() if not module.is_test and module.source.strip()]
    median = statistics.median(lengths)
    record_property("median module length", median)
    print(f"{len(lengths)} modules, median {median:.0f} lines, longest {max(lengths)}")  # noqa: T201  # shown by -rP
    assert median <= 150


def test_every_exception_still_needs_to_be_one() -> None:
    by_name = {module.name: module for module in house()}
    assert [name for name in DISK_EXCEPTIONS if not list(reaches_the_disk(by_name[name]))] == []
    assert [name for name in CLOCK_EXCEPTIONS if not list(asks_for_time_or_chance(by_name[name]))] == []
