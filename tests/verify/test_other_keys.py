"""Keys that sign, encrypt for one, authenticate and agree: proved by what they make (KM1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.model.address import Address
from reconciler.providers.keys import KeyDescription, KeyRequest
from reconciler.providers.proofs import Check, Result
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.other_uses import try_use
from reconciler.resources.key.spec import USAGES
from reconciler_softkms.provider import SoftKms
from tests.verify.estate import Estate
from tests.world import World, document, provider

KINDS = [(key_spec, usage) for key_spec, usages in USAGES.items() for usage in usages if not key_spec.startswith("SYM")]
PLAIN = {"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "HMAC_224", "HMAC_512"}


@contextmanager
def service(folder: Path) -> Iterator[tuple[SoftKms, Caller]]:
    world = World(folder / "project")
    world.declare(provider())
    with world.session() as session:
        found = key_provider(session, "kms")
        assert isinstance(found, SoftKms)
        yield found, caller(session, "kms")


@pytest.mark.parametrize(("key_spec", "usage"), [one for one in KINDS if one[0] in PLAIN])
def test_what_a_key_makes_it_takes_back_and_nothing_else(key_spec: str, usage: str, tmp_path: Path) -> None:
    with service(tmp_path) as (kms, who):
        key = kms.create_key(who, KeyRequest(key_spec=key_spec, key_usage=usage), token="t")
        checks = list(try_use(kms, who, key, b"canary")())
    assert {check.result for check in checks} == {Result.PROVED}
    assert len(checks) == (1 if usage == "KEY_AGREEMENT" else 2)


class Careless:
    """A key service that takes back whatever it is given, or gives back something else."""

    def __init__(self, answers: Mapping[str, dict[str, Any]]) -> None:
        self.answers = answers

    operations = ()

    def answer(self, caller: Caller, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self.answers[operation]


CARELESS: dict[str, tuple[str, str, dict[str, dict[str, Any]], str]] = {
    "a signature of anything is valid": (
        *("RSA_2048", "SIGN_VERIFY"),
        {"Sign": {"Signature": "AAAA"}, "Verify": {}},
        "takes back what it did not make",
    ),
    "so is a code": (
        *("HMAC_256", "GENERATE_VERIFY_MAC"),
        {"GenerateMac": {"Mac": "AAAA"}, "VerifyMac": {}},
        "takes back what it did not make",
    ),
    "another plaintext comes back": (
        *("RSA_2048", "ENCRYPT_DECRYPT"),
        {"Encrypt": {"CiphertextBlob": "AAAA"}, "Decrypt": {"Plaintext": "AAAA"}},
        "does not give back what went in",
    ),
}


@pytest.mark.parametrize("case", CARELESS)
def test_a_service_that_checks_nothing_is_found_out(case: str, tmp_path: Path) -> None:
    key_spec, usage, answers, why = CARELESS[case]
    with service(tmp_path) as (kms, who):
        key: KeyDescription = kms.create_key(who, KeyRequest(key_spec=key_spec, key_usage=usage), token="t")
    checks: list[Check] = list(try_use(Careless(answers), who, key, b"canary")())
    assert any(why in (check.failure or "") for check in checks)


MANIFESTS = (
    provider()
    + document("Key", "plain")
    + document("Key", "signs", keySpec="ECC_NIST_P256", keyUsage="SIGN_VERIFY")
    + document("Key", "codes", keySpec="HMAC_256", keyUsage="GENERATE_VERIFY_MAC")
    + document("Key", "rest", keySpec="HMAC_256", keyUsage="GENERATE_VERIFY_MAC", enabled="false")
    + document("Alias", "signs", key="signs")
)


def test_every_sort_of_key_and_an_alias_of_it_is_proved(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(MANIFESTS)
    world.apply()
    estate = Estate(world)
    assert not estate.failures()
    with world.session() as session:
        kms = key_provider(session, "kms")
        assert isinstance(kms, SoftKms)
        kms.disable_key(caller(session, "kms"), str(session.attributes(Address("Key/signs"))["arn"]))
    assert set(estate.failures()) == {"Key/signs"}
