"""A change on its way to a key that is then out of reach does not stand in the way of everything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors import AccessDeniedException, DisabledException, ThrottlingException
from reconciler.providers.data import Root
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.worlds import ACCOUNT, CSV, HERE, NONE, World, silent

QUESTION = "SELECT count(*) FROM flights"


class Stops(Fault):
    """The key service does not answer the n-th call of that name."""

    def __init__(self, call: str, number: int) -> None:
        super().__init__(lambda: ThrottlingException("come again"))
        self._call, self._left = call, number

    def count(self, call: str) -> BaseException | None:
        self._left -= call == self._call
        return ThrottlingException("come again") if call == self._call and self._left < 0 else None


def to(world: World, root: Root, token: str) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", root, progress=silent, token=token)


def stuck(world: World, before: Root, call: str, number: int) -> Root:
    """On the way to a key that was disabled before its end; that key."""
    target = world.key("unreachable")
    world.create(before)
    world.load(world.file("a.csv"))
    world.reopen()
    stopping = opened(world.home, world.files)
    fault = Stops(call, number)
    stopping.wrap_keys = lambda inner: failing_provider(inner, fault)
    with pytest.raises(ThrottlingException):
        to(stopping, target, "first")
    stopping.reopen()
    world.keys().disable_key(world.caller, str(target.key_arn))
    return target


NEXT: dict[str, Callable[[World], object]] = {
    "load": lambda world: world.load(world.file("b.csv", CSV.replace("CANARY", "SECOND"))),
    "snapshot": lambda world: world.warehouse().create_snapshot(
        world.caller, "sales", "snap", retention_days=None, token="snap"
    ),
    "another key": lambda world: to(world, world.key("k3"), "second"),
}
STARTS = {
    "switch, before its new key": (lambda world: world.key("k1"), "generate_data_key", 0),
    "switch, before the new key is proved": (lambda world: world.key("k1"), "decrypt", 2),
    "encrypt, before its key": (lambda world: NONE, "generate_data_key", 0),
    "encrypt, before its key is proved": (lambda world: NONE, "decrypt", 0),
    "encrypt, with a key that nothing is under": (lambda world: NONE, "decrypt", 1),
}


@pytest.mark.parametrize("then", NEXT.values(), ids=NEXT.keys())
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_a_change_that_changed_nothing_is_given_up_for_the_next(
    world: World, start: tuple[Callable[[World], Root], str, int], then: Callable[[World], object]
) -> None:
    before, call, number = start
    target = stuck(world, before(world), call, number)
    with pytest.raises(DisabledException):
        to(world, target, "first")  # the same call is not given up: it says why it cannot go on
    then(world)
    (described,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    # Rows are written while a cluster is encrypted (RE9): whoever writes some neither waits for that nor gives it up.
    goes_on = then is NEXT["load"] and before(world) == NONE and (call, number) != ("decrypt", 1)
    assert described.status == ("resizing" if goes_on else "available")
    assert described.root == (world.key("k3") if then is NEXT["another key"] else before(world))
    assert world.select(QUESTION) == [(10_000 if then is NEXT["load"] else 5000,)]
    assert goes_on or target.key_arn not in {use.key_arn for use in world.warehouse().key_uses()}
    # The key comes back, and so does the request: begun anew, not taken for done.
    world.keys(HERE).enable_key(world.caller, str(target.key_arn))
    to(world, target, "first")
    (described,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    assert described.root == target
    assert world.select(QUESTION) == [(10_000 if then is NEXT["load"] else 5000,)]


def test_a_rotation_that_its_key_refused_does_not_keep_the_cluster_from_another_key(world: World) -> None:
    root = world.key("k1")
    world.create(root)
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*"},
    ]
    world.keys().put_key_policy(world.caller, str(root.key_arn), {"Version": "2012-10-17", "Statement": statements})
    with pytest.raises(AccessDeniedException):
        world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    to(world, world.key("k2"), "second")
    (described,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    assert (described.status, described.root) == ("available", world.key("k2"))


@pytest.mark.parametrize("number", [0, 1], ids=["before its key is proved", "before the cluster is there"])
def test_a_key_that_a_creation_made_something_under_is_in_use_before_the_cluster_is(world: World, number: int) -> None:
    """Deleting it now would leave a creation that could never be taken up (I3)."""
    root = world.key("k1")
    stopping = opened(world.home, world.files)
    fault = Stops("decrypt", number)
    stopping.wrap_keys = lambda inner: failing_provider(inner, fault)
    with pytest.raises(ThrottlingException):
        stopping.create(root)
    stopping.reopen()
    assert world.warehouse().describe_clusters(world.caller) == []
    assert [use.key_arn for use in world.warehouse().key_uses()] == [root.key_arn]
