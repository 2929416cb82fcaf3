"""What every ``Partition`` does, however it is reached: inherit it, and give ``opens``.

Every suite that the token offers is tried in each test, so that one class covers tokens of any kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, InvalidCiphertextException
from reconciler.providers.hsm import Suite
from reconciler_pkcs11 import blob
from reconciler_pkcs11.partition import Partition, TokenKey
from reconciler_pkcs11.tests.opening import AAD, data_key, label_of, new_id


class PartitionFixtures:
    """Inherit it and give ``opens``, which opens a partition that holds nothing of ours, and the same one when asked
    again. ``target``: the name of the token. ``leaks``: whether it is one that gives out keys."""

    target = "a"
    leaks = False

    @pytest.fixture
    def reopened(self, opens: Callable[[], Partition]) -> Iterator[Callable[[], Partition]]:
        """Opens the partition another time; what it gives is closed in the end."""
        opened: list[Partition] = []

        def again() -> Partition:
            opened.append(opens())
            return opened[-1]

        yield again
        for each in opened:
            each.close()

    @pytest.fixture
    def partition(self, reopened: Callable[[], Partition]) -> Partition:
        return reopened()

    @pytest.fixture
    def suites(self, partition: Partition) -> tuple[Suite, ...]:
        return partition.examine().suites


class PartitionContract(PartitionFixtures):
    """What every partition does."""

    def test_an_examination_names_the_suites_best_first_and_whether_keys_stay_in(self, partition: Partition) -> None:
        found = partition.examine()

        assert found.suites
        assert list(found.suites) == [suite for suite in Suite if suite in found.suites]
        assert bool(found.leaks) == self.leaks
        assert found.label
        assert partition.list_keys() == []

    def test_what_was_wrapped_opens_in_its_context(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            key_id = generated(partition, suite)
            for aad in (b"", AAD, b"x" * 8192):
                with data_key() as key:
                    sealed = partition.wrap(key_id, suite, key, aad)

                    assert bytes(key.expose_key_bytes()) not in sealed
                    with partition.unwrap(sealed, aad) as found:
                        assert found == key

    def test_a_wrapped_key_says_its_suite_and_its_key(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            key_id = generated(partition, suite)

            read = blob.read(partition.wrap(key_id, suite, data_key(), AAD))

            assert (read.suite, read.key_id) == (suite, key_id)

    def test_no_two_wrapped_keys_are_alike_where_the_suite_is_not_deterministic(
        self, partition: Partition, suites: tuple[Suite, ...]
    ) -> None:
        for suite in set(suites) - {Suite.KWP}:
            key_id, key = generated(partition, suite), data_key()

            assert len({partition.wrap(key_id, suite, key, AAD) for _ in range(8)}) == 8

    def test_another_context_is_refused(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            sealed = partition.wrap(generated(partition, suite), suite, data_key(), AAD)
            for other in (b"", AAD + b"\0", AAD[:-1]):
                with pytest.raises(InvalidCiphertextException):
                    partition.unwrap(sealed, other)
            partition.unwrap(sealed, AAD).wipe()

    def test_a_change_of_any_byte_of_the_body_is_refused(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            sealed = partition.wrap(generated(partition, suite), suite, data_key(), AAD)
            for place in range(blob.HEADER_BYTES, len(sealed)):
                changed = bytearray(sealed)
                changed[place] ^= 1
                with pytest.raises(InvalidCiphertextException):
                    partition.unwrap(bytes(changed), AAD)

    def test_what_is_no_wrapped_key_is_refused(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        suite = suites[0]
        sealed = partition.wrap(generated(partition, suite), suite, data_key(), AAD)
        for wrong in (
            b"",
            sealed[:1],
            sealed[: blob.HEADER_BYTES],
            *(sealed[:length] for length in range(blob.HEADER_BYTES + 1, len(sealed), 7)),
            sealed + b"\0",
            b"\x02" + sealed[1:],
            b"\x01\x09" + sealed[2:],
        ):
            with pytest.raises(InvalidCiphertextException):
                partition.unwrap(wrong, AAD)

    def test_a_wrapped_key_opens_under_its_own_key_only(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            first, second = generated(partition, suite), generated(partition, suite)
            sealed = partition.wrap(first, suite, data_key(), AAD)
            moved = blob.header(suite, second) + sealed[blob.HEADER_BYTES :]

            with pytest.raises(InvalidCiphertextException):
                partition.unwrap(moved, AAD)

    def test_an_id_that_is_taken_is_refused_and_its_key_stays(
        self, partition: Partition, suites: tuple[Suite, ...]
    ) -> None:
        for suite in suites:
            key_id, key = generated(partition, suite), data_key()
            sealed = partition.wrap(key_id, suite, key, AAD)

            for label in (label_of(key_id), "reconciler/cluster/other"):
                with pytest.raises(HsmError) as refused:
                    partition.generate(key_id, label, suite)
                assert refused.value.fault is HsmFault.KEY_DUPLICATE

            assert partition.unwrap(sealed, AAD) == key

    def test_a_key_that_is_not_there_is_missing(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            key_id = generated(partition, suite)
            sealed = partition.wrap(key_id, suite, data_key(), AAD)
            partition.destroy(key_id, label_of(key_id))

            for use in (
                lambda: partition.unwrap(sealed, AAD),  # noqa: B023  # used in this turn only
                lambda: partition.wrap(key_id, suite, data_key(), AAD),  # noqa: B023
            ):
                with pytest.raises(HsmError) as missing:
                    use()
                assert missing.value.fault is HsmFault.KEY_MISSING

    def test_keys_are_listed_as_they_were_made(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        made = [TokenKey(key_id=(key_id := generated(partition, suite)), label=label_of(key_id)) for suite in suites]

        assert partition.list_keys() == sorted(made, key=lambda key: key.label)
        for key in made:
            assert partition.find_keys(key.key_id) == [key]
        assert partition.find_keys(new_id()) == []

    def test_a_key_that_may_be_relabelled_is(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        for suite in suites:
            key_id = generated(partition, suite, relabelled=True)
            sealed = partition.wrap(key_id, suite, data_key(), AAD)

            for _ in range(2):
                partition.relabel(key_id, "reconciler/key/x/1/disabled")

            assert partition.find_keys(key_id) == [TokenKey(key_id=key_id, label="reconciler/key/x/1/disabled")]
            partition.unwrap(sealed, AAD).wipe()
            partition.destroy(key_id, "reconciler/key/x/1/disabled")
        assert partition.list_keys() == []

    def test_a_destroyed_key_is_gone_and_destroying_it_again_is_no_error(
        self, partition: Partition, suites: tuple[Suite, ...]
    ) -> None:
        for suite in suites:
            key_id = generated(partition, suite)

            for _ in range(2):
                partition.destroy(key_id, label_of(key_id))

            assert partition.find_keys(key_id) == []
            partition.generate(key_id, label_of(key_id), suite)

    def test_only_the_key_of_that_id_and_label_is_destroyed(
        self, partition: Partition, suites: tuple[Suite, ...]
    ) -> None:
        for suite in suites:
            key_id = generated(partition, suite)
            sealed = partition.wrap(key_id, suite, data_key(), AAD)

            partition.destroy(key_id, "reconciler/cluster/other")
            partition.destroy(new_id(), label_of(key_id))

            partition.unwrap(sealed, AAD).wipe()

    def test_keys_outlive_the_connection(
        self, partition: Partition, reopened: Callable[[], Partition], suites: tuple[Suite, ...]
    ) -> None:
        held = []
        for suite in suites:
            key_id, key = generated(partition, suite), data_key()
            held.append((partition.wrap(key_id, suite, key, AAD), key))
        partition.close()

        again = reopened()

        for sealed, key in held:
            assert again.unwrap(sealed, AAD) == key

    def test_a_key_of_a_length_that_no_token_would_keep_is_refused(
        self, partition: Partition, suites: tuple[Suite, ...]
    ) -> None:
        for suite in suites:
            key_id = generated(partition, suite)
            for length in (8, 16, 64, 128):
                key = DataKey(b"k" * length)
                assert partition.unwrap(partition.wrap(key_id, suite, key, AAD), AAD) == key
            for length in (1, 33, 136):
                with pytest.raises(HsmError):
                    partition.wrap(key_id, suite, DataKey(b"k" * length), AAD)

    def test_threads_take_turns(self, partition: Partition, suites: tuple[Suite, ...]) -> None:
        suite, wrong = suites[0], []
        key_id = generated(partition, suite)

        def use() -> None:
            for _ in range(10):
                key = data_key()
                if partition.unwrap(partition.wrap(key_id, suite, key, AAD), AAD) != key:
                    wrong.append(key)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert not wrong
        assert not any(thread.is_alive() for thread in threads)

    def test_closing_twice_is_no_error(self, partition: Partition) -> None:
        partition.close()
        partition.close()


def generated(partition: Partition, suite: Suite, *, relabelled: bool = False) -> str:
    """The id of a new key."""
    key_id = new_id()
    partition.generate(key_id, label_of(key_id), suite, relabelled=relabelled)
    return key_id
