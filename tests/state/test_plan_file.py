"""A saved plan comes back as it was written, or not at all (I12)."""

from __future__ import annotations

import errno
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import HostError, NewerFormat, ReconcilerError, StalePlan, UsageError
from reconciler.host.os_fs import OsFs
from reconciler.state.plan_file import VALID_FOR, SavedPlan, read_plan, write_plan
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.recording_fs import RecordingFs

FS = OsFs()
MAC = HmacSha256(DataKey(b"s" * 32))
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PLAN = SavedPlan(
    plan_id="p-1",
    lineage="9b5e",
    serial=7,
    manifests_digest="ab" * 32,
    plan_digest="cd" * 32,
    world_digest="ef" * 32,
    versions={"reconciler": "1.0", "softkms": "1.0"},
    created_at=NOW,
    expires_at=NOW + VALID_FOR,
    selection={"target": ["Key/größe"], "destroy": False},
    text="Key/orders will be created\n",
    document={"formatVersion": 1, "changes": [{"address": "Key/orders", "reason": "für\nBestellungen"}]},
)


def written(tmp_path: Path, plan: SavedPlan = PLAN) -> Path:
    path = tmp_path / "saved.plan"
    write_plan(FS, SeededRandom(), MAC, path, plan)
    return path


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read_plan(FS, MAC, path) == PLAN
    assert path.stat().st_mode & 0o777 == 0o600
    write_plan(FS, SeededRandom(1), MAC, path, replace(PLAN, serial=8))
    assert read_plan(FS, MAC, path).serial == 8
    assert [each.name for each in tmp_path.iterdir()] == ["saved.plan"]


def test_it_is_lines_of_json_that_any_tool_can_read(tmp_path: Path) -> None:
    header, body, rest = written(tmp_path).read_text("utf-8").split("\n")
    assert header.startswith('{"kind": "reconciler-plan", "formatVersion": 1,')
    assert '"address":"Key/orders"' in body
    assert rest == ""


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_is_accepted(tmp_path: Path, bit: int) -> None:
    content = written(tmp_path).read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        with pytest.raises((StalePlan, NewerFormat)):
            read_bytes(bytes(changed))


