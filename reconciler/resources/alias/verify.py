"""Proof that an alias leads to the declared key: by what is wrapped under its name, not by what is listed."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, ReconcilerError
from reconciler.model.ports import Services
from reconciler.providers.keys import KeyProvider
from reconciler.providers.proofs import DENIED, ROUND_TRIPS, THERE, Check, Witness, failed, unprotected
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.alias.observe import AliasObservation
from reconciler.resources.alias.spec import AliasSpec
from reconciler.resources.kind import VerifyInput

_CONTEXT = {"reconciler:verify": "alias"}
_CANARY = 32


def verify(given: VerifyInput[AliasSpec, AliasObservation], services: Services, witness: Witness) -> Iterable[Check]:
    """What is encrypted under the alias opens under the declared key. A principal that may not use the key asks for its
    description instead."""
    keys, who, name = key_provider(services, given.provider), caller(services, given.provider), given.attributes["id"]
    declared = given.attributes["arn"] if given.spec is None else given.spec.key.arn_in(services)
    found = keys.describe_keys(who, [str(name)]).get(str(name))
    if found is None:
        return [
            unprotected(ROUND_TRIPS, f"no key answers to {name}", "Run `reconciler plan`: it makes the name again.")
        ]
    if given.spec is not None and found.arn != declared:
        wrong = f"{name} leads to {found.arn}, and is declared to lead to {declared}"
        fix = "Run `reconciler plan`: it lets the name lead to the declared key. Find out who changed it."
        return [unprotected(ROUND_TRIPS, wrong, fix)]
    if found.key_spec != "SYMMETRIC_DEFAULT":
        return [Check(what=THERE)]  # what such a key does is proved of the key
    return _round_trip(keys, who, str(name), found.arn, services.random.bytes(_CANARY))


def _round_trip(keys: KeyProvider, who: Caller, name: str, arn: str, canary: bytes) -> Iterable[Check]:
    try:
        wrapped = keys.encrypt(who, name, canary, _CONTEXT)
        with keys.decrypt(who, wrapped, _CONTEXT, key_id=arn).plaintext as back:
            if bytes(back.expose_key_bytes()) != canary:
                return [
                    unprotected(ROUND_TRIPS, f"{name} does not give back what went in", "Report it: data would go.")
                ]
    except AccessDeniedException:
        # The principal may not use the key at all; where the name leads is seen above.
        return [Check(what=THERE), Check(what=DENIED)]
    except ReconcilerError as error:
        return [failed(ROUND_TRIPS, error, "Run `reconciler plan`: it says what became of the key.")]
    return [Check(what=THERE), Check(what=ROUND_TRIPS)]
