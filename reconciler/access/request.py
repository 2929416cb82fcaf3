"""One request as the policy language sees it: who, what, on which key, and the condition keys that it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.access.caller import Caller
from reconciler.access.principals import is_account_root

Values = tuple[str, ...]
Pairs = Mapping[str, str]
_NOTHING: Mapping[str, Values] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a decision may need of the key. ``aliases`` and ``tags`` may be left out where no policy asks for them
    (``Policy.asks_for``)."""

    arn: str
    account: str
    region: str
    key_spec: str = "SYMMETRIC_DEFAULT"
    key_usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    multi_region: bool = False
    aliases: Values = ()
    tags: Pairs = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What a grant allows, whom, and under which encryption context (KM3)."""

    grantee_principal: str
    operations: tuple[str, ...]
    retiring_principal: str | None = None
    context_subset: Pairs | None = None
    context_equals: Pairs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """``action`` is ``kms:Decrypt`` and the like. ``key`` is None for requests on the account (``kms:CreateKey``).

    ``context`` is the encryption context; for ``kms:CreateGrant`` the one of the constraint. ``grant`` are the terms
    of the grant asked for. ``attributes`` are further condition keys by lower-case name
    (``kms:rotationperiodindays``), ``principal_tags`` the tags of the principal.
    """

    caller: Caller
    action: str
    now: datetime
    key: KeyFacts | None = None
    context: Pairs | None = None
    grant: GrantTerms | None = None
    request_alias: str | None = None
    request_tags: Pairs | None = None
    principal_tags: Pairs = field(default_factory=dict)
    attributes: Mapping[str, Values] = field(default_factory=lambda: _NOTHING)

    def values(self, name: str) -> Values:
        """Values of the condition key ``name`` (lower case); empty when the request does not carry it."""
        given = self.attributes.get(name)
        if given is not None:
            return given
        for prefix, pairs_of in _PREFIXED.items():
            if name.startswith(prefix):
                wanted = name[len(prefix) :]
                return tuple(value for key, value in (pairs_of(self) or {}).items() if key.lower() == wanted)
        find = _PLAIN.get(name)
        return find(self) if find else ()


def _one(value: object | None) -> Values:
    if value is None:
        return ()
    return (str(value).lower() if isinstance(value, bool) else str(value),)


def _of_key(read: Callable[[KeyFacts], object]) -> Callable[[AccessRequest], Values]:
    return lambda request: _one(read(request.key)) if request.key else ()


def _constraint_type(request: AccessRequest) -> Values:
    if request.grant is None:
        return ()
    if request.grant.context_equals is not None:
        return ("EncryptionContextEquals",)
    return ("EncryptionContextSubset",) if request.grant.context_subset is not None else ()


def _principal_type(caller: Caller) -> str:
    if caller.is_service:
        return "Service"
    if is_account_root(caller.principal):
        return "Account"
    return "User" if ":user/" in caller.principal else "AssumedRole"


_PREFIXED: Mapping[str, Callable[[AccessRequest], Pairs | None]] = {
    "kms:encryptioncontext:": lambda request: request.context,
    "aws:principaltag/": lambda request: request.principal_tags,
    "aws:resourcetag/": lambda request: request.key.tags if request.key else None,
    "aws:requesttag/": lambda request: request.request_tags,
}

_PLAIN: Mapping[str, Callable[[AccessRequest], Values]] = {
    "kms:viaservice": lambda request: _one(request.caller.via_service),
    "kms:calleraccount": lambda request: (request.caller.account,),
    "kms:encryptioncontextkeys": lambda request: tuple(request.context or ()),
    "kms:grantoperations": lambda request: request.grant.operations if request.grant else (),
    "kms:grantconstrainttype": _constraint_type,
    # For CreateGrant, ListGrants and RevokeGrant: whether a service makes the call on the principal's behalf.
    "kms:grantisforawsresource": lambda request: _one(request.caller.via_service is not None),
    "kms:granteeprincipal": lambda request: _one(request.grant and request.grant.grantee_principal),
    "kms:retiringprincipal": lambda request: _one(request.grant and request.grant.retiring_principal),
    "kms:keyspec": _of_key(lambda key: key.key_spec),
    "kms:keyusage": _of_key(lambda key: key.key_usage),
    "kms:keyorigin": _of_key(lambda key: key.origin),
    "kms:multiregion": _of_key(lambda key: key.multi_region),
    "kms:requestalias": lambda request: _one(request.request_alias),
    "kms:resourcealiases": lambda request: request.key.aliases if request.key else (),
    "aws:principalarn": lambda request: () if request.caller.is_service else (request.caller.principal,),
    "aws:principalaccount": lambda request: () if request.caller.is_service else (request.caller.account,),
    "aws:principalservicename": lambda request: (request.caller.principal,) if request.caller.is_service else (),
    "aws:principalisawsservice": lambda request: _one(request.caller.is_service),
    "aws:principaltype": lambda request: (_principal_type(request.caller),),
    "aws:viaawsservice": lambda request: _one(request.caller.via_service is not None),
    "aws:calledvia": lambda request: _one(request.caller.via_service),
    "aws:tagkeys": lambda request: tuple(request.request_tags or ()),
    "aws:requestedregion": _of_key(lambda key: key.region),
    "aws:resourceaccount": _of_key(lambda key: key.account),
    "aws:currenttime": lambda request: (request.now.isoformat(),),
    "aws:epochtime": lambda request: (str(int(request.now.timestamp())),),
}
