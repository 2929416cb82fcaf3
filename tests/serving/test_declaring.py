"""Principals of ``serve --ephemeral``, and the addresses that it listens on."""

from __future__ import annotations

import pytest

from reconciler.commands.serve.declaring import declared
from reconciler.errors import UsageError
from reconciler.serving.listening import listen, url_of
from reconciler.testing.fakes import SeededRandom
from tests.serving.signing import NOW

ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("written", "principal", "key"),
    [
        ("bob=bobs_id:a/b+c=:d", f"arn:aws:iam::{ACCOUNT}:user/bob", ("bobs_id", "a/b+c=:d")),
        ("role/app=AKIAAPP:s", f"arn:aws:iam::{ACCOUNT}:role/app", ("AKIAAPP", "s")),
        ("user/team/bob=AKIABOB:s", f"arn:aws:iam::{ACCOUNT}:user/team/bob", ("AKIABOB", "s")),
        ("root=AKIAROOT:s", f"arn:aws:iam::{ACCOUNT}:root", ("AKIAROOT", "s")),
        (
            "arn:aws:iam::444455556666:role/app=AKIAAPP:s",
            "arn:aws:iam::444455556666:role/app",
            ("AKIAAPP", "s"),
        ),
        (
            "arn:aws:sts::444455556666:assumed-role/app/one=AKIAAPP:s",
            "arn:aws:sts::444455556666:assumed-role/app/one",
            ("AKIAAPP", "s"),
        ),
    ],
)
def test_a_principal_is_written(written: str, principal: str, key: tuple[str, str]) -> None:
    found, fresh = declared([written], [], ACCOUNT, SeededRandom(), NOW)
    (made,) = found.all
    assert (made.principal, (made.access_key_id, made.secret), fresh) == (principal, key, [])


def test_an_access_key_that_is_not_given_is_made_and_told() -> None:
    found, fresh = declared(["bob", "ann=AKIAANN:s"], [], ACCOUNT, SeededRandom(), NOW)
    assert [each.principal for each in fresh] == [f"arn:aws:iam::{ACCOUNT}:user/bob"]
    assert found.find(fresh[0].access_key_id) == found.all[0]


def test_the_first_administers_unless_another_is_said_to() -> None:
    two = ["bob=AKIABOB:s", "ann=AKIAANN:s"]
    administrators = [
        sorted(declared(two, said, ACCOUNT, SeededRandom(), NOW)[0].administrators(ACCOUNT))
        for said in ([], ["ann"], ["ann", "bob"])
    ]
    assert [[arn.rpartition("/")[2] for arn in each] for each in administrators] == [["bob"], ["ann"], ["ann", "bob"]]


def test_tags_belong_to_whom_they_name() -> None:
    session = "arn:aws:sts::444455556666:assumed-role/app/one"
    who = ["bob=AKIABOB:s", f"{session}=AKIAAPP:s", "ann"]
    tags = ["bob:team=orders", "bob:a:b=c=d:e", f"{session}:team=", f"arn:aws:iam::{ACCOUNT}:user/ann:x=y"]
    found, _ = declared(who, [], ACCOUNT, SeededRandom(), NOW, tags=tags)
    assert [dict(each.tags) for each in found.all] == [{"team": "orders", "a:b": "c=d:e"}, {"team": ""}, {"x": "y"}]


@pytest.mark.parametrize(
    "written", ["team=orders", "carl:team=orders", "bob:team", "bob:=x", "bob:" + "k" * 129 + "=x"]
)
def test_a_tag_that_is_none_or_of_nobody_is_refused(written: str) -> None:
    with pytest.raises(UsageError):
        declared(["bob=AKIABOB:s"], [], ACCOUNT, SeededRandom(), NOW, tags=[written])


@pytest.mark.parametrize(
    "written", ["", "=a:b", "a b=AKIAAB:s", "role/=AKIAAB:s", "arn:aws:iam::1:user/x", "x/y=AKIA:s"]
)
def test_what_names_nobody_is_refused(written: str) -> None:
    with pytest.raises(UsageError):
        declared([written], [], ACCOUNT, SeededRandom(), NOW)


@pytest.mark.parametrize(
    ("written", "begins"),
    [("127.0.0.1:0", "http://127.0.0.1:"), ("localhost:0", "http://"), ("127.1.2.3:0", "http://127.1.2.3:")],
)
def test_this_machine_is_listened_to_without_tls(written: str, begins: str) -> None:
    with listen(written, is_guarded=False) as bound:
        assert url_of(bound, is_encrypted=False).startswith(begins)
        assert not url_of(bound, is_encrypted=False).endswith(":0")


@pytest.mark.parametrize("written", ["0.0.0.0:0", "[::]:0"])
def test_every_address_is_listened_to_only_when_that_is_guarded(written: str) -> None:
    with pytest.raises(UsageError, match="Without TLS"):
        listen(written, is_guarded=False)


def test_an_address_that_is_taken_says_so() -> None:
    with listen("127.0.0.1:0", is_guarded=False) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(UsageError, match="cannot be listened on"):
            listen(f"127.0.0.1:{port}", is_guarded=False)
