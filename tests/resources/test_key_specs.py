"""Which keys a manifest may ask for: specs and usages, replicas, imported material (KM1, KM7, KM10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.resources.key.spec import USAGES, KeySpec
from reconciler.resources.spec import ProjectFiles

FROM = {"from": {"file": "secrets/orders.key"}}
EXTERNAL = {"origin": "EXTERNAL", "material": FROM}
RSA = {"keySpec": "RSA_2048", "keyUsage": "SIGN_VERIFY"}


class _NoFiles:
    def text(self, path: str) -> str:
        raise AssertionError(path)

    def sha256(self, path: str) -> str:
        raise AssertionError(path)


def read(**fields: Any) -> KeySpec:
    """As a manifest is read."""
    files = cast(ProjectFiles, _NoFiles())
    return KeySpec.model_validate({"provider": "kms", **fields}, context=files)


@pytest.mark.parametrize(("key_spec", "usage"), [(one, usage) for one, usages in USAGES.items() for usage in usages])
def test_every_spec_and_usage_that_go_together_are_read(key_spec: str, usage: str) -> None:
    found = read(keySpec=key_spec, keyUsage=usage)
    assert (found.key_spec, found.key_usage) == (key_spec, usage)
    assert KeySpec.model_validate_json(found.canonical_json()) == found


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a usage that the spec does not have": (
        {"keySpec": "HMAC_256", "keyUsage": "SIGN_VERIFY"},
        "must be GENERATE_VERIFY_MAC for a key of keySpec HMAC_256",
    ),
    "a symmetric key that signs": ({"keyUsage": "SIGN_VERIFY"}, "must be ENCRYPT_DECRYPT"),
    "secp256k1 agrees on nothing": (
        {"keySpec": "ECC_SECG_P256K1", "keyUsage": "KEY_AGREEMENT"},
        "must be SIGN_VERIFY for a key of keySpec ECC_SECG_P256K1",
    ),
    "of no other key it goes without saying what it is for": (
        {"keySpec": "RSA_2048"},
        "must be ENCRYPT_DECRYPT or SIGN_VERIFY",
    ),
    "an asymmetric key that rotates by age": (
        {**RSA, "rotation": {"every": "90d"}},
        "only SYMMETRIC_DEFAULT keys rotate",
    ),
    "an HMAC key that rotates by trigger": (
        {"keySpec": "HMAC_256", "keyUsage": "GENERATE_VERIFY_MAC", "rotation": {"trigger": "x"}},
        "only SYMMETRIC_DEFAULT keys rotate",
    ),
    "a key of imported material that rotates": (
        {**EXTERNAL, "rotation": {"every": "365d"}},
        "does not belong to a key of imported material",
    ),
    "a period that the service has not": ({"rotation": {"every": "30d"}}, "from 90d to 2560d"),
    "material of a key that the service makes": ({"material": FROM}, "belongs to a key of imported material"),
    "material from nowhere": ({"origin": "EXTERNAL", "material": {"from": {}}}, "exactly one of file, fd and command"),
    "material from two places": (
        {"origin": "EXTERNAL", "material": {"from": {"file": "a", "fd": "3"}}},
        "exactly one of file, fd and command",
    ),
    "material from above the project": (
        {"origin": "EXTERNAL", "material": {"from": {"file": "../a"}}},
        "without ..",
    ),
    "material from standard input": ({"origin": "EXTERNAL", "material": {"from": {"fd": "0"}}}, "greater than"),
    "a time that there is not": (
        {"origin": "EXTERNAL", "material": {**FROM, "expires": "2027-02-30"}},
        "must be a day",
    ),
    "a time without its zone": (
        {"origin": "EXTERNAL", "material": {**FROM, "expires": "2027-02-03T04:05:06"}},
        "must be a day",
    ),
    "a replica with a spec of its own": (
        {"replicaOf": "orders", "keySpec": "SYMMETRIC_DEFAULT"},
        "does not belong to a replica, which has it from Key/orders",
    ),
    "a replica with a rotation of its own": (
        {"replicaOf": "orders", "rotation": {"every": "90d"}},
        "does not belong to a replica",
    ),
    "a replica that is said to be multi-Region": (
        {"replicaOf": "orders", "multiRegion": "true"},
        "does not belong to a replica",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused(case: str) -> None:
    fields, why = REFUSED[case]
    with pytest.raises(ValidationError, match=why):
        read(**fields)


def test_a_replica_of_imported_material_has_its_own_import() -> None:
    found = read(replicaOf="orders", material={**FROM, "expires": "2027-01-31"}, tags={"a": "1"})
    assert found.material is not None
    assert found.material.expires == datetime(2027, 1, 31, tzinfo=UTC)


def test_what_says_nothing_stands_in_no_digest() -> None:
    """The canonical form, and with it the digest, of a key that is neither a replica nor imported stays what it was."""
    assert not {"origin", "material", "replicaOf"} & set(KeySpec(provider="kms").model_dump(by_alias=True, mode="json"))
    text = read(**EXTERNAL).canonical_json()
    assert '"origin":"EXTERNAL","material":{"from":{"file":"secrets/orders.key","fd":null},"expires":null}' in text


@given(moment=st.datetimes(datetime(1970, 1, 1), datetime(2900, 1, 1)), hours=st.integers(-12, 14))
def test_however_a_time_is_spelt_it_is_one_time(moment: datetime, hours: int) -> None:
    second = moment.replace(microsecond=0, tzinfo=UTC)
    zone = f"{'-' if hours < 0 else '+'}{abs(hours):02}:00"
    local = datetime.fromtimestamp(second.timestamp() + hours * 3600, UTC).strftime(f"%Y-%m-%dT%H:%M:%S{zone}")
    spelt = [
        read(origin="EXTERNAL", material={**FROM, "expires": text}) for text in (local, f"{second:%Y-%m-%dT%H:%M:%S}Z")
    ]
    assert spelt[0] == spelt[1]
    assert spelt[0].canonical_json() == spelt[1].canonical_json()
    assert KeySpec.model_validate_json(spelt[0].canonical_json()) == spelt[0]
