"""``lifecycle.ignoreChanges``: what others may change. Their value counts as the declared one in a plan, and a change
of it is no drift; a change that weakens security is told all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from reconciler.errors import Undeclarable
from reconciler.model.drift import Severity
from reconciler.model.plan import Finding
from reconciler.resources.ignorable import spelled
from reconciler.resources.kind import DriftInput, ManifestInput, Observation, ResourceKind
from reconciler.resources.spec import Spec

_ABSENT: Final = object()


def as_observed(
    kind: ResourceKind[Any, Any], spec: Spec, attributes: Mapping[str, Any], observed: Observation | None
) -> Spec:
    """The spec with what is to be ignored as it is now. A spec that ignores nothing, or whose object is not there, is
    answered as it is."""
    paths = spec.lifecycle.ignore_changes
    fields = None if not paths or observed is None else _fields(kind, spec.provider, attributes, observed)
    if fields is None:
        return spec
    said = json.loads(spec.canonical_json())
    tree = said
    for path in paths:
        tree = _overlaid(tree, fields, spelled(path).split("."))
    with_ours = tree
    for path in spec.unobserved:
        with_ours = _overlaid(with_ours, said, path.split("."), keeps_absence=False)
    for candidate in (with_ours, tree):
        # What is there may not go together with the rest of the manifest: then the manifest is what counts.
        with suppress(ValueError):
            found: Spec = kind.spec.model_validate_json(json.dumps(candidate))
            return found
    return spec


def not_ignored(
    kind: ResourceKind[Any, Any], given: DriftInput[Any, Any], found: Sequence[Finding]
) -> Sequence[Finding]:
    """The findings but for those on what is to be ignored."""
    if given.spec is None or not given.spec.lifecycle.ignore_changes:
        return found
    return [one for one in found if one.severity is Severity.SECURITY or not _is_ignored(kind, given, one)]


def _is_ignored(kind: ResourceKind[Any, Any], given: DriftInput[Any, Any], finding: Finding) -> bool:
    """Whether every field of a manifest that would say so is below a path that is to be ignored."""
    top = finding.path.partition(".")[0]
    if (
        given.spec is None
        or given.expected is None
        or given.observed is None
        or top not in type(given.expected).model_fields
    ):
        return False
    only = given.expected.model_copy(update={top: getattr(given.observed, top)})
    provider, attributes = given.recorded.provider, given.recorded.attributes
    before = _fields(kind, provider, attributes, given.expected)
    after = _fields(kind, provider, attributes, only)
    if before is None or after is None:
        return False
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    changed = {path for path in old.keys() | new.keys() if old.get(path, _ABSENT) != new.get(path, _ABSENT)}
    paths = [spelled(path) for path in given.spec.lifecycle.ignore_changes]
    return bool(changed) and all(any(one == path or one.startswith(f"{path}.") for path in paths) for one in changed)


def _fields(
    kind: ResourceKind[Any, Any], provider: str, attributes: Mapping[str, Any], observed: Observation
) -> dict[str, Any] | None:
    """What a manifest of the object would say; None where none can. Other objects go by ARN, whoever manages them."""
    if kind.manifest is None:
        return None
    given = ManifestInput(
        provider=provider, attributes=attributes, observed=observed, name_of=lambda kind, identity: None
    )
    try:
        return dict(kind.manifest(given))
    except Undeclarable:
        return None


def _overlaid(tree: Any, fields: Any, segments: list[str], *, keeps_absence: bool = True) -> Any:
    """The tree with what the fields have at that path. What they lack there is taken away, unless absence is none."""
    if isinstance(tree, list) or isinstance(fields, list):
        return _overlaid_list(tree or [], fields or [], segments)
    below, above = (one if isinstance(one, Mapping) else {} for one in (tree, fields))
    whole = ".".join(segments)
    head = whole if whole in below or whole in above else segments[0]  # keys of a mapping may have dots
    result = dict(below)
    if head == whole:
        if head in above:
            result[head] = above[head]
        elif keeps_absence:
            result.pop(head, None)
    elif head in below or head in above:
        inner = _overlaid(below.get(head), above.get(head), segments[1:], keeps_absence=keeps_absence)
        if inner or head in above:
            result[head] = inner
    return result


def _overlaid_list(tree: list[Any], fields: list[Any], segments: list[str]) -> list[Any]:
    """A list of things that have names: the one of that name."""
    name, rest = segments[0], segments[1:]
    there = next((one for one in fields if one.get("name") == name), None)
    mine = next((one for one in tree if one.get("name") == name), None)
    if rest and mine is not None:
        there = {"name": name, **_overlaid(mine, there or {}, rest)}
    kept = [there if one is mine and there is not None else one for one in tree if one is not mine or there is not None]
    return kept if mine is not None or there is None else [*kept, there]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            yield from _leaves({key: item[key] for key in item if key != "name"} or True, f"{path}.{item['name']}")
    else:
        yield path, value
