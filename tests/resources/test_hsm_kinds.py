"""HsmPartition and HsmClientCertificate: adopted and made once, changed where that is possible, never made anew in
silence (HS4, HS5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import BlockedByGuard, HsmFault, HsmUnavailable, IncompatibleHsm
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.recorded import Intent
from reconciler.providers.keys import KeyRequest
from reconciler.resources.hsm_client_certificate.kind import KIND as CERTIFICATE
from reconciler.resources.hsm_client_certificate.spec import HsmClientCertificateSpec
from reconciler.resources.hsm_partition.kind import KIND as PARTITION
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from tests.hsm_in_memory import MemoryHsm
from tests.partitions_in_memory import Token, pem, token
from tests.resources.in_memory import World, shape

AGENT = {
    "address": "hsm.example.com:8711",
    "serverCertificate": pem(b"the agent"),
    "clientCertificate": "link",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.providers["hsm"] = MemoryHsm.at(tmp_path, made.clock, made.random)
    made.apply(CERTIFICATE, "link", certificate())
    return made


def held(world: World) -> Token:
    return token(world.project)


def partition(**spec: Any) -> HsmPartitionSpec:
    given = {"provider": "hsm", "tokenLabel": "vault", "pinFrom": {"fd": 3}, **spec}
    return HsmPartitionSpec.model_validate({name: value for name, value in given.items() if value is not None})


def certificate(**spec: Any) -> HsmClientCertificateSpec:
    return HsmClientCertificateSpec.model_validate({"provider": "hsm", "commonName": "us", "validity": "90d", **spec})


def kept(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        held(world).partitions["vault"] = replace(held(world).partitions["vault"], **changes)

    return change


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the world behind our back, ``after`` is planned."""

    before: HsmPartitionSpec
    after: HsmPartitionSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None


