"""Worlds of manifests, data files and saved plans."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Final
from unittest import mock

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


def reconciler(place: Place, *arguments: str) -> None:
    ran = run_here(arguments, place)
    assert ran.exit_code == 0, ran.stderr + ran.stdout


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


def one_more_table_of_parquet(place: Place) -> None:
    """A second table is declared, to be loaded from data/extra.parquet."""
    wanted = "tables: [{name: orders, load: [data/orders.csv]}, {name: extra, load: [data/extra.parquet]}]"
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


def plan_saved(place: Place) -> None:
    """A plan for a second key, saved in plan.bin."""
    one_more_key(place)
    reconciler(place, "plan", "--out", "plan.bin")


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
    reconciler(place, "apply", "plan.bin")


def plan_overtaken(place: Place) -> None:
    """Somebody else applied since the plan was saved."""
    reconciler(place, "apply", "--auto-approve")


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
