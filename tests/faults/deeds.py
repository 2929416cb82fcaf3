"""What somebody does to a small world behind its project's back, before it is changed."""

from __future__ import annotations

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, importing_material, key_provider, table_provider, warehouse_provider
from tests.outside_material import import_by_hand


def orders(session: Session) -> None:
    """Rows in the table."""
    rows = [{"id": 1, "at": at, "note": f"note {at}"} for at in range(3)]
    table_provider(session, "tb").put_rows(caller(session, "tb"), "shop", "orders", rows)


def pending(session: Session) -> None:
    """The key is scheduled for deletion by somebody else."""
    arn = str(session.attributes(Address("Key/k"))["arn"])
    key_provider(session, "kms").schedule_key_deletion(caller(session, "kms"), arn, waiting_days=7)


def emptied(session: Session) -> None:
    """The key's material was imported by hand, and is gone again; where it came from lies beside the project."""
    key = Address("Key/k")
    import_by_hand(session, key, session.project / "k.key")
    arn = str(session.attributes(key)["arn"])
    importing_material(session, "kms").delete_imported_key_material(caller(session, "kms"), arn)


def rotated_by_hand(session: Session) -> None:
    """Keys of the cluster and its snapshot are retired."""
    warehouse, who = warehouse_provider(session, "dw"), caller(session, "dw")
    for token in ("first", "second"):
        warehouse.rotate_encryption_key(who, "c", progress=lambda *_: None, token=token)


def unrecorded(session: Session) -> None:
    """The objects are there, and the state knows nothing of them."""
    session.store.acquire("test", timeout=0)
    session.store.settle((), gone=[row.address for row in session.reader.all()])
    session.store.release()
