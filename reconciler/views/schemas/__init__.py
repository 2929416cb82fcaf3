"""JSON Schemas (draft 2020-12) of every document that ``--format json`` prints; each file stands alone."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def names() -> list[str]:
    """What there is a schema for: ``plan``, ``drift``, ``apply-event`` …, sorted."""
    return sorted(
        entry.name.removesuffix(".json")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".json")
    )


def load_schema(name: str) -> dict[str, Any]:
    """The schema of that name; FileNotFoundError when there is none."""
    schema: dict[str, Any] = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    return schema
