"""What every provider of HSM partitions must do (``HsmProvider``, ``KeepsClusterKeys``): inherit the classes, give them
an ``hsm``, a world of two partitions of which nothing is adopted yet."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    HsmError,
    HsmFault,
    InvalidCiphertextException,
    ReconcilerError,
    ResourceNotFoundException,
)
from reconciler.providers.hsm import (
    ClientCertificateRequest,
    HsmProvider,
    KeepsClusterKeys,
    PartitionRequest,
    Verification,
)

CONTEXT = {"aws:redshift:arn": "arn:aws:redshift:eu-west-1:111122223333:cluster:sales", "cluster": "uid"}
DEK = bytes(range(32))
FIRST, SECOND = "0123456789abcdef" * 2, "fedcba9876543210" * 2
STRANGER = Caller(principal="arn:aws:iam::999988887777:role/Admin", account="999988887777")
tokens = (f"hsm-{number}" for number in itertools.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmWorld:
    """``first`` and ``second`` are two partitions that can be adopted; at ``nowhere`` nobody answers, and
    ``wrong_pin`` has a PIN that its token refuses. ``reopened`` gives the provider as another process opens it;
    ``secrets`` are all PINs: nothing that is told ever has one."""

    provider: Any
    caller: Caller
    first: PartitionRequest
    second: PartitionRequest
    nowhere: PartitionRequest
    wrong_pin: PartitionRequest
    reopened: Callable[[], Any]
    secrets: tuple[str, ...] = ()

    def adopt(self, request: PartitionRequest) -> str:
        """Adopted; its ARN."""
        return str(self.provider.create_partition(self.caller, request, token=next(tokens)).arn)


def refusal(world: HsmWorld, call: Callable[[], object]) -> HsmError:
    """How the call is refused."""
    with pytest.raises(HsmError) as refused:
        call()
    said = " ".join(str(each) for each in refused.value.diagnostics())
    assert not any(secret in said for secret in world.secrets)
    assert refused.value.suggestion
    return refused.value


class HsmProviderContract:
    """``HsmProvider``: HS1, HS4, HS5, I10, I11."""

    def test_it_is_one(self, hsm: HsmWorld) -> None:
        assert isinstance(hsm.provider, HsmProvider)
        assert isinstance(hsm.provider, KeepsClusterKeys)

    def test_before_the_first_there_is_nothing(self, hsm: HsmWorld) -> None:
        assert hsm.provider.describe_partitions(hsm.caller) == []
        assert hsm.provider.describe_client_certificates(hsm.caller) == []
        assert hsm.provider.find_partition(hsm.caller, token="none") is None
        assert hsm.provider.find_client_certificate(hsm.caller, token="none") is None
        hsm.provider.delete_partition(hsm.caller, "none")
        hsm.provider.delete_client_certificate(hsm.caller, "none")

    def test_a_client_certificate_is_made_once_and_its_private_half_is_never_shown(self, hsm: HsmWorld) -> None:
        request = ClientCertificateRequest(name="edge", common_name="reconciler-edge", valid_days=30)
        made = hsm.provider.create_client_certificate(hsm.caller, request, token="t")
        assert hsm.provider.create_client_certificate(hsm.caller, request, token="t") == made
        assert hsm.provider.find_client_certificate(hsm.caller, token="t") == made
        assert hsm.reopened().describe_client_certificates(hsm.caller, ["edge", "none"]) == [made]
        assert made.arn.endswith(":hsmclientcertificate:edge")
        assert made.pem.startswith("-----BEGIN CERTIFICATE-----")
        assert "PRIVATE" not in made.pem
        assert (made.not_after - made.not_before).days == 30
        assert (len(made.fingerprint), made.common_name, made.used_by) == (64, "reconciler-edge", ())
        with pytest.raises(AlreadyExistsException):
            hsm.provider.create_client_certificate(hsm.caller, request, token="other")
        for _ in range(2):
            hsm.provider.delete_client_certificate(hsm.caller, "edge")
        assert hsm.provider.describe_client_certificates(hsm.caller) == []

    def test_a_partition_is_adopted_once_as_it_was_asked_for(self, hsm: HsmWorld) -> None:
        made = hsm.provider.create_partition(hsm.caller, hsm.first, token="t")
        assert hsm.provider.create_partition(hsm.caller, hsm.first, token="t") == made
        assert hsm.provider.find_partition(hsm.caller, token="t") == made
        assert (made.name, made.pin_from, made.token_label) == (
            hsm.first.name,
            hsm.first.pin_from,
            hsm.first.token_label,
        )
        assert made.arn.endswith(f":hsmconfiguration:{hsm.first.name}")
        assert made.suites
        with pytest.raises(AlreadyExistsException):
            hsm.provider.create_partition(hsm.caller, hsm.first, token="other")
        other = hsm.provider.create_partition(hsm.caller, hsm.second, token="u")
        assert hsm.reopened().describe_partitions(hsm.caller) == sorted([made, other], key=lambda each: each.name)
        assert hsm.provider.describe_partitions(hsm.caller, [other.name, "none"]) == [other]
        assert made.uid != other.uid

    def test_what_cannot_be_reached_is_not_kept(self, hsm: HsmWorld) -> None:
        for _ in range(2):
            refusal(hsm, lambda: hsm.provider.create_partition(hsm.caller, hsm.nowhere, token="t"))
        assert hsm.provider.describe_partitions(hsm.caller) == []
        assert hsm.provider.find_partition(hsm.caller, token="t") is None
        hsm.adopt(replace(hsm.first, name=hsm.nowhere.name))

    def test_a_wrong_pin_is_refused_and_nothing_is_kept(self, hsm: HsmWorld) -> None:
        for _ in range(2):
            error = refusal(hsm, lambda: hsm.provider.create_partition(hsm.caller, hsm.wrong_pin, token="t"))
            assert error.fault is HsmFault.PIN_REFUSED
        assert hsm.provider.describe_partitions(hsm.caller) == []

    def test_a_change_must_lead_to_the_same_partition(self, hsm: HsmWorld) -> None:
        hsm.adopt(hsm.first)
        (made,) = hsm.provider.describe_partitions(hsm.caller)
        assert hsm.provider.modify_partition(hsm.caller, hsm.first) == made
        relaxed = replace(hsm.first, verify=Verification.CONNECTION_ONLY)
        assert hsm.provider.modify_partition(hsm.caller, relaxed) == replace(made, verify=Verification.CONNECTION_ONLY)
        other = replace(hsm.second, name=hsm.first.name)
        error = refusal(hsm, lambda: hsm.provider.modify_partition(hsm.caller, other))
        assert error.fault is HsmFault.REINITIALISED
        (now,) = hsm.reopened().describe_partitions(hsm.caller)
        assert now == replace(made, verify=Verification.CONNECTION_ONLY)
        with pytest.raises(ResourceNotFoundException):
            hsm.provider.modify_partition(hsm.caller, hsm.second)

    def test_a_sound_partition_is_found_sound(self, hsm: HsmWorld) -> None:
        name = hsm.first.name
        hsm.adopt(hsm.first)
        hsm.provider.create_cluster_key(hsm.caller, name, FIRST)
        found = hsm.provider.probe_partition(hsm.caller, name, key_ids=[FIRST])
        assert (found.fault, found.keys, found.orphans) == (None, (), ())
        assert hsm.provider.verify_partition(hsm.caller, name).name == name
        (verdict,) = hsm.provider.probe_partition(hsm.caller, name, key_ids=[SECOND]).keys
        assert (verdict.key_id, verdict.fault) == (SECOND, HsmFault.KEY_MISSING)
        with pytest.raises(ResourceNotFoundException):
            hsm.provider.probe_partition(hsm.caller, "none")
        with pytest.raises(ResourceNotFoundException):
            hsm.provider.verify_partition(hsm.caller, "none")

    def test_a_partition_goes_when_it_has_no_keys(self, hsm: HsmWorld) -> None:
        name = hsm.first.name
        hsm.adopt(hsm.first)
        hsm.provider.create_cluster_key(hsm.caller, name, FIRST)
        with pytest.raises(ConflictException):
            hsm.provider.delete_partition(hsm.caller, name)
        hsm.provider.retire_cluster_key(hsm.caller, name, FIRST)
        with pytest.raises(ConflictException):
            hsm.provider.delete_partition(hsm.caller, name)
        hsm.provider.destroy_cluster_key(hsm.caller, name, FIRST)
        for _ in range(2):
            hsm.provider.delete_partition(hsm.caller, name)
        assert hsm.provider.describe_partitions(hsm.caller) == []
        hsm.adopt(hsm.first)

    def test_it_is_for_its_own_account(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        provider = hsm.provider
        calls: list[Callable[[], object]] = [
            lambda: provider.create_partition(STRANGER, hsm.second, token="s"),
            lambda: provider.describe_partitions(STRANGER),
            lambda: provider.probe_partition(STRANGER, hsm.first.name),
            lambda: provider.delete_partition(STRANGER, hsm.first.name),
            lambda: provider.create_cluster_key(STRANGER, arn, FIRST),
            lambda: provider.wrap_data_key(STRANGER, arn, FIRST, DataKey(DEK), CONTEXT),
        ]
        for call in calls:
            with pytest.raises(AccessDeniedException):
                call()


class ClusterKeysContract:
    """``KeepsClusterKeys``: HS2, HS3, HS6, I7."""

    def test_a_key_is_made_once_for_its_id(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        made = hsm.provider.create_cluster_key(hsm.caller, arn, FIRST)
        wrapped = hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        assert hsm.provider.create_cluster_key(hsm.caller, hsm.first.name, FIRST) == made
        assert hsm.provider.unwrap_data_key(hsm.caller, arn, FIRST, wrapped, CONTEXT) == DataKey(DEK)
        assert (made.key_id, made.partition, made.retired_at) == (FIRST, hsm.first.name, None)
        for wrong in ("", "x" * 32, FIRST[:-1], FIRST.upper()):
            with pytest.raises(ReconcilerError):
                hsm.provider.create_cluster_key(hsm.caller, arn, wrong)
        assert hsm.provider.describe_cluster_keys(hsm.caller) == [made]

    def test_what_was_wrapped_opens_in_every_process_and_shows_nothing(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        hsm.provider.create_cluster_key(hsm.caller, arn, FIRST)
        wrapped = [hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT) for _ in range(2)]
        again = hsm.reopened()
        for each in wrapped:
            assert DEK not in each
            assert again.unwrap_data_key(hsm.caller, arn, FIRST, each, dict(reversed(CONTEXT.items()))) == DataKey(DEK)

    def test_another_key_context_or_byte_opens_nothing(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        for key_id in (FIRST, SECOND):
            hsm.provider.create_cluster_key(hsm.caller, arn, key_id)
        wrapped = hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        changed = [
            wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
            for at in (*range(19), *range(19, len(wrapped), 5))
        ]
        cases = [
            *((FIRST, each, CONTEXT) for each in changed),
            (FIRST, wrapped[:-1], CONTEXT),
            (FIRST, b"", CONTEXT),
            (FIRST, wrapped, {}),
            (FIRST, wrapped, {**CONTEXT, "cluster": "other"}),
            (SECOND, wrapped, CONTEXT),
        ]
        for key_id, blob, context in cases:
            with pytest.raises(InvalidCiphertextException):
                hsm.provider.unwrap_data_key(hsm.caller, arn, key_id, blob, context)
        assert hsm.provider.unwrap_data_key(hsm.caller, arn, FIRST, wrapped, CONTEXT) == DataKey(DEK)

    def test_a_partition_has_its_own_keys(self, hsm: HsmWorld) -> None:
        here, there = hsm.adopt(hsm.first), hsm.adopt(hsm.second)
        hsm.provider.create_cluster_key(hsm.caller, here, FIRST)
        with pytest.raises(ResourceNotFoundException):
            hsm.provider.wrap_data_key(hsm.caller, there, FIRST, DataKey(DEK), CONTEXT)
        other = hsm.provider.create_cluster_key(hsm.caller, there, SECOND)
        assert hsm.provider.describe_cluster_keys(hsm.caller, there) == [other]
        assert [each.key_id for each in hsm.provider.describe_cluster_keys(hsm.caller)] == [FIRST, SECOND]
        assert hsm.provider.describe_cluster_keys(hsm.caller, key_ids=[SECOND, "none"]) == [other]

    def test_a_retired_key_opens_and_wraps_nothing_new(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        hsm.provider.create_cluster_key(hsm.caller, arn, FIRST)
        wrapped = hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        with pytest.raises(ConflictException):
            hsm.provider.destroy_cluster_key(hsm.caller, arn, FIRST)
        for _ in range(2):
            hsm.provider.retire_cluster_key(hsm.caller, arn, FIRST)
        with pytest.raises(ReconcilerError):
            hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        assert hsm.provider.unwrap_data_key(hsm.caller, arn, FIRST, wrapped, CONTEXT) == DataKey(DEK)
        (kept,) = hsm.provider.describe_cluster_keys(hsm.caller)
        assert kept.retired_at is not None

    def test_a_destroyed_key_opens_nothing_any_more(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        hsm.provider.create_cluster_key(hsm.caller, arn, FIRST)
        wrapped = hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        hsm.provider.retire_cluster_key(hsm.caller, arn, FIRST)
        for _ in range(2):
            hsm.provider.destroy_cluster_key(hsm.caller, arn, FIRST)
        with pytest.raises(ResourceNotFoundException):
            hsm.provider.unwrap_data_key(hsm.caller, arn, FIRST, wrapped, CONTEXT)
        assert hsm.provider.describe_cluster_keys(hsm.caller) == []
        assert hsm.provider.probe_partition(hsm.caller, hsm.first.name).orphans == ()

    def test_replicated_keys_are_taken_over_only_where_that_is_declared(self, hsm: HsmWorld) -> None:
        arn = hsm.adopt(hsm.first)
        with pytest.raises(ConflictException):
            hsm.provider.adopt_cluster_key(hsm.caller, arn, FIRST)
        trusting = hsm.adopt(replace(hsm.second, verify=Verification.CONNECTION_ONLY))
        hsm.provider.create_cluster_key(hsm.caller, arn, FIRST)
        wrapped = hsm.provider.wrap_data_key(hsm.caller, arn, FIRST, DataKey(DEK), CONTEXT)
        for _ in range(2):
            taken = hsm.provider.adopt_cluster_key(hsm.caller, trusting, FIRST)
        assert (taken.key_id, taken.partition) == (FIRST, hsm.second.name)
        error = refusal(hsm, lambda: hsm.provider.unwrap_data_key(hsm.caller, trusting, FIRST, wrapped, CONTEXT))
        assert error.fault is HsmFault.KEY_MISSING, "nobody replicated it: the restart fails (HS6)"
