"""What time does to a key: deletion windows, due rotations; and the key specs beside the symmetric one (KM1, KM10)."""

from __future__ import annotations

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    InvalidCiphertextException,
    InvalidKeyUsageException,
    NotFoundException,
    ServiceError,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.keys import GrantRequest, KeyDescription, KeyRequest
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms
from reconciler_softkms.specs import USAGES
from reconciler_softkms.tests.conftest import Opened


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> KeyDescription:
    return provider.create_key(caller, KeyRequest(), token="key")


def materials(provider: SoftKms) -> int:
    store = provider._door.store
    (count,) = store.writing().execute("SELECT count(*) FROM materials").fetchone()
    return int(count)


@pytest.mark.parametrize("asked_for", [True, False], ids=["by whoever asks for it", "by the next change of anything"])
def test_after_its_waiting_time_a_key_is_gone_and_its_material_destroyed(
    *, provider: SoftKms, opened: Opened, caller: Caller, clock: ManualClock, key: KeyDescription, asked_for: bool
) -> None:
    sealed = provider.encrypt(caller, key.arn, b"x", {})
    raw = provider._door.store.writing().execute("SELECT sealed FROM materials").fetchone()[0]
    provider.create_alias(caller, "alias/gone", key.arn)
    grant = GrantRequest(key_id=key.arn, grantee_principal=caller.principal, operations=("Decrypt",))
    provider.create_grant(caller, grant)
    provider.schedule_key_deletion(caller, key.arn, waiting_days=7)
    clock.advance(days=6, hours=23)
    assert provider.describe_keys(caller, [key.arn])
    assert raw in b"".join(path.read_bytes() for path in provider._door.store.path.parent.iterdir())
    clock.advance(hours=1)
    # Looking shows that it is gone, and changes nothing: a plan never destroys.
    for gone in (key.key_id, key.arn, "alias/gone"):
        assert provider.describe_keys(caller, [gone]) == {}
    assert provider.list_keys(caller) == []
    assert provider.list_aliases(caller) == []
    with pytest.raises(NotFoundException):
        provider.cancel_key_deletion(caller, key.arn)
    assert materials(provider) == 1
    if asked_for:
        with pytest.raises(NotFoundException, match="destroyed on 2026-01-12"):
            provider.decrypt(caller, sealed, {})
    else:
        provider.delete_alias(caller, "alias/none")
    assert materials(provider) == 0
    assert provider._door.materials._open == {}
    assert raw not in b"".join(path.read_bytes() for path in provider._door.store.path.parent.iterdir())
    for kms in (provider, opened()):
        with pytest.raises(NotFoundException, match="destroyed on 2026-01-12"):
            kms.decrypt(caller, sealed, {})
    assert "DeleteKey" in [event["eventName"] for _, event in provider.audit_events()]


def test_a_rotation_counts_as_automatic_only_when_it_was_due(
    provider: SoftKms, caller: Caller, clock: ManualClock, key: KeyDescription
) -> None:
    provider.enable_key_rotation(caller, key.arn, period_days=90)
    for days in (89, 1, 1):
        clock.advance(days=days)
        provider.rotate_key(caller, key.arn, token=f"after {days} at {clock.now()}")
        if days == 89:
            clock.advance(days=89)  # the rotation on demand began a new period
    found = provider._door.store.writing().execute("SELECT kind FROM materials ORDER BY created_at")
    assert [kind for (kind,) in found] == ["CREATED", "ON_DEMAND", "AUTOMATIC", "ON_DEMAND"]
    assert provider.describe_keys(caller, [key.arn])[key.arn].rotated_at == clock.now()


@pytest.mark.parametrize("key_spec", [spec for spec in USAGES if spec not in ("RSA_3072", "RSA_4096")])
def test_every_spec_has_real_material(provider: SoftKms, caller: Caller, key_spec: str) -> None:
    for usage in USAGES[key_spec]:
        made = provider.create_key(caller, KeyRequest(key_spec=key_spec, key_usage=usage), token=usage)
        assert (made.key_spec, made.key_usage) == (key_spec, usage)
        assert provider.describe_keys(caller, [made.arn])[made.arn] == made
        if key_spec == "SYMMETRIC_DEFAULT":
            continue
        with pytest.raises(InvalidKeyUsageException):
            provider.encrypt(caller, made.arn, b"x", {})
        with pytest.raises(UnsupportedOperationException):
            provider.rotate_key(caller, made.arn, token=usage)
        constrained = GrantRequest(
            key_id=made.arn, grantee_principal=caller.principal, operations=("DescribeKey",), context_subset={"a": "1"}
        )
        with pytest.raises(ValidationException, match="symmetric keys only"):
            provider.create_grant(caller, constrained)


def test_an_alias_goes_only_to_a_key_of_the_same_kind(provider: SoftKms, caller: Caller, key: KeyDescription) -> None:
    provider.create_alias(caller, "alias/mine", key.arn)
    hmac = provider.create_key(
        caller, KeyRequest(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC"), token=key.key_id
    )
    with pytest.raises(ValidationException):
        provider.update_alias(caller, "alias/mine", hmac.arn)


@pytest.mark.parametrize("context", [{"a": 1}, {1: "a"}, {"a": "\ud800"}, {"\udfff": "a"}], ids=repr)
def test_a_context_that_is_no_pairs_of_texts_is_refused(
    provider: SoftKms, caller: Caller, key: KeyDescription, context: dict[str, str]
) -> None:
    for call in (
        lambda: provider.encrypt(caller, key.arn, b"x", context),
        lambda: provider.generate_data_key(caller, key.arn, context),
        lambda: provider.decrypt(caller, b"x", context),
        lambda: provider.re_encrypt(caller, b"x", {}, key.arn, context),
    ):
        with pytest.raises((ValidationException, InvalidCiphertextException)):
            call()


def test_messages_hold_one_sentence_and_no_traceback(provider: SoftKms, caller: Caller) -> None:
    with pytest.raises(ServiceError, match=r"^Invalid keyId 'none'$"):
        provider.disable_key(caller, "none")
    with pytest.raises(ServiceError, match=r"^Alias arn:aws:kms:eu-west-1:111122223333:alias/none is not found\.$"):
        provider.encrypt(caller, "alias/none", b"x", {})
