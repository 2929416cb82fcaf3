"""Manifests as a person would write them: several documents, one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.address import Address

API_VERSION = "reconciler/v1alpha1"


def render_manifests(documents: Iterable[tuple[Address, Mapping[str, Any]]]) -> str:
    """One YAML document for each address and spec, in the order given; empty for none. No anchors and no tags: the
    loader reads it back as it is."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    trees = [
        {
            "apiVersion": API_VERSION,
            "kind": address.kind,
            "metadata": {"name": address.name},
            "spec": _plain(spec),
        }
        for address, spec in documents
    ]
    if not trees:
        return ""
    text: str = yaml.dump_all(
        trees, Dumper=Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=120, line_break="\n"
    )
    return text


def _plain(value: Any) -> Any:
    """Dicts, lists and scalars and nothing else: what YAML has a spelling for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
