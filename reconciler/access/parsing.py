"""A policy document, checked and made ready to decide with. Total: a ``Policy``, or MalformedPolicyDocumentException
that says which statement and what is wrong with it (I21)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.access.conditions import Condition, condition
from reconciler.access.policy import Patterns, Policy, Statement
from reconciler.access.principals import PrincipalSet
from reconciler.access.variables import Variable, template
from reconciler.access.wildcard import matcher
from reconciler.errors import MalformedPolicyDocumentException

POLICY_BYTES = 32 * 1024
VERSIONS = ("2012-10-17", "2008-10-17")  # absent means the older
_WITH_VARIABLES = VERSIONS[0]
_TOP = frozenset({"Version", "Id", "Statement"})
_PARTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_PRINCIPAL_TYPES = frozenset({"AWS", "Service"})
_MALFORMED = "The policy document is malformed: "
_ACTION = re.compile(r"\*|[a-z0-9-]+:[a-z0-9*?]+", re.IGNORECASE)
_TEXT = re.compile(r"[\t\n\r\x20-\x7e\xa0-\xff]*")


def parse_policy(document: object, *, identity: bool = False, name: str | None = None) -> Policy:
    """The policy that ``document`` (a mapping, as JSON or YAML gives it) describes.

    ``identity``: an identity policy, whose statements name no principal; ``name`` is what decisions call it.
    """
    top = _mapping(document, "the policy")
    _known(top, _TOP, "the policy")
    version, identifier = top.get("Version", VERSIONS[1]), top.get("Id")
    if version not in VERSIONS:
        raise _malformed(f'Version must be one of {", ".join(VERSIONS)}, not "{version}"')
    if identifier is not None and not isinstance(identifier, str):
        raise _malformed("Id must be a text")
    written = top.get("Statement")
    parts = [written] if isinstance(written, Mapping) else written
    if not _is_list(parts) or not parts:
        raise _malformed("Statement must be a statement or a list of at least one")
    variables = version == _WITH_VARIABLES
    statements = tuple(_statement(part, place, identity, variables) for place, part in enumerate(parts, start=1))
    keys = frozenset(key for statement in statements for key in _keys_of(statement))
    return Policy(statements, identifier, keys, name)


def _keys_of(statement: Statement) -> Iterator[str]:
    """The condition keys that it asks for, its variables included."""
    templates = [*statement.resources.templates]
    for item in statement.conditions:
        yield item.key
        templates += item.templates
    for one in templates:
        yield from (part.key for part in one.parts if isinstance(part, Variable))


def policy_problems(document: object, *, identity: bool = False) -> list[str]:
    """All that is wrong with a policy, one sentence for each statement that cannot be used; empty when nothing."""
    try:
        parse_policy(document, identity=identity)
    except MalformedPolicyDocumentException as error:
        first = error.summary.removeprefix(_MALFORMED)
    else:
        return []
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    parts = statements if _is_list(statements) else [statements]
    problems = []
    if isinstance(document, Mapping):
        for place, part in enumerate(parts or [], start=1):
            try:
                _statement(part, place, identity, document.get("Version") == _WITH_VARIABLES)
            except MalformedPolicyDocumentException as error:
                problems.append(error.summary.removeprefix(_MALFORMED))
    return problems or [first]


def check_policy_text(text: str) -> None:
    """Size and characters of a policy as it is kept (reference, "Policies")."""
    if not _TEXT.fullmatch(text):
        raise _malformed("the policy holds a character outside printable ASCII, Latin-1, tab and line ends")
    if len(text.encode()) > POLICY_BYTES:
        raise _malformed(f"the policy is {len(text.encode())} bytes long; at most {POLICY_BYTES} are allowed")


def _statement(written: object, place: int, identity: bool, variables: bool) -> Statement:
    where = f"statement {place}"
    parts = _mapping(written, where)
    sid = parts.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise _malformed(f"{where}: Sid must be a text")
    if sid:
        where += f' ("{sid}")'
    _known(parts, _PARTS, where)
    effect = parts.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise _malformed(f"{where}: Effect must be Allow or Deny" + (f', not "{effect}"' if effect is not None else ""))
    return Statement(
        name=sid or f"#{place}",
        denies=effect == "Deny",
        principals=_principals(parts, where, identity),
        not_principals="NotPrincipal" in parts,
        actions=_actions(parts, where),
        resources=_resources(parts, where, variables),
        conditions=_conditions(parts.get("Condition"), where, variables),
    )


def _principals(parts: Mapping[str, Any], where: str, identity: bool) -> PrincipalSet | None:
    name = _one_of(parts, "Principal", "NotPrincipal", where, optional=identity)
    if identity:
        if name:
            raise _malformed(f"{where}: an identity policy names no {name}")
        return None
    written = parts[str(name)]
    if written == "*":
        return PrincipalSet.of(["*"], [])
    types = _mapping(written, f"{where}: {name}")
    if not types:
        raise _malformed(f"{where}: {name} is empty")
    _known(types, _PRINCIPAL_TYPES, f"{where}: {name}")
    try:
        return PrincipalSet.of(
            _texts(types.get("AWS", []), f"{where}: {name}.AWS"),
            _texts(types.get("Service", []), f"{where}: {name}.Service"),
        )
    except ValueError as error:
        raise _malformed(f'{where}: "{error}" is no valid principal') from None


def _actions(parts: Mapping[str, Any], where: str) -> Patterns:
    name = str(_one_of(parts, "Action", "NotAction", where))
    texts = _texts(parts[name], f"{where}: {name}", at_least_one=True)
    for text in texts:
        if not _ACTION.fullmatch(text):
            raise _malformed(f'{where}: "{text}" is no action; one reads "kms:Decrypt"')
    lowered = [text.lower() for text in texts]
    everything = any(text in ("*", "kms:*") for text in lowered) and name == "Action"
    return Patterns(name == "NotAction", tuple(map(matcher, lowered)), everything)


def _resources(parts: Mapping[str, Any], where: str, variables: bool) -> Patterns:
    name = str(_one_of(parts, "Resource", "NotResource", where))
    texts = _texts(parts[name], f"{where}: {name}", at_least_one=True)
    plain, templates = [], []
    for text in texts:
        if text != "*" and not text.startswith("arn:") and not (variables and text.startswith("${")):
            raise _malformed(f'{where}: "{text}" is no resource; "*" stands for this key')
        try:
            made = template(text) if variables else None
        except ValueError:
            raise _malformed(f'{where}: "{text}" holds a policy variable that cannot be read') from None
        if made is None:
            plain.append(matcher(text))
        else:
            templates.append(made)
    return Patterns(name == "NotResource", tuple(plain), "*" in texts, tuple(templates))


def _conditions(written: object, where: str, variables: bool) -> tuple[Condition, ...]:
    if written is None:
        return ()
    found = []
    for operator, keys in _mapping(written, f"{where}: Condition").items():
        for key, values in _mapping(keys, f"{where}: Condition.{operator}").items():
            texts = _texts(values, f"{where}: Condition.{operator}.{key}", at_least_one=True, scalars=True)
            try:
                found.append(condition(operator, key, texts, variables=variables))
            except ValueError as error:
                raise _malformed(f"{where}: {error}") from None
    return tuple(found)


def _one_of(parts: Mapping[str, Any], plain: str, inverted: str, where: str, *, optional: bool = False) -> str | None:
    given = [name for name in (plain, inverted) if name in parts]
    if len(given) == 1:
        return given[0]
    if optional and not given:
        return None
    raise _malformed(f"{where}: needs {plain} or {inverted}" + (", not both" if given else ""))


def _texts(written: object, where: str, *, at_least_one: bool = False, scalars: bool = False) -> list[str]:
    items: list[object] = list(written) if isinstance(written, Sequence) and _is_list(written) else [written]
    if at_least_one and not items:
        raise _malformed(f"{where} is empty")
    texts = []
    for item in items:
        if isinstance(item, str):
            texts.append(item)
        elif scalars and isinstance(item, bool):
            texts.append(str(item).lower())
        elif scalars and isinstance(item, int | float):
            texts.append(str(item))
        else:
            raise _malformed(f"{where} must be a text or a list of texts")
    return texts


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _malformed(f"{where} must be an object")
    return value


def _known(parts: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in parts:
        if name not in known:
            raise _malformed(f'{where}: unknown element "{name}"; known are {", ".join(sorted(known))}')


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _malformed(what: str) -> MalformedPolicyDocumentException:
    return MalformedPolicyDocumentException(
        f"{_MALFORMED}{what}",
        suggestion="Correct the document; the policy that was in force stays in force.",
    )
