"""Imported material and keys of several Regions, a test class each; see ``key_contract`` for how to inherit them.

``ReplicatesKeysContract`` asks for a fixture more: ``elsewhere``, a key service of the same account in another Region.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    NotFoundException,
    ServiceError,
    UnsupportedOperationException,
)
from reconciler.providers.key_material import ImportParameters, ReplicaRequest
from reconciler.providers.keys import KeyDescription, KeyRequest, KeyState
from reconciler.testing.fakes import ManualClock
from reconciler.testing.key_contract import CONTEXT, described, new_key, tokens

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
_AES = bytes(range(64, 96))


def external_key(provider: Any, caller: Caller, **request: Any) -> KeyDescription:
    """A key whose material is still to come."""
    made: KeyDescription = provider.create_key(caller, KeyRequest(origin="EXTERNAL", **request), token=next(tokens))
    return made


def parameters(
    provider: Any, caller: Caller, key_id: str, *, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048"
) -> ImportParameters:
    """Fresh parameters."""
    found: ImportParameters = provider.get_parameters_for_import(
        caller, key_id, wrapping_algorithm=algorithm, wrapping_key_spec=spec
    )
    return found


def wrapped(given: ImportParameters, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256") -> bytes:
    """Material as a client wraps it."""
    public = load_der_public_key(given.public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    hashed = SHA1() if algorithm.endswith("_SHA_1") else SHA256()  # noqa: S303 - as the public API has it
    oaep = padding.OAEP(padding.MGF1(hashed), hashed, None)
    if algorithm.startswith("RSAES"):
        return public.encrypt(material, oaep)
    return public.encrypt(_AES, oaep) + aes_key_wrap_with_padding(_AES, material)


def imported(provider: Any, caller: Caller, key_id: str, material: bytes, **terms: Any) -> str:
    """Import it; its id."""
    given = parameters(provider, caller, key_id)
    material_id: str = provider.import_key_material(
        caller, key_id, import_token=given.import_token, encrypted_material=wrapped(given, material), **terms
    )
    return material_id


class ImportsKeyMaterialContract:
    """``ImportsKeyMaterial``: KM1."""

    def test_a_key_waits_for_its_material_and_is_usable_with_it(self, provider: Any, caller: Caller) -> None:
        key = external_key(provider, caller)
        assert (key.state, key.origin, key.material_id) == (KeyState.PENDING_IMPORT, "EXTERNAL", "")
        with pytest.raises(KMSInvalidStateException):
            provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        material_id = imported(provider, caller, key.key_id, FIRST)
        now = described(provider, caller, key.key_id)
        assert (now.state, now.material_id, now.material_expires_at) == (KeyState.ENABLED, material_id, None)
        sealed = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        assert bytes(provider.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == b"text"

    @pytest.mark.parametrize(
        ("algorithm", "spec"),
        [
            ("RSAES_OAEP_SHA_1", "RSA_2048"),
            ("RSAES_OAEP_SHA_256", "RSA_3072"),
            ("RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"),
            ("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048"),
        ],
    )
    def test_each_way_of_wrapping(self, provider: Any, caller: Caller, algorithm: str, spec: str) -> None:
        key = external_key(provider, caller)
        given = parameters(provider, caller, key.key_id, algorithm=algorithm, spec=spec)
        assert given.key_arn == key.arn
        sealed = wrapped(given, FIRST, algorithm)
        for damaged in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), bytes([sealed[0] ^ 1]) + sealed[1:]):
            with pytest.raises(InvalidCiphertextException):
                provider.import_key_material(
                    caller, key.key_id, import_token=given.import_token, encrypted_material=damaged
                )
        provider.import_key_material(caller, key.key_id, import_token=given.import_token, encrypted_material=sealed)
        assert described(provider, caller, key.key_id).state is KeyState.ENABLED

    def test_only_the_same_material_comes_back(self, provider: Any, caller: Caller) -> None:
        key = external_key(provider, caller)
        material_id = imported(provider, caller, key.key_id, FIRST)
        sealed = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        assert imported(provider, caller, key.key_id, FIRST) == material_id
        with pytest.raises(IncorrectKeyMaterialException):
            imported(provider, caller, key.key_id, SECOND)
        for _ in range(2):
            provider.delete_imported_key_material(caller, key.key_id)
        assert described(provider, caller, key.key_id).state is KeyState.PENDING_IMPORT
        with pytest.raises(KMSInvalidStateException):
            provider.decrypt(caller, sealed, CONTEXT)
        with pytest.raises(IncorrectKeyMaterialException):
            imported(provider, caller, key.key_id, SECOND)
        assert imported(provider, caller, key.key_id, FIRST) == material_id
        assert bytes(provider.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == b"text"

    @pytest.mark.parametrize("material", [b"", FIRST[:-1], FIRST + b"\0"], ids=len)
    def test_material_of_another_length_is_refused(self, provider: Any, caller: Caller, material: bytes) -> None:
        key = external_key(provider, caller)
        with pytest.raises(IncorrectKeyMaterialException):
            imported(provider, caller, key.key_id, material)
        assert described(provider, caller, key.key_id).state is KeyState.PENDING_IMPORT

    def test_material_expires(self, provider: Any, caller: Caller, clock: ManualClock) -> None:
        key = external_key(provider, caller)
        at = clock.now() + timedelta(days=1)
        imported(provider, caller, key.key_id, FIRST, expires_at=at)
        assert described(provider, caller, key.key_id).material_expires_at == at
        sealed = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        clock.advance(days=1)
        now = described(provider, caller, key.key_id)
        assert (now.state, now.material_id, now.material_expires_at) == (KeyState.PENDING_IMPORT, "", None)
        with pytest.raises(KMSInvalidStateException):
            provider.decrypt(caller, sealed, CONTEXT)
        imported(provider, caller, key.key_id, FIRST)
        assert bytes(provider.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == b"text"

    def test_a_token_is_of_one_key_and_of_one_day(self, provider: Any, caller: Caller, clock: ManualClock) -> None:
        key, other = external_key(provider, caller), external_key(provider, caller)
        given = parameters(provider, caller, key.key_id)
        sealed = wrapped(given, FIRST)

        def take(key_id: str, token: bytes) -> None:
            provider.import_key_material(caller, key_id, import_token=token, encrypted_material=sealed)

        altered = bytes([given.import_token[0] ^ 1]) + given.import_token[1:]
        for key_id, token in ((other.key_id, given.import_token), (key.key_id, altered), (key.key_id, b"x")):
            with pytest.raises(InvalidImportTokenException):
                take(key_id, token)
        assert given.valid_to == clock.now() + timedelta(days=1)
        clock.advance(days=1)
        with pytest.raises(ExpiredImportTokenException):
            take(key.key_id, given.import_token)

    def test_a_key_of_the_services_own_material_takes_none(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        calls: tuple[Callable[[], object], ...] = (
            lambda: parameters(provider, caller, key.key_id),
            lambda: provider.import_key_material(caller, key.key_id, import_token=b"x", encrypted_material=b"x"),
            lambda: provider.delete_imported_key_material(caller, key.key_id),
        )
        for call in calls:
            with pytest.raises(UnsupportedOperationException):
                call()


class ReplicatesKeysContract:
    """``ReplicatesKeys``: KM1, KM7."""

    def test_a_multi_region_key_says_so_in_its_id(self, provider: Any, caller: Caller) -> None:
        made = new_key(provider, caller, multi_region=True)
        assert made.key_id.startswith("mrk-")
        assert provider.decrypt(caller, provider.encrypt(caller, made.arn, b"x", {}), {}).key_arn == made.arn

    def test_a_replica_opens_what_its_primary_sealed(self, provider: Any, elsewhere: Any, caller: Caller) -> None:
        key = shared_key(provider, caller)
        sealed = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        request = ReplicaRequest(region=elsewhere.region, description="there", tags={"a": "1"})
        made = provider.replicate_key(caller, key.key_id, request)
        assert (made.key_id, made.region, made.description) == (key.key_id, elsewhere.region, "there")
        assert (made.material_id, dict(made.tags), made.state) == (key.material_id, {"a": "1"}, KeyState.ENABLED)
        assert described(elsewhere, caller, key.key_id) == made
        for kms in (provider, elsewhere):
            now = described(kms, caller, key.key_id)
            assert (now.primary_arn, now.replica_arns) == (key.arn, (made.arn,))
        assert bytes(elsewhere.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == b"text"
        back = elsewhere.encrypt(caller, key.key_id, b"back", CONTEXT)
        assert bytes(provider.decrypt(caller, back, CONTEXT).plaintext.expose_key_bytes()) == b"back"
        with pytest.raises(AlreadyExistsException):
            provider.replicate_key(caller, key.key_id, request)

    def test_what_is_not_shared_is_each_regions_own(self, provider: Any, elsewhere: Any, caller: Caller) -> None:
        key = replicated(provider, elsewhere, caller)
        provider.disable_key(caller, key.key_id)
        elsewhere.tag_resource(caller, key.key_id, {"b": "2"})
        elsewhere.update_key_description(caller, key.key_id, "its own")
        assert described(elsewhere, caller, key.key_id).state is KeyState.ENABLED
        here = described(provider, caller, key.key_id)
        assert (here.description, dict(here.tags)) == ("", {})

    def test_rotation_is_the_primarys_and_every_regions(self, provider: Any, elsewhere: Any, caller: Caller) -> None:
        key = replicated(provider, elsewhere, caller)
        material_id = provider.rotate_key(caller, key.key_id, token=next(tokens))
        provider.enable_key_rotation(caller, key.key_id, period_days=100)
        for kms in (provider, elsewhere):
            now = described(kms, caller, key.key_id)
            assert (now.material_id, now.rotation_period_days) == (material_id, 100)
        sealed = elsewhere.encrypt(caller, key.key_id, b"text", CONTEXT)
        assert provider.decrypt(caller, sealed, CONTEXT).material_id == material_id
        calls: tuple[Callable[[], object], ...] = (
            lambda: elsewhere.rotate_key(caller, key.key_id, token=next(tokens)),
            lambda: elsewhere.disable_key_rotation(caller, key.key_id),
            lambda: elsewhere.replicate_key(caller, key.key_id, ReplicaRequest(region="ap-south-1")),
        )
        for call in calls:
            with pytest.raises(UnsupportedOperationException):
                call()

    def test_another_region_becomes_the_primary(self, provider: Any, elsewhere: Any, caller: Caller) -> None:
        key = replicated(provider, elsewhere, caller)
        for _ in range(2):
            provider.update_primary_region(caller, key.key_id, region=elsewhere.region)
        there = described(elsewhere, caller, key.key_id)
        for kms in (provider, elsewhere):
            now = described(kms, caller, key.key_id)
            assert (now.primary_arn, now.replica_arns, now.state) == (there.arn, (key.arn,), KeyState.ENABLED)
        material_id = elsewhere.rotate_key(caller, key.key_id, token=next(tokens))
        assert described(provider, caller, key.key_id).material_id == material_id

    def test_a_primary_waits_for_its_replicas_to_be_gone(
        self, provider: Any, elsewhere: Any, caller: Caller, clock: ManualClock
    ) -> None:
        key = replicated(provider, elsewhere, caller)
        provider.schedule_key_deletion(caller, key.key_id, waiting_days=7)
        waiting = described(provider, caller, key.key_id)
        assert (waiting.state, waiting.deletion_date) == (KeyState.PENDING_REPLICA_DELETION, None)
        elsewhere.schedule_key_deletion(caller, key.key_id, waiting_days=7)
        clock.advance(days=7)
        assert provider.describe_keys(caller, [key.key_id]), "it is still there when the replica is gone"
        with pytest.raises(NotFoundException):
            elsewhere.encrypt(caller, key.key_id, b"text", CONTEXT)
        begun = described(provider, caller, key.key_id)
        assert (begun.state, begun.replica_arns) == (KeyState.PENDING_DELETION, ())
        assert begun.deletion_date == clock.now() + timedelta(days=7)

    @pytest.mark.parametrize("region", ["", "here", "no replica"])
    def test_what_cannot_be(self, provider: Any, elsewhere: Any, caller: Caller, region: str) -> None:
        single, shared = new_key(provider, caller), shared_key(provider, caller)
        if not region:
            with pytest.raises(UnsupportedOperationException):
                provider.replicate_key(caller, single.key_id, ReplicaRequest(region=elsewhere.region))
        elif region == "here":
            with pytest.raises(ServiceError):
                provider.replicate_key(caller, shared.key_id, ReplicaRequest(region=provider.region))
        else:
            with pytest.raises(NotFoundException):
                provider.update_primary_region(caller, shared.key_id, region=elsewhere.region)


def shared_key(provider: Any, caller: Caller) -> KeyDescription:
    """A multi-Region key without replicas."""
    made: KeyDescription = provider.create_key(caller, KeyRequest(multi_region=True), token=next(tokens))
    return made


def replicated(provider: Any, elsewhere: Any, caller: Caller) -> KeyDescription:
    """A multi-Region key, as its primary's Region describes it, with a replica ``elsewhere``."""
    key = shared_key(provider, caller)
    provider.replicate_key(caller, key.key_id, ReplicaRequest(region=elsewhere.region))
    return key
