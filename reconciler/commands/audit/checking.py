"""``audit --check``: whether each log is what was written."""

from __future__ import annotations

from reconciler.commands import output
from reconciler.commands.audit.logs import Logs


def check_logs(logs: Logs, form: str) -> int:
    """Follow every chain and print what that shows; 3 when one is broken."""
    checked = {name: log.check_audit_log() for name, log in logs.by_provider.items()}
    if form == "json":
        from reconciler.views.audit_check import audit_check_document

        output.tell_json(audit_check_document(checked))
    else:
        from reconciler.views.audit_check import render_audit_check

        output.tell(render_audit_check(checked))
    return 3 if any(one.broken for one in checked.values()) else 0
