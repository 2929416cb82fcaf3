"""What a token can, and whether it keeps keys in, is tried; a token that cannot be asked is not judged (HS5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.partition import Leak
from reconciler_pkcs11.tests.opening import AAD, data_key, label_of, new_id, open_local
from reconciler_pkcs11.tests.tokens import Tokens


@pytest.fixture
def partition(tokens: Tokens) -> Iterator[LocalPartition]:
    opened = open_local(tokens, "faulty")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("C_UnwrapKey 0x54", (Suite.GCM, Suite.CBC_HMAC)),
        ("C_WrapKey 0x5", (Suite.GCM, Suite.CBC_HMAC)),
        ("C_CreateObject 0x54", (Suite.GCM, Suite.CBC_HMAC)),
        ("C_Sign 0x54", (Suite.GCM, Suite.KWP)),
        ("C_Decrypt 0x54", (Suite.KWP,)),
        ("C_EncryptInit 0x70", (Suite.KWP,)),
        ("C_GetMechanismInfo 0x70", ()),
        ("C_GenerateKey 0x54", ()),
    ],
)
def test_a_suite_that_does_not_work_is_not_offered_whatever_the_token_lists(
    tokens: Tokens, partition: LocalPartition, fault: str, left: tuple[Suite, ...]
) -> None:
    tokens.fault(fault)

    assert partition.examine().suites == left


@pytest.mark.parametrize(
    ("fault", "suite"),
    [("C_Decrypt 0x0", Suite.GCM), ("C_Encrypt 0x0", Suite.GCM), ("C_UnwrapKey 0x0", Suite.KWP)],
)
def test_a_suite_that_answers_ok_and_does_nothing_is_not_offered(
    tokens: Tokens, partition: LocalPartition, fault: str, suite: Suite
) -> None:
    tokens.fault(fault)

    assert suite not in partition.examine().suites


@pytest.mark.parametrize(
    ("fault", "leak"),
    [("C_GetAttributeValue 0x0", Leak.READ), ("C_SetAttributeValue 0x0", Leak.CHANGED)],
)
def test_a_token_that_gives_keys_out_is_found(
    tokens: Tokens, partition: LocalPartition, fault: str, leak: Leak
) -> None:
    tokens.fault(fault)

    assert leak in partition.examine().leaks


@pytest.mark.parametrize("rv", ["0x32", "0x101", "0xb1"])  # of two classes: which are of one, is tried with the worker
@pytest.mark.parametrize("function", ["C_SetAttributeValue", "C_Encrypt"])
def test_a_token_that_goes_away_meanwhile_is_not_judged(
    tokens: Tokens, partition: LocalPartition, function: str, rv: str
) -> None:
    tokens.fault(f"{function} {rv}")

    with pytest.raises(HsmUnavailable) as away:
        partition.examine()

    assert away.value.fault in (HsmFault.UNREACHABLE, HsmFault.BUSY)


def test_an_examination_leaves_nothing_behind(tokens: Tokens, partition: LocalPartition) -> None:
    before = sorted(tokens.folder.glob("softhsm/tokens/*/*.object"))

    partition.examine()

    assert sorted(tokens.folder.glob("softhsm/tokens/*/*.object")) == before


def test_a_key_wrap_that_is_another_one_is_not_used_for_a_key_that_is_there(tokens: Tokens) -> None:
    partition = open_local(tokens, "faulty")
    key_id = new_id()
    partition.generate(key_id, label_of(key_id), Suite.KWP)
    partition.close()

    partition = open_local(tokens, "faulty")
    tokens.fault("C_CreateObject 0x54")
    with pytest.raises(HsmError) as lacking:
        partition.wrap(key_id, Suite.KWP, data_key(), AAD)
    assert lacking.value.fault is HsmFault.NO_MECHANISM
    partition.close()
