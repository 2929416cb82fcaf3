"""A document through its envelope and its kind's spec: a ``Head``, or every flaw that it has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from reconciler.loading.beneath import SideFiles
from reconciler.loading.composer import Document
from reconciler.loading.heads import Head
from reconciler.loading.inspection import Path
from reconciler.loading.refusals import Flaw, flaws_of
from reconciler.loading.shapes import Shape, shape
from reconciler.model.address import Address
from reconciler.model.nearest import did_you_mean, nearest
from reconciler.resources import registry

API_VERSION = "reconciler/v1alpha1"

_TOP = frozenset({"apiVersion", "kind", "metadata", "spec"})
_METADATA = frozenset({"name", "labels", "annotations"})
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?").fullmatch
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?").fullmatch
_NO_LABELS: dict[str, str] = {}


@dataclass(eq=False)
class Flawed(Exception):
    """A document that cannot be used. ``address`` is what it would declare, as far as that can be told."""

    flaws: list[Flaw]
    address: Address | None


def read(document: Document, files: SideFiles) -> Head:
    """The head of a document. Flawed holds every flaw of it."""
    tree = document.tree
    if type(tree) is not dict:
        raise Flawed([Flaw((), "not-a-mapping", "a manifest must be a mapping with apiVersion, kind …")], None)
    kind, metadata = tree.get("kind"), tree.get("metadata")
    if (
        tree.keys() != _TOP
        or tree["apiVersion"] != API_VERSION
        or kind not in registry.kind_names()
        or type(metadata) is not dict
        or not _is_plain(metadata)
    ):
        return _read_flawed(document, files)
    return _read_spec(document, shape(kind), metadata, files, [])


def _is_plain(metadata: dict[str, Any]) -> bool:
    """Whether there is nothing to say against it."""
    if metadata.keys() != {"name"} and not metadata.keys() <= _METADATA:
        return False
    name = metadata.get("name")
    if type(name) is not str or _NAME(name) is None or "annotations" in metadata:
        return False
    labels = metadata.get("labels", _NO_LABELS)
    if type(labels) is not dict:
        return False
    for key, value in labels.items():  # noqa: SIM110  # a generator would double its time, and this is on every document
        if not _is_label(key, value):
            return False
    return True


@lru_cache(maxsize=4096)  # the same few labels stand on thousands of resources
def _is_label_text(key: str, value: str) -> bool:
    return bool(_LABEL_KEY(key) and _LABEL(value))


def _is_label(key: str, value: object) -> bool:
    return isinstance(value, str) and _is_label_text(key, value)


def _read_flawed(document: Document, files: SideFiles) -> Head:
    tree: dict[str, Any] = document.tree
    flaws = list(_envelope_flaws(tree))
    kind, metadata = tree.get("kind"), tree.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    if not isinstance(kind, str) or kind not in registry.kind_names() or "spec" not in tree:
        raise Flawed(flaws, _address(kind, metadata.get("name")))
    return _read_spec(document, shape(kind), metadata, files, flaws)


def _read_spec(document: Document, form: Shape, metadata: dict[str, Any], files: SideFiles, flaws: list[Flaw]) -> Head:
    given = document.tree["spec"]
    try:
        spec = form.validate(given, context=files)
    except ValidationError as error:
        flaws = [*flaws, *flaws_of(error, form.spec, form.kind)]
        raise Flawed(flaws, _address(form.kind, metadata.get("name"))) from None
    if flaws:
        raise Flawed(flaws, _address(form.kind, metadata.get("name")))
    name: str = metadata["name"]
    address = Address.of(form.kind, name)
    external = spec.external_name or name
    if form.fits_name(external) is None:
        raise Flawed([_unfit_name(form, spec.external_name, name)], address)
    references, providers = form.references(spec)
    json = form.to_json(spec, by_alias=True)
    labels = metadata.get("labels")
    return Head(
        address=address,
        digest=hashlib.sha256(json).hexdigest(),
        provider=None if form.is_provider else spec.provider,
        external_name=external,
        line=document.line,
        labels={key: str(value) for key, value in labels.items()} if labels else _NO_LABELS,
        references=references,
        providers=providers,
        claims=form.claims(spec, external),
        json=json.decode(),
        spec=spec,
    )


def _unfit_name(form: Shape, external: str | None, name: str) -> Flaw:
    if external is None:
        return Flaw(
            ("metadata", "name"),
            "invalid-name",
            f'cannot be the name of a {form.kind} at its provider ("{name}"), which must be {form.spec.name_form}',
            "Add spec.externalName with the name that it shall have there.",
        )
    return Flaw(("spec", "externalName"), "invalid-name", f"must be {form.spec.name_form}")


def _address(kind: object, name: object) -> Address | None:
    if isinstance(kind, str) and isinstance(name, str) and kind in registry.kind_names() and _NAME(name):
        return Address.of(kind, name)
    return None


# --- the envelope ----------------------------------------------------------------------------------------------------


def _envelope_flaws(tree: dict[str, Any]) -> Iterator[Flaw]:
    for field in tree:
        if field not in _TOP:
            yield Flaw((field,), "unknown-field", "is no field of a manifest", did_you_mean(field, _TOP), at_key=True)
    if "apiVersion" not in tree:
        yield Flaw((), "missing-field", "apiVersion is missing", f"Add apiVersion: {API_VERSION}.")
    elif tree["apiVersion"] != API_VERSION:
        yield Flaw(("apiVersion",), "unknown-api-version", f"must be {API_VERSION}")
    yield from _kind_flaws(tree)
    if "metadata" not in tree:
        yield Flaw((), "missing-field", "metadata is missing", "Add metadata: {name: NAME}.")
    elif not isinstance(tree["metadata"], dict):
        yield Flaw(("metadata",), "invalid-value", "must be a mapping")
    else:
        yield from _metadata_flaws(tree["metadata"])
    if "spec" not in tree:
        yield Flaw((), "missing-field", "spec is missing")


def _kind_flaws(tree: dict[str, Any]) -> Iterator[Flaw]:
    kind = tree.get("kind")
    if "kind" not in tree:
        yield Flaw((), "missing-field", "kind is missing", f"It is one of {', '.join(registry.kind_names())}.")
    elif not isinstance(kind, str):
        yield Flaw(("kind",), "unknown-kind", "must be the name of a kind")
    elif kind in registry.NOT_YET and kind not in registry.kind_names():
        yield Flaw(("kind",), "not-supported", f"{kind} is not supported by this version of reconciler")
    elif kind not in registry.kind_names():
        near = registry.spelled(kind) or nearest(kind, registry.kind_names())
        yield Flaw(
            ("kind",),
            "unknown-kind",
            f'"{kind[:80]}" is no kind',
            f"Did you mean {near}?" if near else f"Kinds are {', '.join(registry.kind_names())}.",
        )


def _metadata_flaws(metadata: dict[str, Any]) -> Iterator[Flaw]:
    for field in metadata:
        if field not in _METADATA:
            yield Flaw(
                ("metadata", field), "unknown-field", "is no field of a manifest", did_you_mean(field, _METADATA), True
            )
    name = metadata.get("name")
    if "name" not in metadata:
        yield Flaw(("metadata",), "missing-field", "name is missing")
    elif not isinstance(name, str) or _NAME(name) is None:
        yield Flaw(
            ("metadata", "name"),
            "invalid-name",
            "must be a name of 1 to 63 small letters, digits and inner hyphens",
            None if not isinstance(name, str) else _repaired(name),
        )
    for field, checks_form in (("labels", True), ("annotations", False)):
        pairs = metadata.get(field, {})
        if not isinstance(pairs, dict):
            yield Flaw(("metadata", field), "invalid-value", "must be a mapping")
            continue
        for key, value in pairs.items():
            path: Path = ("metadata", field, key)
            if not isinstance(value, str):
                yield Flaw(path, "invalid-value", "must be a text")
            elif checks_form and not _is_label(key, value):
                yield Flaw(
                    path,
                    "invalid-value",
                    "must be a label: a key and a value of at most 63 letters, digits and inner . _ -",
                )


def _repaired(name: str) -> str | None:
    repaired = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63]
    return f"{repaired} would do; the name at the provider goes to spec.externalName." if repaired else None
