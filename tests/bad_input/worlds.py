"""The worlds that cases begin in, by name. Each is a function of the place; one that begins with another says so."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final
from unittest import mock

from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.state.sqlite_store import SqliteState
from tests.bad_input.place import Place
from tests.bad_input.running import run_here

PROVIDER: Final = """\
apiVersion: reconciler/v1alpha1
kind: Provider
metadata: {name: keys}
spec:
  plugin: softkms
  account: 111122223333
  region: eu-west-1
  principal: arn:aws:iam::111122223333:role/platform
"""
ORDERS: Final = """\
apiVersion: reconciler/v1alpha1
kind: Key
metadata: {name: orders}
spec:
  provider: keys
---
apiVersion: reconciler/v1alpha1
kind: Alias
metadata: {name: orders}
spec:
  provider: keys
  key: orders
"""
INVOICES: Final = """\
apiVersion: reconciler/v1alpha1
kind: Key
metadata: {name: invoices}
spec:
  provider: keys
"""

DATA: Final = f"""\
{PROVIDER.replace("keys", "house").replace("softkms", "warehouse")}---
{PROVIDER.replace("keys", "tables").replace("softkms", "tables")}---
apiVersion: reconciler/v1alpha1
kind: Key
metadata: {{name: orders}}
spec: {{provider: keys}}
---
apiVersion: reconciler/v1alpha1
kind: Cluster
metadata: {{name: shop}}
spec:
  provider: house
  encryption: {{key: orders}}
  tables: [{{name: orders, load: [data/orders.csv]}}]
---
apiVersion: reconciler/v1alpha1
kind: Keyspace
metadata: {{name: travel}}
spec: {{provider: tables}}
---
apiVersion: reconciler/v1alpha1
kind: Table
metadata: {{name: bookings}}
spec:
  provider: tables
  keyspace: travel
  schema:
    columns: [{{name: id, type: uuid}}, {{name: seat, type: text}}]
    partitionKey: [id]
  encryption: {{type: CUSTOMER_MANAGED_KMS_KEY, key: orders}}
"""

_ONCE: dict[str, Path] = {}


def make_world(names: tuple[str, ...], place: Place, keep: Callable[[str], Path]) -> None:
    """Everything that a case names, in its order. ``keep`` gives a folder that lives as long as the test run."""
    place.project.mkdir(parents=True)
    place.home.mkdir(mode=0o700)
    for name in names:
        if name in APPLIED:
            _copied(name, place, keep)
        else:
            WORLDS[name](place)


def _copied(name: str, place: Place, keep: Callable[[str], Path]) -> None:
    """Something applied: made once and copied."""
    if name not in _ONCE:
        made = Place(root=keep(name.replace(" ", "-")))
        made.project.mkdir()
        APPLIED[name](made)
        _reconciler(made, "apply", "--auto-approve")
        for each in made.root.rglob("*.db"):
            with closing(sqlite3.connect(each)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _ONCE[name] = made.root
    for folder in (place.project.name, place.home.name):
        shutil.copytree(_ONCE[name] / folder, place.root / folder, dirs_exist_ok=True)


def _reconciler(place: Place, *arguments: str) -> None:
    ran = run_here(arguments, place)
    assert ran.exit_code == 0, ran.stderr + ran.stdout


# --- manifests --------------------------------------------------------------------------------------------------------


def keys(place: Place) -> None:
    """A Provider for every key."""
    place.write("manifests/provider.yaml", PROVIDER)


def an_orders_key(place: Place) -> None:
    """One key under an alias."""
    keys(place)
    place.write("manifests/orders.yaml", ORDERS)


def data(place: Place) -> None:
    """A cluster with a loaded table, and a wide-column table, under one key."""
    keys(place)
    place.write("manifests/data.yaml", DATA)
    place.write("data/orders.csv", "id,city,amount\n1,Zanzibar,10\n2,Oslo,20\n")


def changed_data(place: Place) -> None:
    """The loaded file has another row now."""
    place.write("data/orders.csv", "id,city,amount\n1,Zanzibar,10\n2,Oslo,20\n3,Rome,30\n")


def one_more_table(place: Place) -> None:
    """A second table is declared, to be loaded from data/extra.csv."""
    wanted = "tables: [{name: orders, load: [data/orders.csv]}, {name: extra, load: [data/extra.csv]}]"
    place.write("manifests/data.yaml", DATA.replace("tables: [{name: orders, load: [data/orders.csv]}]", wanted))


def key_declared_disabled(place: Place) -> None:
    """The key that opens everything is declared disabled."""
    place.write("manifests/data.yaml", DATA.replace("spec: {provider: keys}", "spec: {provider: keys, enabled: false}"))


def keyspace_moved(place: Place) -> None:
    """The keyspace names another Provider than the one that it was made through."""
    second = PROVIDER.replace("keys", "more-tables").replace("softkms", "tables")
    place.write("manifests/more.yaml", second)
    moved = DATA.replace("spec: {provider: tables}", "spec: {provider: more-tables}")
    place.write("manifests/data.yaml", moved)


def orders_renamed(place: Place) -> None:
    """The key's manifest has another name, and says which it had."""
    renamed = ORDERS.replace("name: orders", "name: sales").replace("key: orders", "key: sales")
    place.write("manifests/orders.yaml", renamed.replace("provider: keys", "provider: keys\n  renamedFrom: orders"))