UPDATED = ["update: reconfigure-partition"]
CASES = {
    "nothing differs: nothing to do": Case(before=partition(), after=partition(), expect=[]),
    "nothing differs behind an agent": Case(before=partition(**AGENT), after=partition(**AGENT), expect=[]),
    "another PIN source": Case(before=partition(), after=partition(pinFrom={"file": "/run/pin"}), expect=UPDATED),
    "another command for the PIN": Case(
        before=partition(pinFrom={"command": ["/bin/pin", "a"]}),
        after=partition(pinFrom={"command": ["/bin/pin", "b"]}),
        expect=UPDATED,
    ),
    "through an agent from now on": Case(before=partition(), after=partition(**AGENT), expect=UPDATED),
    "another certificate of the agent": Case(
        before=partition(**AGENT),
        after=partition(**{**AGENT, "serverCertificate": pem(b"its next one")}),
        expect=UPDATED,
    ),
    "the agent's certificate in another spelling": Case(
        before=partition(**AGENT),
        after=partition(**{**AGENT, "serverCertificate": f"text\n{pem(b'the agent')}\n"}),
        expect=[],
    ),
    "a certificate of ours that is yet to be made": Case(
        before=partition(**AGENT), after=partition(**{**AGENT, "clientCertificate": "new"}), expect=UPDATED
    ),
    "another label": Case(before=partition(), after=partition(tokenLabel="crypt"), expect=UPDATED),
    "the slot moved, and the label finds it": Case(
        before=partition(), behind=kept(slot=99, serial="0009"), after=partition(), expect=[]
    ),
    "by its slot": Case(before=partition(), after=partition(tokenLabel=None, slot=3), expect=UPDATED),
    "a rule": Case(before=partition(), after=partition(allowUnenforced=True), expect=UPDATED),
    "how moves are verified": Case(before=partition(), after=partition(verify="connection-only"), expect=UPDATED),
    "another name": Case(before=partition(), after=partition(externalName="other"), expect=["blocked: rename"]),
    "what was kept of it is gone: not adopted anew in silence": Case(
        before=partition(),
        behind=lambda world: held(world).partitions.clear(),
        after=partition(),
        expect=["blocked: key-missing"],
    ),
    "another partition under its name: left alone": Case(
        before=partition(), behind=kept(uid="another"), after=partition(), expect=["blocked: other-object"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_partition_that_exists(world: World, case: Case) -> None:
    world.apply(PARTITION, "vault", case.before)
    case.behind(world)
    verdict = world.plan(PARTITION, "vault", case.after)

    assert shape(verdict) == case.expect
    assert all(block.way_out for block in verdict.blocked)
    if verdict.operations:
        world.apply(CERTIFICATE, "new", certificate())
        world.apply(PARTITION, "vault", case.after)
        assert shape(world.plan(PARTITION, "vault", case.after)) == []


def test_a_reconfiguration_that_fails_leaves_it_as_it_was(world: World) -> None:
    world.apply(PARTITION, "vault", partition())
    held(world).faults["vault"] = HsmFault.REINITIALISED
    verdict = world.plan(PARTITION, "vault", partition(pinFrom={"fd": 4}))
    with pytest.raises(IncompatibleHsm) as failed:
        world.carry_out(Address("HsmPartition/vault"), None, verdict.operations)

    assert "our marker key is not in it" in str(failed.value.suggestion)
    assert failed.value.address == "HsmPartition/vault"
    assert held(world).partitions["vault"].pin_from.fd == 3


def test_a_provider_that_knows_the_exact_lines_is_not_talked_over(world: World) -> None:
    class Telling(MemoryHsm):
        def create_partition(self, *given: Any, **asked: Any) -> Any:
            raise HsmUnavailable("not listed", fault=HsmFault.MODULE_UNUSABLE, suggestion="Write these lines: …")

    world.providers["hsm"].__class__ = Telling
    verdict = world.plan(PARTITION, "vault", partition())
    with pytest.raises(HsmUnavailable) as failed:
        world.carry_out(Address("HsmPartition/vault"), None, verdict.operations)
    assert failed.value.suggestion == "Write these lines: …"


def intent(address: str, step: str, token: str) -> Intent:
    facts: Mapping[str, Any] = {}
    return Intent(
        number=1, address=Address(address), uid="u", provider="hsm", step=step, verb="create", token=token, facts=facts
    )


def test_what_an_interrupted_step_made_is_found_by_its_token(world: World) -> None:
    """I10."""
    world.apply(PARTITION, "vault", partition())
    made = {name: token for token, name in held(world).tokens.items()}

    assert PARTITION.recover(intent("HsmPartition/vault", "adopt-partition", made["vault"]), world) == dict(
        world.rows[Address("HsmPartition/vault")].attributes
    )
    assert CERTIFICATE.recover(intent("HsmClientCertificate/link", "make-certificate", made["link"]), world) == dict(
        world.rows[Address("HsmClientCertificate/link")].attributes
    )
    for kind, address, step in (
        (PARTITION, "HsmPartition/vault", "adopt-partition"),
        (CERTIFICATE, "HsmClientCertificate/link", "make-certificate"),
    ):
        assert kind.recover(intent(address, step, "never used"), world) is None
        assert kind.recover(intent(address, "another-step", made["vault"]), world) is None


def test_a_partition_that_came_into_use_since_the_plan_is_not_released(world: World) -> None:
    """The census is asked once more right before (CONTRACT 5)."""
    world.apply(PARTITION, "vault", partition())
    (removal,) = world.plan(PARTITION, "vault", None).operations
    assert removal.cuts_off == (held(world).partitions["vault"].arn,)
    assert all(not step.reversible for step in removal.steps)
    provider = world.providers["hsm"]
    assert isinstance(provider, MemoryHsm)
    who = removal.steps[0].caller(world)  # type: ignore[attr-defined]  # a step of a resource
    provider.create_key(who, KeyRequest(partition="vault"), token="meanwhile")
    for step in removal.steps:
        with pytest.raises(BlockedByGuard):
            step.run(world)
    held(world).keys.clear()
    world.carry_out(Address("HsmPartition/vault"), None, [removal], times=2)
    assert held(world).partitions == {}
    assert Address("HsmPartition/vault") not in world.rows


# --- certificates ----------------------------------------------------------------------------------------------------

CHANGES = {
    "nothing differs": (certificate(), []),
    "another name in it": (certificate(commonName="them"), ["blocked: fixed-attribute"]),
    "another validity": (certificate(validity="180d"), ["blocked: fixed-attribute"]),
    "another name": (certificate(externalName="other"), ["blocked: rename"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_certificate_that_exists(what: str, world: World) -> None:
    desired, expect = CHANGES[what]
    assert shape(world.plan(CERTIFICATE, "link", desired)) == expect


def test_a_certificate_that_is_gone_is_made_again_and_is_to_be_registered_again(world: World) -> None:
    before = held(world).certificates.pop("link")
    verdict = world.apply(CERTIFICATE, "link", certificate())

    assert shape(verdict) == ["create: make-certificate"]
    assert "private key and all" in verdict.operations[0].reason
    assert "--pem" in verdict.operations[0].steps[0].summary
    assert held(world).certificates["link"].fingerprint != before.fingerprint


ENDS = {"in 31 days": (59, 0), "in 30 days": (60, 1), "tomorrow": (89, 1), "yesterday": (91, 1)}


@pytest.mark.parametrize("what", ENDS)
def test_a_certificate_is_told_of_within_thirty_days_of_its_end(what: str, world: World) -> None:
    days, warnings = ENDS[what]
    due = CERTIFICATE.due_at(certificate(), {}, world.observe(CERTIFICATE, Address("HsmClientCertificate/link")))  # type: ignore[arg-type]
    world.clock.advance(days=days)
    found = world.plan(CERTIFICATE, "link", certificate())

    assert (shape(found), len(found.warnings)) == ([], warnings)
    assert due is not None
    assert (due <= world.clock.now().timestamp()) is bool(warnings)
    assert [one.drift_class for one in world.drift(CERTIFICATE, "link")] == ["certificate-expiring"] * warnings


def test_an_agents_certificate_that_ends_soon_is_warned_of(world: World) -> None:
    held(world).server_not_after = world.clock.now() + timedelta(days=29)
    world.apply(PARTITION, "vault", partition(**AGENT))
    (warning,) = world.plan(PARTITION, "vault", partition(**AGENT)).warnings

    assert "spec.serverCertificate" in warning


def test_removing_them(world: World) -> None:
    verdict = world.apply(CERTIFICATE, "link", None)
    assert shape(verdict) == ["delete: delete-certificate"]
    assert held(world).certificates == {}
    world.apply(CERTIFICATE, "link", certificate())
    held(world).certificates.clear()
    assert world.plan(CERTIFICATE, "link", None).action is Action.FORGET
