"""One request as the policy language sees it: who, what, on which key, and what condition keys are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.access.caller import Caller

Values = tuple[str, ...]
Pairs = Mapping[str, str]
_NOTHING: Mapping[str, Values] = {}
_NO_PARAMETERS: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a decision may need of the key. ``aliases`` and ``tags`` may be left out where no policy asks for them
    (``Policy.asks_for``). ``multi_region_type`` is PRIMARY or REPLICA, None for a key of one Region."""

    arn: str
    account: str
    region: str
    key_spec: str = "SYMMETRIC_DEFAULT"
    key_usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    multi_region: bool = False
    multi_region_type: str | None = None
    aliases: Values = ()
    tags: Pairs = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What a grant allows, whom, and under which encryption context (KM3); with ``source_arn``, for which resource."""

    grantee_principal: str
    operations: tuple[str, ...]
    retiring_principal: str | None = None
    context_subset: Pairs | None = None
    context_equals: Pairs | None = None
    source_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """``action`` is ``kms:Decrypt`` and the like. ``key`` is None for requests on the account (``kms:CreateKey``);
    ``resource`` is then the ARN asked about, where there is one (an alias, an IAM user).

    ``context`` is the encryption context; for ``kms:CreateGrant`` the one of the constraint. ``grant`` are the terms
    of the grant asked for. ``parameters`` are the request's members as its audit record shows them
    (``rotationPeriodInDays``): condition keys about them are read from there. ``attributes`` are further condition keys
    by lower-case name (``kms:reencryptonsamekey``), and count before anything else. Where the request comes from, and
    its principal's tags, are the caller's (``Caller.origin``, ``Caller.tags``).
    """

    caller: Caller
    action: str
    now: datetime
    key: KeyFacts | None = None
    resource: str | None = None
    context: Pairs | None = None
    grant: GrantTerms | None = None
    request_alias: str | None = None
    request_tags: Pairs | None = None
    parameters: Mapping[str, object] = field(default_factory=lambda: _NO_PARAMETERS)
    attributes: Mapping[str, Values] = field(default_factory=lambda: _NOTHING)
