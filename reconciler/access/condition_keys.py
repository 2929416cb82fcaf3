"""The condition keys of the policy language: how each is read from a request (KM2; reference, "Policies").

Names are case-insensitive and given in small letters. What a request does not carry has no values: it is absent, which
is how ``Null`` and ``IfExists`` see it. A key that nothing here reads (``aws:PrincipalOrgID``, ``aws:SourceArn``) is
carried by ``AccessRequest.attributes`` or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from reconciler.access.caller import Caller, Origin
from reconciler.access.principals import is_account_root, session_of
from reconciler.access.request import AccessRequest, KeyFacts, Pairs, Values
from reconciler.model.unique_id import unique_id

Reader = Callable[[AccessRequest], Values]
MULTI_VALUED: Final = frozenset(
    {"kms:encryptioncontextkeys", "kms:grantoperations", "kms:resourcealiases", "aws:tagkeys", "aws:calledvia"}
)
OF_PARAMETERS: Final = frozenset(
    {
        *("kms:encryptionalgorithm", "kms:signingalgorithm", "kms:macalgorithm", "kms:keyagreementalgorithm"),
        *("kms:messagetype", "kms:datakeypairspec", "kms:rotationperiodindays", "kms:primaryregion"),
        *("kms:schedulekeydeletionpendingwindowindays", "kms:expirationmodel", "kms:validto", "kms:replicaregion"),
        *("kms:wrappingalgorithm", "kms:wrappingkeyspec", "kms:policyname", "kms:bypasspolicylockoutsafetycheck"),
    }
)
"""Condition keys of a request on a key that are read from ``AccessRequest.parameters``."""
_SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
_SEALING: Final = frozenset(
    {
        *("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey"),
        *("kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"),
    }
)
_ABOUT_GRANTS: Final = frozenset({"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant", "kms:RetireGrant"})
_ABOUT_POLICIES: Final = frozenset({"kms:PutKeyPolicy", "kms:GetKeyPolicy"})
_CAN_BYPASS: Final = frozenset({"kms:CreateKey", "kms:PutKeyPolicy", "kms:ReplicateKey"})
_SIGNING: Final = frozenset({"kms:Sign", "kms:Verify"})


@lru_cache(maxsize=4096)
def reader(name: str) -> Reader:
    """What reads the condition key ``name`` (lower case) from a request."""
    for prefix, pairs_of in _PREFIXED.items():
        if name.startswith(prefix):
            return _given_first(name, _of_pairs(name[len(prefix) :], pairs_of))
    return _given_first(name, _PLAIN.get(name, _absent))


def _given_first(name: str, read: Reader) -> Reader:
    def values(request: AccessRequest) -> Values:
        if request.attributes:
            given = request.attributes.get(name)
            if given is not None:
                return given
        return read(request)

    return values


def _absent(request: AccessRequest) -> Values:
    del request
    return ()


def _of_pairs(wanted: str, pairs_of: Callable[[AccessRequest], Pairs | None]) -> Reader:
    def values(request: AccessRequest) -> Values:
        pairs = pairs_of(request)
        return tuple(value for key, value in pairs.items() if key.lower() == wanted) if pairs else ()

    return values


def _one(value: object | None) -> Values:
    if value is None:
        return ()
    if isinstance(value, datetime):
        return (value.isoformat(),)
    return (str(value).lower() if isinstance(value, bool) else str(value),)


def _of_key(read: Callable[[KeyFacts], object], member: str = "", default: object = None) -> Reader:
    """Of the key; where there is none yet (``CreateKey``), of the request's ``member``."""

    def values(request: AccessRequest) -> Values:
        if request.key is not None:
            return _one(read(request.key))
        return _one(request.parameters.get(member, default)) if request.action == "kms:CreateKey" else ()

    return values


def _of_member(*members: str) -> Reader:
    def values(request: AccessRequest) -> Values:
        found = (request.parameters.get(member) for member in members)
        return _one(next((value for value in found if value is not None), None))

    return values


def _of_member_for(actions: frozenset[str], member: str, default: object) -> Reader:
    """Requests of these actions carry the key even where the member was left out."""
    return lambda request: _one(request.parameters.get(member, default)) if request.action in actions else ()


def _of_origin(read: Callable[[Origin], object]) -> Reader:
    """A service that calls on somebody's behalf shows its own address to nobody."""

    def values(request: AccessRequest) -> Values:
        origin = request.caller.origin
        return () if origin is None or request.caller.via_service is not None else _one(read(origin))

    return values


def _encryption_algorithm(request: AccessRequest) -> Values:
    if request.action not in _SEALING:
        return ()
    member = {"kms:ReEncryptFrom": "sourceEncryptionAlgorithm", "kms:ReEncryptTo": "destinationEncryptionAlgorithm"}
    given = request.parameters.get(member.get(request.action, "encryptionAlgorithm"))
    if given is None and request.key is not None and request.key.key_spec == _SYMMETRIC:
        given = _SYMMETRIC
    return _one(given)


def _multi_region_type(key: KeyFacts) -> str | None:
    return key.multi_region_type or ("PRIMARY" if key.multi_region else None)


def _constraint_type(request: AccessRequest) -> Values:
    if request.grant is None:
        return ()
    if request.grant.context_equals is not None:
        return ("EncryptionContextEquals",)
    return ("EncryptionContextSubset",) if request.grant.context_subset is not None else ()


def _service(name: str | None) -> Values:
    return () if name is None or name.startswith("arn:") else (name,)


def _principal_type(caller: Caller) -> str:
    if caller.is_service:
        return "Service"
    if is_account_root(caller.principal):
        return "Account"
    return "User" if ":user/" in caller.principal else "AssumedRole"


