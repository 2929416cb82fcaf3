"""Names of who asks: accounts, users, roles, role sessions, services; and when two names mean the same one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from reconciler.access.caller import Caller
from reconciler.access.wildcard import Matcher, matcher

_ACCOUNT = re.compile(r"\d{12}")
_ACCOUNT_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_PRINCIPAL_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::[\d*?]{1,12}:[\w+=,.@/:*?-]+")
_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/(.+)")
_SERVICE = re.compile(r"([a-z0-9-]+)(?:\.([a-z0-9-]+))?\.amazonaws\.com")


class Reach(IntEnum):
    """How a statement names a caller: not at all, through its account (which delegates), or itself."""

    NONE = 0
    ACCOUNT = 1
    DIRECT = 2


def session_of(principal: str) -> tuple[str, str] | None:
    """A role session's role (an ARN without path) and the session's name; None for anybody else."""
    found = _SESSION.fullmatch(principal)
    return (f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}", found[4]) if found else None


def is_account_root(principal: str) -> bool:
    """Whether that ARN is an account's root principal."""
    return principal.endswith(":root") and _ACCOUNT_ROOT.fullmatch(principal) is not None


@lru_cache(maxsize=4096)
def is_service(principal: str) -> bool:
    """Whether that is a service's name, and no ARN."""
    return _SERVICE.fullmatch(principal) is not None


@lru_cache(maxsize=4096)
def account_of(principal: str) -> str | None:
    """The account that an ARN names, None for a service's name."""
    parts = principal.split(":", 5)
    return parts[4] if len(parts) == 6 and _ACCOUNT.fullmatch(parts[4]) else None


@lru_cache(maxsize=4096)
def names_of(principal: str) -> tuple[str, ...]:
    """Every name under which a statement or grant may mean ``principal``.

    A role session is also its role; a service's name is also the one without the Region (KM6).
    """
    session = session_of(principal)
    if session:
        return principal, session[0]
    service = _SERVICE.fullmatch(principal)
    if service and service[2]:
        return principal, f"{service[1]}.amazonaws.com"
    return (principal,)


def means(written: str, principal: str) -> bool:
    """Whether ``written``, in a policy or grant, means ``principal``: also a session of that role, and a service named
    with or without its Region; never a service of another Region."""
    names = names_of(principal)
    if written in names or (len(names) > 1 and without_role_path(written) in names):
        return True
    return not written.startswith("arn:") and principal in names_of(written)


def without_role_path(written: str) -> str:
    """A role's ARN as its sessions know it: ``role/service/app`` is in session as ``app``, which is unique in its
    account."""
    account, role, path = written.partition(":role/")
    return f"{account}{role}{path.rsplit('/', 1)[-1]}"


@lru_cache(maxsize=4096)
def service_spellings(service: str, region: str) -> tuple[str, ...]:
    """A service with and without the Region, as conditions may write it: ``redshift.amazonaws.com`` and
    ``redshift.eu-west-1.amazonaws.com`` are one in ``eu-west-1`` (KM6)."""
    parts = _SERVICE.fullmatch(service)
    if parts is None or (parts[2] and parts[2] != region):
        return (service,)
    return f"{parts[1]}.amazonaws.com", f"{parts[1]}.{region}.amazonaws.com"


def service_family(service: str) -> str:
    """A service's name without Region: what owns a service-owned key (KM8). ``redshift`` is accepted as short form."""
    parts = _SERVICE.fullmatch(service)
    return f"{parts[1] if parts else service}.amazonaws.com"


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """The Principal of a statement: anybody, accounts, ARNs (patterns allowed), services."""

    anybody: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    patterns: tuple[Matcher, ...]
    services: frozenset[str]
    in_session: frozenset[str] = frozenset()

    @classmethod
    def of(cls, aws: Sequence[str], services: Sequence[str]) -> PrincipalSet:
        """From the strings under ``AWS`` and ``Service``. ValueError names the one that is no principal."""
        anybody = False
        accounts, arns, patterns = set[str](), set[str](), []
        for name in aws:
            root = _ACCOUNT_ROOT.fullmatch(name)
            if name == "*":
                anybody = True
            elif root or _ACCOUNT.fullmatch(name):
                accounts.add(root[1] if root else name)
            elif not _PRINCIPAL_ARN.fullmatch(name):
                raise ValueError(name)
            elif "*" in name or "?" in name:
                patterns.append(matcher(name))
            else:
                arns.add(name)
        for name in services:
            if not _SERVICE.fullmatch(name):
                raise ValueError(name)
        in_session = frozenset(map(without_role_path, arns)) - arns
        return cls(anybody, frozenset(accounts), frozenset(arns), tuple(patterns), frozenset(services), in_session)

    def reach(self, caller: Caller) -> Reach:
        """How the set names ``caller``."""
        if self.anybody:
            return Reach.DIRECT
        if caller.is_service:
            named = any(means(service, caller.principal) for service in self.services)
            return Reach.DIRECT if named else Reach.NONE
        names = names_of(caller.principal)
        for name in names:
            if name in self.arns or any(match(name) for match in self.patterns):
                return Reach.DIRECT
        if len(names) > 1 and names[1] in self.in_session:
            return Reach.DIRECT
        return Reach.ACCOUNT if caller.account in self.accounts else Reach.NONE
