"""Policies as others see them: whoever needs the key and is shut out by now, and keys whose policy nobody declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.errors import AccessDeniedException
from reconciler.model.plan import Finding
from reconciler.resources.estate import Estate
from reconciler.resources.key_policy.drift import wider_by


def survey(estate: Estate) -> Sequence[Finding]:
    """``policy-widened`` of a managed key that has no KeyPolicy, against the default policy that it was made with."""
    return list(_undeclared(estate))


def _undeclared(estate: Estate) -> Iterator[Finding]:
    declared = {row.identity for _, row in estate.of_kind("KeyPolicy")}
    for arn, (name, key) in sorted(estate.keys.items()):
        owners, service = estate.named(key.key_id), estate.policies(name)
        if not owners or arn in declared or service is None:
            continue
        try:
            document = service.get_key_policies(estate.caller(name), [arn]).get(arn)
        except AccessDeniedException:
            continue  # closed to us: told of the key itself
        wider = None if document is None else wider_by(service.default_key_policy(), document, arn, estate.now)
        if wider is not None:
            fix = f"declare a KeyPolicy for {owners[0].address} and run `reconciler apply`; until then {wider}"
            yield estate.finding(
                owners[0].address, "policy-widened", "policy", service.default_key_policy(), document, fix
            )
