"""Which version this is, for people and for bug reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.safe_text import clean


def render_version(version: str, *, python: str, platform: str, plugins: Mapping[str, str]) -> str:
    """``reconciler 0.1.0``, what it runs on, and each provider plugin with its version."""
    lines = [f"reconciler {clean(version)}", f"python {clean(python)} on {clean(platform)}"]
    lines += [f"+ provider {clean(name)} {clean(plugins[name])}" for name in sorted(plugins)]
    return "\n".join(lines) + "\n"


def version_document(version: str, *, python: str, platform: str, plugins: Mapping[str, str]) -> dict[str, Any]:
    """The same for pipelines (``schemas/version.json``)."""
    return {
        "formatVersion": FORMAT_VERSION,
        "version": version,
        "python": python,
        "platform": platform,
        "plugins": dict(sorted(plugins.items())),
    }
