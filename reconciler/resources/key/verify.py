"""Proof that a key does what its state says: opens what it wrapped, for nobody under another name or context (KM4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    DisabledException,
    KMSInvalidStateException,
    NotFoundException,
    ReconcilerError,
)
from reconciler.model.ports import Services
from reconciler.providers.keys import KeyDescription, KeyProvider, KeyState
from reconciler.providers.proofs import DENIED, REFUSALS, REFUSED, ROUND_TRIPS, Check, Witness, failed, unprotected
from reconciler.providers.requests import AnswersRequests
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.other_uses import try_use
from reconciler.resources.key.spec import SYMMETRIC, KeySpec
from reconciler.resources.kind import VerifyInput

_CONTEXT = {"reconciler:verify": "key"}
_CANARY = 32
_OTHERS = 2
_REPORT = "Do not trust this key service with data: it does not check what it opens. Report it."


def verify(given: VerifyInput[KeySpec, KeyObservation], services: Services, witness: Witness) -> Iterator[Check]:
    """An enabled key: a canary there and back, refused under another context and under other keys. A disabled one, or
    one that waits for its deletion: refused. Where the principal may not use the key, that is what is proved."""
    keys, who = key_provider(services, given.provider), caller(services, given.provider)
    arn = str(given.attributes["arn"])
    found = keys.describe_keys(who, [arn]).get(arn)
    if found is None and _is_over(given, services):
        yield Check(what=REFUSALS)
        return
    if found is None:
        yield unprotected(ROUND_TRIPS, f"the key {arn} is gone", "Run `reconciler blast-radius` on it, then plan.")
        return
    yield from _as_declared(given, found)
    try:
        proofs = _tried(keys, who, found, services.random.bytes(_CANARY), witness)
    except AccessDeniedException:
        yield Check(what=DENIED)
        return
    except (DisabledException, KMSInvalidStateException, NotFoundException) as error:
        if found.state is KeyState.ENABLED:
            yield failed(ROUND_TRIPS, error, "Run `reconciler plan`: it says what became of the key.")
        else:
            yield Check(what=REFUSALS)
        return
    if found.state is not KeyState.ENABLED:
        yield unprotected(ROUND_TRIPS, f"the key {arn} is {found.state}, and can be used all the same", _REPORT)
        return
    yield from proofs()


def _tried(
    keys: KeyProvider, who: Caller, key: KeyDescription, canary: bytes, witness: Witness
) -> Callable[[], Iterable[Check]]:
    """Use the key once; what is answered proves the rest. Whatever refuses that use is raised."""
    if key.key_spec != SYMMETRIC:
        if not isinstance(keys, AnswersRequests):
            return list  # it does not say how such a key is asked
        taken_back = try_use(keys, who, key, canary)
        return lambda: _proved(taken_back)
    wrapped = keys.encrypt(who, key.arn, canary, _CONTEXT)
    others = list(witness.other_keys(key.arn))[:_OTHERS]
    return lambda: _symmetric(keys, who, wrapped, canary, arn=key.arn, others=others)


def _symmetric(
    keys: KeyProvider, who: Caller, wrapped: bytes, canary: bytes, *, arn: str, others: Sequence[str]
) -> Iterator[Check]:
    yield _opened(keys, who, wrapped, canary, arn=arn)
    yield from _refused(keys, who, wrapped, {arn: {**_CONTEXT, "reconciler:verify": "another"}}, arn)
    yield from _refused(keys, who, wrapped, dict.fromkeys(others, _CONTEXT), arn)


def _is_over(given: VerifyInput[KeySpec, KeyObservation], services: Services) -> bool:
    """Whether an apply of ours sent the key away, and its deletion window is over."""
    date = given.attributes.get("deletion_date")
    return date is not None and datetime.fromisoformat(str(date)) <= services.clock.now()


def _as_declared(given: VerifyInput[KeySpec, KeyObservation], found: KeyDescription) -> Iterable[Check]:
    if given.attributes.get("deletion_date") is not None:
        return  # its manifest is gone, and an apply of ours has sent it away: nothing is declared of it any more
    if found.state is KeyState.PENDING_IMPORT and (given.spec is None or given.spec.material is None):
        return  # its material is for others to import
    if given.spec is not None and given.spec.enabled and found.state is not KeyState.ENABLED:
        deletion = "" if found.deletion_date is None else f" until {found.deletion_date:%Y-%m-%d}, when it is destroyed"
        wrong = (
            f"the key {found.arn} is declared enabled, and is {found.state}{deletion}: what it protects is out of reach"
        )
        yield unprotected(ROUND_TRIPS, wrong, "Run `reconciler apply`: it enables the key, or calls it back.")
    if given.spec is not None and not given.spec.enabled and found.state is KeyState.ENABLED:
        wrong = f"the key {found.arn} is declared disabled, and is {found.state}"
        yield unprotected(ROUND_TRIPS, wrong, "Run `reconciler apply`: it disables the key. Find out who enabled it.")


def _proved(taken_back: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from taken_back()
    except AccessDeniedException:
        yield Check(what=DENIED)  # a principal that may sign and not verify: its policy's doing
    except ReconcilerError as error:
        yield failed(ROUND_TRIPS, error, "Run `reconciler plan`: it says what became of the key.")


def _opened(keys: KeyProvider, who: Caller, wrapped: bytes, canary: bytes, *, arn: str) -> Check:
    try:
        with keys.decrypt(who, wrapped, _CONTEXT, key_id=arn).plaintext as back:
            if bytes(back.expose_key_bytes()) == canary:
                return Check(what=ROUND_TRIPS)
    except AccessDeniedException:
        return Check(what=DENIED)  # a principal that may wrap and not unwrap: its policy's doing
    except ReconcilerError as error:
        return failed(ROUND_TRIPS, error, "Run `reconciler plan`: it says what became of the key.")
    return unprotected(ROUND_TRIPS, f"the key {arn} does not give back what it wrapped", _REPORT)


def _refused(
    keys: KeyProvider, who: Caller, wrapped: bytes, attempts: Mapping[str, Mapping[str, str]], arn: str
) -> Iterator[Check]:
    for key_id, context in attempts.items():
        try:
            keys.decrypt(who, wrapped, context, key_id=key_id).plaintext.wipe()
        except REFUSED:
            yield Check(what=REFUSALS)
        else:
            how = "under another context" if key_id == arn else f"under {key_id}"
            yield unprotected(REFUSALS, f"what the key {arn} wrapped opens {how} too", _REPORT)
