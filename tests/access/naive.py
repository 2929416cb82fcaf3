"""The policy language once more, as plainly as it can be read: what ``decide`` is compared with.

Works on documents, not on parsed policies, and shares nothing with the evaluator: regular expressions for wildcards, a
dictionary for condition keys, no shortcuts. Knows what ``test_differential`` draws, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Sequence[str]]  # condition keys in small letters
Question = Mapping[str, Any]  # principal, account, action, resource, key_account, facts, is_service


def verdict(
    question: Question, policy: Any, identity: Sequence[Any], grants: Sequence[Mapping[str, Any]]
) -> tuple[bool, bool]:
    """Whether it is allowed, and whether some statement denies it in so many words."""
    key_says = [
        (one["Effect"], _names(one, question)) for one in _listed(policy["Statement"]) if _speaks(one, policy, question)
    ]
    own_says = [
        one["Effect"]
        for document in identity
        for one in _listed(document["Statement"])
        if _speaks(one, document, question)
    ]
    if any(effect == "Deny" and how for effect, how in key_says) or "Deny" in own_says:
        return False, True
    is_root = question["principal"] == f"arn:aws:iam::{question['account']}:root"
    own = "Allow" in own_says or is_root
    abroad = question["account"] != question["key_account"] and not question["is_service"]
    hows = {how for effect, how in key_says if effect == "Allow"}
    if "itself" in hows and (own or not abroad):
        return True, False
    if "account" in hows and own:
        return True, False
    for grant in grants:
        how = _grantee(grant["grantee"], question)
        covered = how and question["action"].removeprefix("kms:") in grant["operations"] and _fits(grant, question)
        if covered and (own or not (abroad or how == "account")):
            return True, False
    return False, False


def _fits(grant: Mapping[str, Any], question: Question) -> bool:
    prefix = "kms:encryptioncontext:"
    context = {name[len(prefix) :]: values[0] for name, values in question["facts"].items() if name.startswith(prefix)}
    if question["action"] == "kms:DescribeKey":
        return True
    if grant["equals"] is not None:
        return bool(context == grant["equals"])
    return all(context.get(name) == value for name, value in (grant["subset"] or {}).items())


def _speaks(statement: Any, document: Any, question: Question) -> bool:
    lower = question["action"].lower()
    if "Action" in statement:
        spoken = any(_like(str(one).lower(), lower) for one in _listed(statement["Action"]))
    else:
        spoken = not any(_like(str(one).lower(), lower) for one in _listed(statement["NotAction"]))
    has_variables = document.get("Version") == "2012-10-17"
    name = "Resource" if "Resource" in statement else "NotResource"
    covered = any(
        pattern is not None and re.fullmatch(pattern, question["resource"], re.DOTALL) is not None
        for pattern in (_pattern(str(one), question["facts"], has_variables) for one in _listed(statement[name]))
    )
    if covered is (name == "NotResource"):
        return False
    conditions = statement.get("Condition", {})
    return spoken and all(
        _holds(
            operator,
            [str(one) for one in _listed(values)],
            question["facts"].get(key.lower(), ()),
            question["facts"],
            has_variables,
        )
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _names(statement: Any, question: Question) -> str:
    if "NotPrincipal" in statement:
        spared = _named(statement["NotPrincipal"], question)
        if spared == "account" and statement["Effect"] == "Deny" and not question["principal"].endswith(":root"):
            spared = ""  # of an account that is excepted from a Deny, only the root is
        return "" if spared else "itself"
    return _named(statement["Principal"], question)


def _named(principal: Any, question: Question) -> str:
    if principal == "*":
        return "itself"
    hows = {_one_named(one, question) for one in _listed(principal.get("AWS", []))}
    if any(question["is_service"] and one == question["principal"] for one in _listed(principal.get("Service", []))):
        return "itself"
    return "itself" if "itself" in hows else "account" if "account" in hows else ""


def _one_named(written: str, question: Question) -> str:
    if written == "*":
        return "itself"
    return "" if question["is_service"] else _grantee(written, question)


def _grantee(written: str, question: Question) -> str:
    who, account = question["principal"], question["account"]
    session = re.fullmatch(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/.+", who)
    names = {who, f"arn:aws:iam::{session[1]}:role/{session[2]}"} if session else {who}
    if written in (account, f"arn:aws:iam::{account}:root") and not question["is_service"]:
        return "itself" if written in names else "account"
    return "itself" if written in names else ""


def _holds(operator: str, written: list[str], values: Sequence[str], facts: Facts, has_variables: bool) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (written == ["true"]) is (not values)
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    negated, positive = "Not" in name, name.replace("Not", "")

    def fits(value: str) -> bool:
        return any(_fits_one(positive, one, value, facts, has_variables) for one in written) is not negated

    if not values:
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    if quantifier == "ForAllValues":
        return all(map(fits, values))
    if quantifier == "ForAnyValue":
        return any(map(fits, values))
    matched = any(_fits_one(positive, one, value, facts, has_variables) for one in written for value in values)
    return matched is not negated


def _fits_one(name: str, written: str, value: str, facts: Facts, has_variables: bool) -> bool:
    if name == "Bool":
        return written.lower() == value.lower()
    if name.startswith("Numeric"):
        one, other = float(value), float(written)
        return {"Equals": one == other, "LessThan": one < other, "GreaterThanEquals": one >= other}[name[7:]]
    pattern = _pattern(written, facts, has_variables, wild=name in ("StringLike", "ArnLike"))
    if pattern is None:
        return False
    flags = re.DOTALL | (re.IGNORECASE if name.endswith("IgnoreCase") else 0)
    return re.fullmatch(pattern, value, flags) is not None


def _pattern(written: str, facts: Facts, has_variables: bool, *, wild: bool = True) -> str | None:
    """A regular expression; None when a variable in it has no value."""
    out = ""
    for part in re.split(r"(\$\{[^}]*\})", written) if has_variables else [written]:
        if has_variables and part.startswith("${"):
            inner = part[2:-1]
            key, _, default = inner.partition(", ")
            found = facts.get(key.lower(), ())
            if inner in ("*", "?", "$"):
                out += re.escape(inner)
            elif len(found) == 1:
                out += re.escape(found[0])
            elif default:
                out += re.escape(default.strip("'"))
            else:
                return None
        else:
            out += "".join(
                (".*" if c == "*" else "." if c == "?" else re.escape(c)) if wild else re.escape(c) for c in part
            )
    return out


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(str(_pattern(pattern, {}, False)), text, re.DOTALL) is not None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
