"""What modules and hardware do wrong, made by the shim: each is told by its name, and nothing is done twice (HS7)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable, InvalidCiphertextException
from reconciler.providers.hsm import Suite
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.cryptoki import codes
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests.opening import AAD, SHORT, Pins, data_key, label_of, new_id, open_local
from reconciler_pkcs11.tests.partition_contract import generated
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.worker.classes import Remedy, remedy_for
from reconciler_pkcs11.worker.failures import UNKNOWN
from reconciler_pkcs11.worker.worker import DEADLINES, Deadlines

RECONNECT = (
    *(codes.DEVICE_ERROR, codes.DEVICE_REMOVED, codes.TOKEN_NOT_PRESENT, codes.TOKEN_NOT_RECOGNIZED),
    *(codes.SESSION_HANDLE_INVALID, codes.SESSION_CLOSED, codes.CRYPTOKI_NOT_INITIALIZED, codes.GENERAL_ERROR),
    *(codes.FUNCTION_FAILED, codes.OPERATION_ACTIVE, codes.SLOT_ID_INVALID, codes.USER_NOT_LOGGED_IN),
)
CALLS_OF_UNWRAP = ("C_OpenSession", "C_FindObjectsInit", "C_FindObjects", "C_DecryptInit", "C_Decrypt")
CALLS_OF_WRAP = ("C_GenerateRandom", "C_EncryptInit", "C_Encrypt")
CALLS_OF_READS = (*CALLS_OF_UNWRAP, *CALLS_OF_WRAP)
AMBIGUOUS = (codes.GENERAL_ERROR, codes.FUNCTION_FAILED)  # of C_Decrypt: a damaged ciphertext, or an ill token
LOST = [(function, rv) for function in CALLS_OF_READS for rv in RECONNECT]
HANDLES = (codes.OBJECT_HANDLE_INVALID, codes.KEY_HANDLE_INVALID)
BUSY = (codes.SESSION_COUNT, codes.DEVICE_MEMORY, codes.HOST_MEMORY)
PIN_CKRS = (
    *(codes.PIN_INCORRECT, codes.PIN_INVALID, codes.PIN_LEN_RANGE, codes.PIN_EXPIRED, codes.PIN_LOCKED),
    codes.USER_PIN_NOT_INITIALIZED,
)


class Scene:
    """A partition behind the shim with one key, a blob under it, and a clock."""

    def __init__(self, tokens: Tokens, deadlines: Deadlines = DEADLINES) -> None:
        self.tokens = tokens
        self.clock = ManualClock()
        self.pins = Pins(tokens["faulty"].pin)
        self.partition = open_local(tokens, "faulty", clock=self.clock, pins=self.pins, deadlines=deadlines)
        self.key_id = generated(self.partition, Suite.GCM)
        self.key = data_key()
        self.sealed = self.partition.wrap(self.key_id, Suite.GCM, self.key, AAD)

    def opens(self) -> bool:
        return self.partition.unwrap(self.sealed, AAD) == self.key

    def later(self) -> None:
        self.tokens.fault()
        self.clock.advance(seconds=31)

    def calls(self, function: str) -> int:
        return self.tokens.calls().count(function)

    def worker(self) -> int:
        assert self.partition.pid is not None
        return self.partition.pid


@pytest.fixture
def scene(tokens: Tokens) -> Iterator[Scene]:
    made = Scene(tokens)
    yield made
    tokens.fault()
    made.partition.close()


@pytest.fixture
def hurried(tokens: Tokens) -> Iterator[Scene]:
    """Its worker is given up after less than a second."""
    made = Scene(tokens, SHORT)
    yield made
    tokens.fault()
    made.partition.close()


def test_a_read_survives_each_lost_device_at_each_call_by_one_new_worker(scene: Scene) -> None:
    for function, rv in LOST:
        before, logins = scene.worker(), scene.calls("C_Login")
        scene.tokens.fault(f"{function} 0x{rv:x} once")

        if function in CALLS_OF_UNWRAP:
            assert scene.opens()
        else:
            sealed = scene.partition.wrap(scene.key_id, Suite.GCM, scene.key, AAD)
            assert scene.partition.unwrap(sealed, AAD) == scene.key

        is_ambiguous = function == "C_Decrypt" and rv in AMBIGUOUS
        assert scene.calls("C_Login") == logins + (not is_ambiguous), (function, codes.name_of(rv))
        assert (scene.worker() == before) == is_ambiguous, (function, codes.name_of(rv))
        scene.later()


@pytest.mark.parametrize("rv", RECONNECT, ids=codes.name_of)
def test_a_change_is_never_repeated_and_its_outcome_is_unknown(scene: Scene, rv: int) -> None:
    scene.tokens.fault(f"C_GenerateKey 0x{rv:x}")
    before = scene.calls("C_GenerateKey")

    with pytest.raises(HsmUnavailable) as unknown:
        scene.partition.generate(new_id(), label_of("x"), Suite.GCM)

    assert unknown.value.fault is HsmFault.UNREACHABLE
    assert UNKNOWN in (unknown.value.detail or "")
    assert scene.calls("C_GenerateKey") == before + 1
    assert scene.opens()


def test_a_device_that_stays_away_is_asked_by_one_new_worker_in_half_a_minute(scene: Scene) -> None:
    scene.tokens.fault("C_OpenSession 0x32")
    for _ in range(3):
        with pytest.raises(HsmUnavailable) as away:
            scene.opens()
        assert away.value.fault is HsmFault.UNREACHABLE
        assert "DEVICE_REMOVED" in (away.value.detail or "") or "lost before" in (away.value.detail or "")
    lists = scene.calls("C_GetSlotList")

    scene.tokens.fault()
    with pytest.raises(HsmUnavailable, match="does not answer"):
        scene.opens()
    assert scene.calls("C_GetSlotList") == lists

    scene.later()
    assert scene.opens()


def test_a_module_that_hangs_is_given_up_in_time_and_its_process_ends(hurried: Scene) -> None:
    before = hurried.worker()
    hurried.tokens.fault("C_Decrypt sleep 60")
    began = time.monotonic()

    with pytest.raises(HsmUnavailable) as hung:
        hurried.opens()

    assert hung.value.fault is HsmFault.TIMEOUT
    assert time.monotonic() - began < 5
    assert not Path(f"/proc/{before}").exists()
    hurried.later()
    assert hurried.opens()


def test_a_read_that_hangs_once_is_answered_by_the_next_worker(hurried: Scene) -> None:
    hurried.tokens.fault("C_Decrypt sleep 60 once")

    assert hurried.opens()


def test_a_change_that_hangs_is_given_longer_and_then_unknown(hurried: Scene) -> None:
    hurried.tokens.fault("C_GenerateKey sleep 60")
    began = time.monotonic()

    with pytest.raises(HsmUnavailable) as hung:
        hurried.partition.generate(new_id(), label_of("x"), Suite.GCM)

    assert hung.value.fault is HsmFault.TIMEOUT
    assert UNKNOWN in (hung.value.detail or "")
    assert time.monotonic() - began > 0.8


def test_a_crash_of_the_module_is_told_and_costs_a_worker_only(scene: Scene) -> None:
    scene.tokens.fault("C_Decrypt segv")
    with pytest.raises(HsmUnavailable) as crashed:
        scene.opens()
    assert crashed.value.fault is HsmFault.MODULE_CRASHED
    assert "SIGSEGV" in (crashed.value.detail or "")

    scene.later()
    assert scene.opens()
    scene.later()
    scene.tokens.fault("C_Decrypt segv once")
    assert scene.opens()


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(scene: Scene) -> None:
    other = data_key()
    sealed = scene.partition.wrap(scene.key_id, Suite.GCM, other, AAD)
    scene.tokens.fault("C_Decrypt sleep 1 once")
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            scene.opens()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert scene.partition.unwrap(sealed, AAD) == other


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def test_a_worker_that_somebody_kills_is_replaced(scene: Scene) -> None:
    before = scene.worker()
    os.kill(before, signal.SIGKILL)

    assert scene.opens()
    assert scene.worker() != before


@pytest.mark.parametrize("rv", HANDLES, ids=codes.name_of)
def test_a_handle_that_went_stale_is_found_again_by_the_same_worker(scene: Scene, rv: int) -> None:
    before = scene.worker()
    scene.tokens.fault(f"C_DecryptInit 0x{rv:x} once")
    assert scene.opens()

    scene.tokens.fault(f"C_DecryptInit 0x{rv:x}")
    with pytest.raises(HsmError) as refused:
        scene.opens()

    assert (refused.value.fault, scene.worker()) == (HsmFault.REFUSED, before)


@pytest.mark.parametrize("rv", BUSY, ids=codes.name_of)
def test_a_busy_token_keeps_its_worker_and_is_told(scene: Scene, rv: int) -> None:
    before = scene.worker()
    scene.tokens.fault(f"C_OpenSession 0x{rv:x}")

    with pytest.raises(HsmUnavailable) as busy:
        scene.opens()

    assert (busy.value.fault, scene.worker()) == (HsmFault.BUSY, before)


def test_any_other_answer_is_told_with_its_function_and_name(scene: Scene) -> None:
    scene.tokens.fault("C_DecryptInit 0x63")

    with pytest.raises(HsmError) as refused:
        scene.opens()

    assert refused.value.fault is HsmFault.REFUSED
    assert refused.value.detail == "C_DecryptInit answered CKR_KEY_TYPE_INCONSISTENT"


def test_an_iv_that_the_token_makes_itself_is_the_one_that_is_kept(scene: Scene) -> None:
    scene.tokens.fault("C_EncryptInit iv")

    sealed = scene.partition.wrap(scene.key_id, Suite.GCM, scene.key, AAD)

    assert scene.partition.unwrap(sealed, AAD) == scene.key


@pytest.mark.parametrize("rv", AMBIGUOUS, ids=codes.name_of)
def test_an_ill_token_is_not_taken_for_a_damaged_ciphertext(scene: Scene, rv: int) -> None:
    scene.tokens.fault(f"C_Decrypt 0x{rv:x}")
    with pytest.raises(HsmUnavailable):
        scene.opens()

    scene.later()
    with pytest.raises(InvalidCiphertextException):
        scene.partition.unwrap(scene.sealed, b"another context")


@pytest.mark.parametrize("rv", PIN_CKRS, ids=codes.name_of)
def test_a_refused_pin_is_sent_once(tokens: Tokens, rv: int) -> None:
    tokens.fault(f"C_Login 0x{rv:x}")

    with pytest.raises(HsmError) as refused:
        open_local(tokens, "faulty")

    assert refused.value.fault is HsmFault.PIN_REFUSED
    assert not isinstance(refused.value, HsmUnavailable)
    assert tokens.calls().count("C_Login") == 1


def test_a_pin_that_a_new_worker_is_refused_is_not_sent_again_but_another_one_is(scene: Scene) -> None:
    right, scene.pins.pin = scene.pins.pin, "wrong"
    os.kill(scene.worker(), signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(HsmError) as refused:
            scene.opens()
        assert refused.value.fault is HsmFault.PIN_REFUSED
        scene.later()
    assert scene.calls("C_Login") == 2

    scene.pins.pin = right
    assert scene.opens()
    assert scene.calls("C_Login") == 3


@pytest.mark.parametrize("flag", ["locked", "final"])
def test_a_token_whose_pin_is_locked_or_has_one_try_left_is_not_tried(tokens: Tokens, flag: str) -> None:
    tokens.fault(f"C_GetTokenInfo {flag}")
    pins = Pins(tokens["faulty"].pin)

    with pytest.raises(HsmError) as refused:
        open_local(tokens, "faulty", pins=pins)

    assert refused.value.fault is HsmFault.PIN_REFUSED
    assert (tokens.calls().count("C_Login"), pins.given) == (0, [])


def test_a_pin_that_was_wiped_meanwhile_is_not_sent(scene: Scene) -> None:
    scene.pins.pin = "\0" * 10
    os.kill(scene.worker(), signal.SIGKILL)

    with pytest.raises(HsmUnavailable):
        scene.opens()

    assert scene.calls("C_Login") == 1


def test_no_operation_costs_a_login(scene: Scene) -> None:
    for _ in range(5):
        assert scene.opens()

    assert scene.calls("C_Login") == 1


def test_one_unwrap_is_one_operation_on_the_token(scene: Scene) -> None:
    before = len(scene.tokens.calls())

    assert scene.opens()

    assert scene.tokens.calls()[before:] == [
        "C_OpenSession",
        "C_FindObjectsInit",
        "C_FindObjects",
        "C_FindObjects",  # there is no second one
        "C_DecryptInit",
        "C_Decrypt",
        "C_CloseSession",
    ]


def test_every_ckr_of_a_class_has_its_remedy() -> None:
    expected = {
        Remedy.AUTH_REFUSED: PIN_CKRS,
        Remedy.RECONNECT: RECONNECT,
        Remedy.REFIND: (*HANDLES, codes.UNWRAPPING_KEY_HANDLE_INVALID, codes.WRAPPING_KEY_HANDLE_INVALID),
        Remedy.BUSY: BUSY,
    }
    named = {rv: remedy for remedy, rvs in expected.items() for rv in rvs}

    assert {rv: remedy_for(rv) for rv in range(0x300) if remedy_for(rv) is not Remedy.NONE} == named


def test_a_partition_that_was_closed_says_so(tokens: Tokens) -> None:
    partition: LocalPartition = open_local(tokens, "faulty")
    partition.close()

    with pytest.raises(HsmUnavailable):
        partition.list_keys()


def test_a_token_that_was_away_shows_its_keys_again_to_the_same_partition(scene: Scene) -> None:
    tokens, away = scene.tokens.folder / "softhsm" / "tokens", scene.tokens.folder / "softhsm" / "away"
    assert [key.key_id for key in scene.partition.find_keys(scene.key_id)] == [scene.key_id]
    tokens.rename(away)
    with pytest.raises(HsmUnavailable) as told:
        scene.partition.find_keys(scene.key_id)
    assert told.value.fault is HsmFault.UNREACHABLE
    away.rename(tokens)
    scene.clock.advance(seconds=31)
    assert [key.key_id for key in scene.partition.find_keys(scene.key_id)] == [scene.key_id]


def test_a_token_that_is_away_is_no_token_without_keys(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    (tokens.folder / "softhsm" / "tokens").rename(tokens.folder / "softhsm" / "away")
    with pytest.raises(HsmUnavailable):
        partition.find_keys(new_id())
    partition.close()


@pytest.mark.parametrize("asked", ["find", "list"])
def test_a_module_that_shows_no_key_any_more_is_not_believed_until_a_fresh_one_says_so(
    scene: Scene, asked: str
) -> None:
    def found() -> list[str]:
        keys = scene.partition.find_keys(scene.key_id) if asked == "find" else scene.partition.list_keys()
        return [key.key_id for key in keys]

    tokens, away = scene.tokens.folder / "softhsm" / "tokens", scene.tokens.folder / "softhsm" / "away"
    assert found() == [scene.key_id]
    # The module looks while the token is away, and says from then on that there is no key.
    tokens.rename(away)
    blind = scene.partition.pid
    with pytest.raises(HsmUnavailable):
        scene.partition.find_keys(new_id())
    away.rename(tokens)
    with pytest.raises(HsmUnavailable):  # it may not be started anew so soon: nothing is concluded
        found()
    scene.clock.advance(seconds=31)
    assert found() == [scene.key_id]
    assert scene.partition.pid != blind


def test_that_every_key_has_gone_is_believed_of_a_fresh_module_and_then_without_another(scene: Scene) -> None:
    with_another = open_local(scene.tokens, "a")
    with_another.destroy(scene.key_id, label_of(scene.key_id))
    with_another.close()
    first = scene.partition.pid
    assert scene.partition.find_keys(scene.key_id) == []
    second = scene.partition.pid
    assert scene.partition.find_keys(scene.key_id) == scene.partition.list_keys() == []
    assert first != second == scene.partition.pid
