"""One request inside the door: finding the key it names, deciding whether it may go on, and what is recorded of it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision, Effect, Source, decide, decide_identity, decide_owned
from reconciler.access.grants import Grant, grantee_spellings
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import session_of
from reconciler.access.request import AccessRequest, KeyFacts
from reconciler.errors import AccessDeniedException, InvalidArnException, NotFoundException, ServiceError
from reconciler_softkms import audit_log, decisions, due, grant_rows, grant_tokens, rows, sharing
from reconciler_softkms.remembered import Decided, Remembered, is_timeless
from reconciler_softkms.rows import KeyRow, Names, as_of, microseconds
from reconciler_softkms.states import is_gone

if TYPE_CHECKING:
    from reconciler_softkms.door import Door

_NOTHING: Mapping[str, Any] = {}
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-fA-F]{32}")
_NAME = re.compile(r"[\w:/-]{1,2048}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key/[\w-]+|alias/[\w:/-]+)")


_ARN_PARTS: Final = 6
_ACROSS_ACCOUNTS: Final = frozenset(
    {
        *("CreateGrant", "DescribeKey", "GetKeyRotationStatus", "GetPublicKey", "ListGrants", "RetireGrant"),
        *("RevokeGrant", "Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify", "GenerateMac", "VerifyMac"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DeriveSharedSecret"),
        *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
    }
)
"""The operations that a key of another account can be used in (KM7); the others are for keys of one's own."""

_BASED = {Source.KEY_POLICY: "resource", Source.IDENTITY_POLICY: "identity"}
"""What a kind of policy is based on, in the public service's words."""


@lru_cache(maxsize=16384)
def policy_of(text: str) -> Policy:
    """A kept policy, ready to decide with; parsed once per process and text."""
    return parse_policy(json.loads(text))