def test_no_truncation_or_addition_is_accepted(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    for changed in (
        *(content[:length] for length in range(len(content))),
        content + b"\n",
        content + b" ",
        content * 2,
    ):
        with pytest.raises(StalePlan):
            read_bytes(changed)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_refused_in_one_way(content: bytes) -> None:
    with pytest.raises(StalePlan):
        read_bytes(content)


def read_bytes(content: bytes) -> SavedPlan:
    path = Path("/plans/saved.plan")
    return read_plan(RecordingFs({path: content}, folders=[path.parent]), MAC, path)


def content_of(mac: HmacSha256 = MAC) -> bytes:
    path = Path("/plans/saved.plan")
    fs = RecordingFs({}, folders=[path.parent])
    write_plan(fs, SeededRandom(), mac, path, PLAN)
    handle = fs.open(path)
    buffer = bytearray(fs.size(path))
    fs.read_into(handle, memoryview(buffer), 0)
    fs.close(handle)
    return bytes(buffer)


REFUSALS: dict[str, tuple[bytes, type[ReconcilerError], str]] = {
    "a manifest": (b"apiVersion: reconciler/v1alpha1\nkind: Key\n", StalePlan, "is no plan of reconciler"),
    "a plan's JSON output": (b'{"formatVersion": 1, "planId": "p-1"}\n', StalePlan, "is no plan of reconciler"),
    "deep nesting": (b"[" * 1000, StalePlan, "is no plan of reconciler"),
    "a very long line": (b"1" * 5000, StalePlan, "is no plan of reconciler"),
    "cut short": (content_of()[:-40], StalePlan, "is truncated"),
    "a changed word": (
        content_of().replace(b"Key/orders", b"Key/prdes!"),
        StalePlan,
        "was changed after it was written",
    ),
    "a header spelt otherwise": (content_of().replace(b'"kind": ', b'"kind":', 1), StalePlan, "was changed after"),
    "another project's": (content_of(HmacSha256(DataKey(b"t" * 32))), StalePlan, "is another project's"),
    "a newer format": (content_of().replace(b'"formatVersion": 1', b'"formatVersion": 2', 1), NewerFormat, "format 2"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_which(case: tuple[bytes, type[ReconcilerError], str]) -> None:
    content, error, words = case
    with pytest.raises(error, match=words) as refused:
        read_bytes(content)
    assert "/plans/saved.plan" in refused.value.summary
    assert "reconciler plan --out FILE" in (refused.value.suggestion or "")


def test_no_such_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no plan file") as refused:
        read_plan(FS, MAC, tmp_path / "absent")
    assert refused.value.exit_code == 1


FITS = {
    "lineage": "9b5e",
    "serial": 7,
    "manifests_digest": "ab" * 32,
    "versions": {"reconciler": "1.0", "softkms": "1.0"},
    "now": NOW + timedelta(hours=23),
}

STALE = {
    "another state's": ({"lineage": "other"}, "is another state's"),
    "a day old": ({"now": NOW + VALID_FOR}, "has expired"),
    "the state went on": ({"serial": 8}, "the state went on"),
    "a state put back": ({"serial": 6}, "the state went on"),
    "another plugin": ({"versions": {"reconciler": "1.0", "softkms": "1.1"}}, "softkms was 1.0, is 1.1"),
    "a plugin more": ({"versions": {**PLAN.versions, "tables": "1.0"}}, "tables was absent, is 1.0"),
    "other manifests": ({"manifests_digest": "00" * 32}, "the manifests changed"),
}


def test_a_fresh_plan_may_be_applied() -> None:
    PLAN.check(**FITS)  # type: ignore[arg-type]  # a table of mixed types
    PLAN.check_world("ef" * 32, "cd" * 32)


@pytest.mark.parametrize("case", STALE.values(), ids=STALE)
def test_a_stale_plan_says_why(case: tuple[dict[str, object], str]) -> None:
    changed, words = case
    with pytest.raises(StalePlan) as refused:
        PLAN.check(**{**FITS, **changed})  # type: ignore[arg-type]  # a table of mixed types
    assert words in f"{refused.value.summary} {refused.value.detail}"
    assert refused.value.exit_code == 5


def test_a_plan_that_planning_again_does_not_give_is_stale() -> None:
    with pytest.raises(StalePlan, match="planning again gives another plan"):
        PLAN.check_world("ef" * 32, "00" * 32)


def test_a_plan_of_another_world_is_stale() -> None:
    with pytest.raises(StalePlan, match="the world changed"):
        PLAN.check_world("00" * 32, "cd" * 32)


def test_a_full_disk_leaves_the_old_plan(tmp_path: Path) -> None:
    path = written(tmp_path)
    fault = disk_fault(errno.ENOSPC, at=1)
    with pytest.raises(HostError, match="No space left"):
        write_plan(FailingFs(FS, fault), SeededRandom(9), MAC, path, replace(PLAN, serial=8))
    assert read_plan(FS, MAC, path) == PLAN


@pytest.mark.parametrize("content", [b"reconciler seal 1\n\x00\xff", b"kind: Key\n", b'{"kind": "reconciler-pla'])
def test_nothing_but_a_plan_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="it is no plan; nothing was written"):
        write_plan(FS, SeededRandom(), MAC, path, PLAN)
    assert path.read_bytes() == content


def test_neither_a_link_nor_a_device_nor_a_folder_is_replaced(tmp_path: Path) -> None:
    link, folder, plan = tmp_path / "link", tmp_path / "folder", written(tmp_path)
    link.symlink_to(plan)
    folder.mkdir()
    for path in (link, folder, Path("/dev/null")):
        with pytest.raises(UsageError, match="nothing was written"):
            write_plan(FS, SeededRandom(), MAC, path, PLAN)
    assert link.is_symlink()


def test_an_empty_file_becomes_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "saved.plan"  # as mktemp makes one
    path.touch()
    assert read_plan(FS, MAC, written(tmp_path)) == PLAN