def one_more_key(place: Place) -> None:
    """A second key is declared."""
    place.write("manifests/invoices.yaml", INVOICES)


def too_large(place: Place) -> None:
    """A manifest of more than a mebibyte."""
    place.write("manifests/large.yaml", "# " + "x" * 1024 * 1024 + "\n")


def too_many_values(place: Place) -> None:
    """A document of more than 100,000 values."""
    head = "apiVersion: reconciler/v1alpha1\nkind: Key\nmetadata: {name: many}\nspec:\n  tags: ["
    place.write("manifests/many.yaml", head + "a," * 100_001 + "]\n")


def too_deep(place: Place) -> None:
    """A document that nests 65 levels deep."""
    place.write("manifests/deep.yaml", "apiVersion: reconciler/v1alpha1\nkind: " + "[" * 65 + "]" * 65 + "\n")


def link_out(place: Place) -> None:
    """A manifest and a policy that are links out of the project."""
    outside = place.root / "outside"
    outside.mkdir()
    (outside / "stolen.yaml").write_text(INVOICES)
    (outside / "policy.json").write_text('{"Statement": []}')
    (place.project / "manifests").mkdir(exist_ok=True)
    (place.project / "manifests" / "stolen.yaml").symlink_to(outside / "stolen.yaml")
    (place.project / "policy.json").symlink_to(outside / "policy.json")


def unreadable(place: Place) -> None:
    """A folder called like a manifest file, and a broken link."""
    (place.project / "manifests").mkdir(exist_ok=True)
    (place.project / "manifests" / "gone.yaml").symlink_to("nowhere.yaml")


def from_standard_input(place: Place) -> None:
    """A manifest with a mistake comes in through standard input."""
    place.stdin = INVOICES.replace("keys", "kees").encode()


# --- the state --------------------------------------------------------------------------------------------------------


def locked(place: Place) -> None:
    """Somebody is applying."""
    held = SqliteState(place.state, clock=SystemClock(), random=SystemRandom())
    held.acquire("apply --auto-approve", timeout=0)
    place.undo.callback(held.close)
    place.undo.callback(held.release)


