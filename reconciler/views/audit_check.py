"""Whether the audit logs are what was written: as text, and as a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.audit.checked import CheckedAudit
from reconciler.providers.at_home import title
from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean


def render_audit_check(checked: Mapping[str, CheckedAudit]) -> str:
    """A line for each log."""
    lines = []
    for name, one in checked.items():
        if one.broken is None:
            lines.append(f"{title(name)}: {count_text(one.records, 'record')}, all as they were written")
        else:
            lines.append(
                f"{title(name)}: NOT what was written, from record {one.broken.serial} on: {clean(one.broken.why)}"
            )
            lines.append("  Keep the key store as it is, and compare it with a backup from before.")
    return "\n".join(lines) + "\n" if lines else "No declared Provider keeps an audit log.\n"


def audit_check_document(checked: Mapping[str, CheckedAudit]) -> dict[str, Any]:
    """See ``schemas/audit-check.json``."""
    return {
        "formatVersion": FORMAT_VERSION,
        "logs": [
            {
                "provider": name,
                "records": one.records,
                "broken": None if one.broken is None else {"record": one.broken.serial, "why": one.broken.why},
            }
            for name, one in checked.items()
        ],
    }
