"""A snapshot that nobody declares, and that stays when its cluster goes."""

from __future__ import annotations

from reconciler.commands.session import Session
from reconciler.providers.typed import caller, warehouse_provider


def meanwhile(session: Session) -> None:
    who = caller(session, "dw")
    warehouse_provider(session, "dw").create_snapshot(who, "people", "by-hand", retention_days=None, token="by-hand")