def state_cut(place: Place) -> None:
    """The state lost its second half."""
    content = place.state.read_bytes()
    place.state.write_bytes(content[: len(content) // 2])


def state_scrambled(place: Place) -> None:
    """Bytes in the middle of the state changed."""
    content = bytearray(place.state.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    place.state.write_bytes(bytes(content))


def state_empty(place: Place) -> None:
    """Something truncated the state to nothing."""
    place.state.write_bytes(b"")


def state_is_text(place: Place) -> None:
    """A text lies where the state is."""
    place.state.parent.mkdir(exist_ok=True)
    place.state.write_text("lineage: 1\n" * 40)


def state_is_foreign(place: Place) -> None:
    """Another program's database lies where the state is."""
    place.state.unlink(missing_ok=True)
    place.state.parent.mkdir(exist_ok=True)
    _change(place.state, "CREATE TABLE theirs (a)")


def state_is_newer(place: Place) -> None:
    """A newer version wrote the state."""
    _change(place.state, "PRAGMA user_version=99")


def state_row_damaged(place: Place) -> None:
    """What the state records of one resource is no longer what was written."""
    _change(place.state, "UPDATE resource SET attributes = '{\"id\": ' WHERE address = 'Key/orders'")


def state_is_a_folder(place: Place) -> None:
    """A folder lies where the state is."""
    place.state.mkdir(parents=True)


def home_is_a_file(place: Place) -> None:
    """A file lies where the home is."""
    place.home.rmdir()
    place.home.write_text("not a folder\n")


def seal_missing(place: Place) -> None:
    """The project's seal was lost."""
    (place.home / "seal.key").unlink()


def seal_damaged(place: Place) -> None:
    """The project's seal was cut."""
    seal = place.home / "seal.key"
    seal.write_bytes(seal.read_bytes()[:20])


def seal_open_to_all(place: Place) -> None:
    """Everybody may read the project's seal."""
    (place.home / "seal.key").chmod(0o644)


# --- the key service --------------------------------------------------------------------------------------------------


def key_store_cut(place: Place) -> None:
    """The key store lost its second half."""
    store = place.key_store / "keys.db"
    content = store.read_bytes()
    store.write_bytes(content[: len(content) // 2])


def key_store_missing(place: Place) -> None:
    """The key store was lost, its seal key not."""
    (place.key_store / "keys.db").unlink()


def key_store_newer(place: Place) -> None:
    """A newer version wrote the key store."""
    _change(place.key_store / "keys.db", "PRAGMA user_version=99")


def seal_key_missing(place: Place) -> None:
    """The seal key of the key store was lost."""
    (place.key_store / "seal.key").unlink()


def seal_key_damaged(place: Place) -> None:
    """One byte of the seal key changed."""
    path = place.key_store / "seal.key"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))


def key_disabled(place: Place) -> None:
    """Somebody disabled the key behind our back."""
    _change(place.key_store / "keys.db", "UPDATE keys SET state = 'Disabled'")


def data_key_disabled(place: Place) -> None:
    """Somebody disabled the customer's key; the services' own are as they were."""
    _change(place.key_store / "keys.db", "UPDATE keys SET state = 'Disabled' WHERE owner IS NULL")


def key_gone(place: Place) -> None:
    """The key was destroyed behind our back."""
    for table in ("aliases", "grants", "materials", "keys"):
        _change(place.key_store / "keys.db", f"DELETE FROM {table}")  # noqa: S608  # names from the line above


# --- saved plans ------------------------------------------------------------------------------------------------------


def plan_saved(place: Place) -> None:
    """A plan for a second key, saved in plan.bin."""
    one_more_key(place)
    _reconciler(place, "plan", "--out", "plan.bin")


def plan_cut(place: Place) -> None:
    """The saved plan lost its second half."""
    plan = place.project / "plan.bin"
    content = plan.read_bytes()
    plan.write_bytes(content[: len(content) // 2])


def plan_tampered(place: Place) -> None:
    """One word of the saved plan was changed."""
    plan = place.project / "plan.bin"
    plan.write_bytes(plan.read_bytes().replace(b"invoices", b"invoicez"))


def plan_used(place: Place) -> None:
    """The saved plan was applied."""
    _reconciler(place, "apply", "plan.bin")


def plan_overtaken(place: Place) -> None:
    """Somebody else applied since the plan was saved."""
    _reconciler(place, "apply", "--auto-approve")


def plan_outdated(place: Place) -> None:
    """A manifest was changed since the plan was saved."""
    place.write("manifests/invoices.yaml", INVOICES + "  description: another\n")


def plan_expired(place: Place) -> None:
    """A plan that was saved long ago."""
    with mock.patch("reconciler.commands.saved_plan.VALID_FOR", timedelta(0)):
        plan_saved(place)


def plan_foreign(place: Place) -> None:
    """A plan of another project."""
    other = Place(root=place.root / "other")
    other.project.mkdir(parents=True)
    keys(other)
    plan_saved(other)
    shutil.copy(other.project / "plan.bin", place.project / "plan.bin")


def plan_newer(place: Place) -> None:
    """A plan that a newer version saved."""
    plan = place.project / "plan.bin"
    plan.write_bytes(plan.read_bytes().replace(b'"formatVersion": 1', b'"formatVersion": 9', 1))


# --- plugins ----------------------------------------------------------------------------------------------------------


def strangers(place: Place) -> None:
    """Installed plugins that are not ours: one that cannot be imported, one whose own code fails."""
    folder = place.root / "site"
    info = folder / "keysafe-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keysafe\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[reconciler.providers]\nkeysafe = keysafe:KeySafe\nbrittle = brittle:Brittle\n"
    )
    (folder / "keysafe.py").write_text("import keysafe_native\n")
    (folder / "brittle.py").write_text("raise RuntimeError('the vault is shut')\n")
    sys.path.insert(0, str(folder))
    place.undo.callback(sys.path.remove, str(folder))


def operator_permits(place: Place) -> None:
    """The operator permits the strangers."""
    folder = place.root / "user" / "config" / "reconciler"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "operator.yaml").write_text("plugins: [keysafe, brittle]\n")


def operator_file_open_to_all(place: Place) -> None:
    """The operator's file can be changed by everybody."""
    operator_permits(place)
    (place.root / "user" / "config" / "reconciler" / "operator.yaml").chmod(0o666)


# --- the machine ------------------------------------------------------------------------------------------------------


def small_files_only(place: Place) -> None:
    """The system lets no file grow beyond 8 KiB (a quota)."""
    limit = 8 * 1024
    place.limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def full_disk(place: Place) -> None:
    """Project and home lie on a disk with almost no space left: a real one, of this process alone."""
    script = f"""
        set -e
        mkdir {place.root}/disk
        mount -t tmpfs -o size=1m tmpfs {place.root}/disk
        cp -a {place.project} {place.home} {place.root}/disk/
        mount --bind {place.root}/disk/{place.project.name} {place.project}
        mount --bind {place.root}/disk/{place.home.name} {place.home}
        head -c 2m /dev/zero > {place.project}/filler 2>/dev/null || true
        truncate -s -8k {place.project}/filler
        cd {place.project}
        set +e
        "$@"
        code=$?
        cd /
        umount {place.project} {place.home}
        cp -a {place.root}/disk/{place.project.name}/. {place.project}/
        cp -a {place.root}/disk/{place.home.name}/. {place.home}/
        rm {place.project}/filler
        exit $code
    """
    place.prefix = ("unshare", "-rm", "bash", "-c", script, "bash")


def read_only(place: Place) -> None:
    """Project and home lie on a file system that is mounted for reading only."""
    script = f"""
        set -e
        for each in {place.project} {place.home}; do
            mount --bind $each $each
            mount -o remount,bind,ro $each
        done
        cd {place.project}
        "$@"
    """
    place.prefix = ("unshare", "-rm", "bash", "-c", script, "bash")


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


APPLIED: Final = {"applied": an_orders_key, "data applied": data}
_NO_WORLDS = {"make_world"}
WORLDS: Final = {
    name.replace("_", " "): function
    for name, function in list(globals().items())
    if callable(function)
    and getattr(function, "__module__", "") == __name__
    and not name.startswith("_")
    and name not in _NO_WORLDS
}