@dataclass(slots=True, kw_only=True)
class Request:
    """``parameters`` and ``response`` are what the audit record shows; ``key_arns`` the keys concerned.
    ``only_looks``: nothing is done by the way. ``unsettled`` are the keys that other Regions are to hear of
    (``siblings``); ``shares``: because of this very request. ``remembered`` is what was read before, None where the
    request may see what is not committed. ``decisions`` were made for it, as its record tells them; ``decided`` is
    the last of them, if it is remembered."""

    door: Door
    caller: Caller
    name: str
    time: datetime
    parameters: dict[str, Any] | None
    connection_if_any: sqlite3.Connection | None = None
    response: Mapping[str, Any] | None = None
    key_arns: list[str] = field(default_factory=list)
    swept: list[tuple[str, Sequence[str]]] | None = None
    now: int = 0
    only_looks: bool = False
    unsettled: list[str] = field(default_factory=list)
    shares: bool = False
    remembered: Remembered | None = None
    decisions: list[str] = field(default_factory=list)
    decided: Decided | None = None

    def __post_init__(self) -> None:
        self.now = microseconds(self.time)

    @property
    def connection(self) -> sqlite3.Connection:
        """The store. NotFoundException when there is none yet, so nothing that a request could name is there."""
        if self.connection_if_any is None:
            raise NotFoundException(f"There is no key yet in {self.names.prefix.rstrip(':')}")
        return self.connection_if_any

    @property
    def names(self) -> Names:
        """ARNs of the account and Region."""
        return self.door.names

    def find(self, key_id: str, *, by_alias: bool = False) -> KeyRow | None:
        """The key of that id or ARN (``by_alias``: or alias name or alias ARN), None when there is none.
        InvalidArnException for what only looks like an ARN."""
        if self.connection_if_any is None:
            return None
        local = self.local_name(key_id)
        if local is None:
            return None
        if local.startswith("alias/"):
            row = rows.key_by_alias(self.connection, local) if by_alias else None
        else:
            row = self._row(local)
        return None if row is None or is_gone(row, self.now) else as_of(row, self.now)

    def key(self, key_id: str, *, by_alias: bool = False, as_is: bool = False) -> KeyRow:
        """As ``find``; NotFoundException. The key is noted for the record. ``as_is``: what is due is not done."""
        row = self.find(key_id, by_alias=by_alias)
        if row is None:
            raise self._another_accounts(key_id) or self._not_found(key_id, by_alias=by_alias)
        self.key_arns.append(self.names.key_arn(row.key_id))
        is_quiet = as_is or self.only_looks
        return row if is_quiet or (row.rotation_at is None and not row.unsettled) else self._by_the_way(row)

    def share(self, row: KeyRow) -> None:
        """The request changes what the Regions of a multi-Region key share: count it, and let them know afterwards."""
        if row.replicas != "[]":
            sharing.count_change(self.connection, row)
            self.unsettled.append(row.key_id)
            self.shares = True

    def _by_the_way(self, row: KeyRow) -> KeyRow:
        """What is due of a key that is asked for."""
        if due.is_due(row, self.names.region, self.now):
            row = due.rotate_due(self.door, self.connection, row, self.now)
        if row.unsettled:
            self.unsettled.append(row.key_id)
        return row

    def sweep(self, key_ids: Iterable[str], *, by_alias: bool = False) -> Iterator[tuple[str, KeyRow]]:
        """Those of the keys that exist, with the name they were asked by: one query for all ids and ARNs, and one
        record for each key that was gone through."""
        self.swept = []
        if self.connection_if_any is None:
            return
        wanted = [(key_id, self.local_name(key_id)) for key_id in key_ids]
        found = rows.keys_by_ids(self.connection, [name for _, name in wanted if name and "/" not in name])
        for key_id, name in wanted:
            row = found.get(name or "") or (self.find(key_id, by_alias=by_alias) if name and "/" in name else None)
            if row is not None and not is_gone(row, self.now):
                arn = self.names.key_arn(row.key_id)
                self.key_arns[:] = [arn]
                self.parameters = {"keyId": arn}
                yield key_id, as_of(row, self.now)
                self.swept.append((arn, tuple(self.decisions)))
                self.decisions.clear()

    def local_name(self, key_id: str) -> str | None:
        """A key id or ``alias/name`` of this store, from any way to write it; None when it is another store's.
        InvalidArnException."""
        return _local_name(self.names.prefix, key_id)

    def authorize(self, row: KeyRow, action: str, **facts: Any) -> None:
        """Go on only if ``action`` (``kms:Decrypt``) on the key is allowed; ``facts`` are fields of ``AccessRequest``.
        AccessDeniedException names what decided, or the closest miss."""
        for token in self.caller.grant_tokens:
            grant_tokens.grant_id(self.door.store, token)
        decided = self._decided(row, action, facts)
        self.decisions.append(decided.told)
        if not decided.decision.allowed:
            raise self._denied(action, self.names.key_arn(row.key_id), decided.decision)

    def decision(self, row: KeyRow, action: str, policy: Policy | None = None, **facts: Any) -> Decision:
        """What ``authorize`` decides; ``policy`` in place of the key's own, to try one out."""
        if row.owner is not None:
            request = self._asked(action, self._facts(row), facts)
            return decide_owned(request, row.owner)
        policy = policy or policy_of(row.policy or "")
        key = self._facts(row, with_aliases=policy.asks_for("kms:resourcealiases"))
        request = self._asked(action, key, facts)
        return decide(
            request, policy, self.door.identity_policies(self.caller), self._grants(row, facts.get("context"))
        )

    def _asked(self, action: str, key: KeyFacts | None, facts: Mapping[str, Any]) -> AccessRequest:
        shown = self.parameters or _NOTHING
        return AccessRequest(caller=self.caller, action=action, now=self.time, key=key, parameters=shown, **facts)

    def authorize_account(self, action: str, **facts: Any) -> None:
        """Go on only if the caller's own policies allow ``action`` on the account; ``facts`` are fields of
        ``AccessRequest``. AccessDeniedException."""
        request = self._asked(action, None, facts)
        decision = decide_identity(request, self.door.identity_policies(self.caller))
        self.decisions.append(decisions.told(action, decision))
        if not decision.allowed:
            raise self._denied(action, request.resource or "*", decision)

    def audit_rows(self, error: ServiceError | None) -> list[audit_log.Row]:
        """The record of the request; of a sweep, one for each key."""
        out = []
        if self.swept is not None:
            for arn, told in self.swept:
                (ids,) = audit_log.fresh_ids(self.door.random, 1)
                one = {"keyId": arn}
                out.append(
                    audit_log.row(
                        now=self.now,
                        name=self.name,
                        caller=self.caller,
                        key_arns=[arn],
                        parameters=one,
                        ids=ids,
                        decisions=told,
                    )
                )
            if error is None:
                return out
        ids = self.door.random.bytes(2 * audit_log.ID_BYTES)
        out.append(audit_log.with_ids(self.now, self.caller, ids, self._said(error)))
        return out

    def _said(self, error: ServiceError | None) -> audit_log.Said:
        """What the record says: of a use that was let in and asked one question, all that stands in it stands in that
        question, and the next that asks the same says the same."""
        is_usual = error is None and self.response is None and len(self.decisions) == len(self.key_arns) == 1
        decided = self.decided if is_usual else None
        known = None if decided is None else decided.said
        if known is not None and known[0] == self.name and known[4] == self.key_arns[0]:
            return known
        said = audit_log.said(
            name=self.name,
            caller=self.caller,
            key_arns=self.key_arns,
            parameters=self.parameters,
            response=self.response,
            error_code=error.code if error else None,
            error_message=error.summary if error else None,
            decisions=self.decisions,
        )
        if decided is not None:
            decided.said = said
        return said

    def _row(self, key_id: str) -> KeyRow | None:
        if self.remembered is not None:
            return self.remembered.row(key_id, rows.key_by_id)
        return rows.key_by_id(self.connection, key_id)

    def _decided(self, row: KeyRow, action: str, facts: Mapping[str, Any]) -> Decided:
        """The decision and how it is told: remembered, where nothing but what the question holds has a part in it."""
        remembered = self.remembered
        question = (
            None
            if remembered is None
            else decisions.question(self.caller, row.key_id, action, facts, self.parameters or _NOTHING)
        )
        if question is None or remembered is None:
            return self._decided_anew(row, action, facts)
        identity = self.door.identity_policies(self.caller)
        found = remembered.decided(question, identity)
        if found is None:
            found = self._decided_anew(row, action, facts)
            policies = identity if row.owner is not None else (policy_of(row.policy or ""), *identity)
            if not all(is_timeless(policy) for policy in policies):
                return found
            remembered.keep(question, identity, found)
        self.decided = found
        return found

    def _decided_anew(self, row: KeyRow, action: str, facts: Mapping[str, Any]) -> Decided:
        decision = self.decision(row, action, **facts)
        return Decided(decision, decisions.told(action, decision))

    def _facts(self, row: KeyRow, *, with_aliases: bool = False) -> KeyFacts:
        return KeyFacts(
            arn=self.names.key_arn(row.key_id),
            account=self.names.account,
            region=self.names.region,
            key_spec=row.key_spec,
            key_usage=row.key_usage,
            origin=row.origin,
            multi_region=bool(row.multi_region),
            multi_region_type=_multi_region_type(row, self.names.region),
            aliases=rows.aliases_of(self.connection, row.key_id) if with_aliases else (),
            tags=json.loads(row.tags) if row.tags != "{}" else _NOTHING,
        )

    def _grants(self, row: KeyRow, context: Mapping[str, str] | None) -> Iterator[Grant]:
        """Grants on the key whose grantee can be the caller; drawn only when no policy decides."""
        principal = self.caller.principal
        spellings, session = grantee_spellings(principal, self.caller.account, self.names.region), session_of(principal)
        role = None if session is None else session[0]
        return grant_rows.for_grantee(self.connection, row.key_id, spellings, context, role=role)

    def _another_accounts(self, key_id: str) -> AccessDeniedException | None:
        """Most operations are for keys of one's own account: on another's, no permission has any effect, whether there
        is such a key or not. None where that is not so."""
        parts = key_id.split(":")
        names = self.names
        if self.name in _ACROSS_ACCOUNTS or len(parts) < _ARN_PARTS or parts[3:5] == [names.region, names.account]:
            return None
        if parts[3] != names.region:
            return None
        what = f"User: {self.caller.principal} is not authorized to perform: kms:{self.name} on resource: {key_id}"
        refused = AccessDeniedException(
            f"{what} because {self.name} is for keys of one's own account, whatever the policies of another say",
            suggestion=f"Call as a principal of account {parts[4]}.",
        )
        refused.publicly = f"{what} because no resource-based policy allows the kms:{self.name} action"
        return refused

    def _not_found(self, key_id: str, *, by_alias: bool) -> NotFoundException:
        """In the public service's words."""
        here = f"This key service holds the keys of account {self.names.account} in {self.names.region}"
        look = f"{here}: check the name, and that its home is the one that the key was made in."
        if key_id.startswith("alias/") and by_alias:
            return NotFoundException(f"Alias {self.names.alias_arn(key_id)} is not found.", suggestion=look)
        if not key_id.startswith("arn:"):
            if _ID.fullmatch(key_id) is None:
                return NotFoundException(f"Invalid keyId '{key_id}'", suggestion=look)
            return NotFoundException(f"Key '{self.names.key_arn(key_id)}' does not exist", suggestion=look)
        region = key_id.split(":")[3]
        if region != self.names.region:
            return NotFoundException(
                f"Invalid arn {region}", suggestion=f"{here}: ask in the Region of the ARN, or name a Provider of it."
            )
        if not key_id.startswith(self.names.prefix):
            look = f"{here}: name a Provider of the ARN's account and Region."
        if ":alias/" in key_id:
            return NotFoundException(f"Alias {key_id} is not found.", suggestion=look)
        return NotFoundException(f"Key '{key_id}' does not exist", suggestion=look)

    def _denied(self, action: str, resource: str, decision: Decision) -> AccessDeniedException:
        caller = self.caller
        via = f" through {caller.via_service}" if caller.via_service else ""
        what = f"User: {caller.principal} is not authorized to perform: {action} on resource: {resource}"
        if decision.effect is Effect.EXPLICIT_DENY:
            based = _BASED[decision.source]
            cause = public = f"with an explicit deny in {'an' if based == 'identity' else 'a'} {based}-based policy"
            cause += ":"
        else:
            cause, public = "because", f"because no {_BASED[decision.lacks]}-based policy allows the {action} action"
        refused = AccessDeniedException(
            f"{what}{via} {cause} {decision.reason}",
            suggestion="Let the key policy or a grant allow it, or call as another principal (--as).",
        )
        refused.publicly = f"{what} {public}"
        return refused


def _multi_region_type(row: KeyRow, region: str) -> str | None:
    if not row.multi_region:
        return None
    return "PRIMARY" if row.primary_region in (None, region) else "REPLICA"


@lru_cache(maxsize=16384)
def _local_name(prefix: str, key_id: str) -> str | None:
    if not key_id.startswith("arn:"):
        return key_id if _NAME.fullmatch(key_id) else None
    if not _ARN.fullmatch(key_id):
        raise InvalidArnException(f'"{key_id}" is not the ARN of a key or alias')
    return key_id.removeprefix(prefix).removeprefix("key/") if key_id.startswith(prefix) else None