def _username(request: AccessRequest) -> Values:
    """Of a user only; a role session has none."""
    _, user, path = request.caller.principal.partition(":user/")
    return (path.rsplit("/", 1)[-1],) if user else ()


def _user_id(request: AccessRequest) -> Values:
    caller = request.caller
    if caller.is_service:
        return ()
    if is_account_root(caller.principal):
        return (caller.account,)
    session = session_of(caller.principal)
    if session is not None:
        return (f"{unique_id('AROA', session[0])}:{session[1]}",)
    return (unique_id("AROA" if ":role/" in caller.principal else "AIDA", caller.principal),)


def _principal_arn(request: AccessRequest) -> Values:
    """Of a role session the role: so the public service spells it."""
    caller = request.caller
    if caller.is_service:
        return ()
    session = session_of(caller.principal)
    return (caller.principal if session is None else session[0],)


_PREFIXED: Final[Mapping[str, Callable[[AccessRequest], Pairs | None]]] = {
    "kms:encryptioncontext:": lambda request: request.context,
    "aws:principaltag/": lambda request: request.caller.tags,
    "aws:resourcetag/": lambda request: request.key.tags if request.key else None,
    "aws:requesttag/": lambda request: request.request_tags,
}

_PLAIN: Final[Mapping[str, Reader]] = {
    "kms:viaservice": lambda request: _one(request.caller.via_service),
    "kms:calleraccount": lambda request: (request.caller.account,),
    "kms:encryptioncontextkeys": lambda request: tuple(request.context or ()),
    "kms:grantoperations": lambda request: request.grant.operations if request.grant else (),
    "kms:grantconstrainttype": _constraint_type,
    # Whether a service makes the call on the principal's behalf.
    "kms:grantisforawsresource": lambda request: (
        _one(request.caller.via_service is not None) if request.action in _ABOUT_GRANTS else ()
    ),
    "kms:granteeprincipal": lambda request: _one(request.grant and request.grant.grantee_principal),
    "kms:retiringprincipal": lambda request: _one(request.grant and request.grant.retiring_principal),
    "kms:grantconstraintsourcearn": lambda request: _one(request.grant and request.grant.source_arn),
    "kms:granteeserviceprincipal": lambda request: _service(request.grant.grantee_principal) if request.grant else (),
    "kms:retiringserviceprincipal": lambda request: _service(request.grant.retiring_principal) if request.grant else (),
    "kms:keyspec": _of_key(lambda key: key.key_spec, "keySpec", _SYMMETRIC),
    "kms:keyusage": _of_key(lambda key: key.key_usage, "keyUsage", "ENCRYPT_DECRYPT"),
    "kms:keyorigin": _of_key(lambda key: key.origin, "origin", "AWS_KMS"),
    "kms:multiregion": _of_key(lambda key: key.multi_region, "multiRegion", False),
    "kms:multiregionkeytype": _of_key(_multi_region_type),
    "kms:primaryregion": _of_member("primaryRegion"),
    "kms:replicaregion": _of_member("replicaRegion"),
    "kms:requestalias": lambda request: _one(request.request_alias),
    "kms:resourcealiases": lambda request: request.key.aliases if request.key else (),
    "kms:encryptionalgorithm": _encryption_algorithm,
    "kms:signingalgorithm": _of_member("signingAlgorithm"),
    "kms:macalgorithm": _of_member("macAlgorithm"),
    "kms:keyagreementalgorithm": _of_member("keyAgreementAlgorithm"),
    "kms:messagetype": _of_member_for(_SIGNING, "messageType", "RAW"),
    "kms:datakeypairspec": _of_member("keyPairSpec"),
    "kms:rotationperiodindays": _of_member("rotationPeriodInDays"),
    "kms:schedulekeydeletionpendingwindowindays": _of_member("pendingWindowInDays"),
    "kms:expirationmodel": _of_member("expirationModel"),
    "kms:validto": _of_member("validTo"),
    "kms:wrappingalgorithm": _of_member("wrappingAlgorithm"),
    "kms:wrappingkeyspec": _of_member("wrappingKeySpec"),
    "kms:policyname": _of_member_for(_ABOUT_POLICIES, "policyName", "default"),
    "kms:bypasspolicylockoutsafetycheck": _of_member_for(_CAN_BYPASS, "bypassPolicyLockoutSafetyCheck", False),
    "aws:principalarn": _principal_arn,
    "aws:principalaccount": lambda request: () if request.caller.is_service else (request.caller.account,),
    "aws:principalservicename": lambda request: (request.caller.principal,) if request.caller.is_service else (),
    "aws:principalisawsservice": lambda request: _one(request.caller.is_service),
    "aws:principaltype": lambda request: (_principal_type(request.caller),),
    "aws:username": _username,
    "aws:userid": _user_id,
    "aws:sourceip": _of_origin(lambda origin: origin.address),
    "aws:useragent": _of_origin(lambda origin: origin.user_agent),
    "aws:securetransport": _of_origin(lambda origin: origin.is_encrypted),
    "aws:viaawsservice": lambda request: _one(request.caller.via_service is not None),
    "aws:calledvia": lambda request: _one(request.caller.via_service),
    "aws:tagkeys": lambda request: tuple(request.request_tags or ()),
    "aws:requestedregion": _of_key(lambda key: key.region),
    "aws:resourceaccount": _of_key(lambda key: key.account),
    "aws:currenttime": lambda request: (request.now.isoformat(),),
    "aws:epochtime": lambda request: (str(int(request.now.timestamp())),),
}
