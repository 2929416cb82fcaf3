"""Providers are built once, when needed, from valid config, and find each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.errors import InvalidManifests, ProviderUnavailable, ReconcilerError
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import HSM, KEYS, TABLES, WAREHOUSE
from reconciler.providers.pool import ProviderPool
from reconciler.testing.fakes import ManualClock, SeededRandom
from tests.providers.plugins import Declared, Keys, KeysConfig, Recorder, Rooted, Warehouse, find_plugin


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    Recorder.built.clear()
    Recorder.closed.clear()
    yield


def pool_of(**declared: Declared) -> ProviderPool:
    return ProviderPool(
        declared, find_plugin, home=Path("/home"), fs=OsFs(), clock=ManualClock(), random=SeededRandom()
    )


def test_a_provider_is_built_when_first_needed_and_only_once() -> None:
    pool = pool_of(east=Declared(), west=Declared(region="eu-west-2"))
    assert Recorder.built == []
    first = pool.provider("east")
    assert pool.provider("east") is first
    assert Recorder.built == ["east"]


def test_a_provider_is_given_its_declaration_its_typed_config_and_the_machine() -> None:
    declared = Declared(principal="arn:aws:iam::111122223333:role/x", config={"cacheSize": "7"})
    provider = cast(Keys, pool_of(east=declared).provider("east"))
    services = provider.services
    assert provider.config == KeysConfig(cache_size=7)
    assert (services.name, services.account, services.region) == ("east", "111122223333", "eu-west-1")
    assert (services.principal, services.home) == (declared.principal, Path("/home"))


def test_threads_that_ask_at_once_get_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Keys.__init__

    def slowly(self: Keys, *arguments: Any) -> None:
        time.sleep(0.02)
        original(self, *arguments)

    monkeypatch.setattr(Keys, "__init__", slowly)
    pool = pool_of(east=Declared(), house=Declared(plugin="warehouse"))
    found: list[object] = []
    names = ["east", "house"] * 4
    threads = [threading.Thread(target=lambda name=name: found.append(pool.provider(name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(map(id, found))), sorted(Recorder.built)) == (8, 2, ["east", "house"])


def test_the_protocol_is_known_without_building() -> None:
    pool = pool_of(east=Declared(), house=Declared(plugin="warehouse"), rows=Declared(plugin="tables"))
    assert [pool.protocol_of(name) for name in ("east", "house", "rows")] == [KEYS, WAREHOUSE, TABLES]
    assert Recorder.built == []


def test_a_data_provider_finds_the_one_key_service_of_its_account_and_region() -> None:
    pool = pool_of(
        here=Declared(),
        elsewhere=Declared(region="eu-west-2"),
        others=Declared(account="444455556666"),
        rows=Declared(plugin="tables"),
        house=Declared(plugin="warehouse"),
    )
    assert cast(Warehouse, pool.provider("house")).keys is pool.provider("here")
    assert Recorder.built == ["here", "house"]


def test_a_data_provider_may_name_its_key_service() -> None:
    pool = pool_of(a=Declared(), b=Declared(), house=Declared(plugin="warehouse", config={"keyService": "b"}))
    assert cast(Warehouse, pool.provider("house")).keys is pool.provider("b")


def test_a_data_provider_finds_the_one_hsm_beside_it_or_the_one_that_it_names() -> None:
    pool = pool_of(keys=Declared(), luna=Declared(plugin="hsm"), house=Declared(plugin="rooted"))
    assert cast(Rooted, pool.provider("house")).hsm is pool.provider("luna")
    named = pool_of(
        a=Declared(plugin="hsm"), b=Declared(plugin="hsm"), house=Declared(plugin="rooted", config={"hsm": "b"})
    )
    assert cast(Rooted, named.provider("house")).hsm is named.provider("b")


def test_an_hsm_serves_kinds_of_keys_but_is_never_taken_for_the_key_service() -> None:
    pool = pool_of(luna=Declared(plugin="hsm"), keys=Declared(), house=Declared(plugin="warehouse"))
    pool.check("luna", KEYS, "Key/orders")
    assert cast(Warehouse, pool.provider("house")).keys is pool.provider("keys")
    with pytest.raises(InvalidManifests) as refused:
        pool.check("keys", HSM, "HsmPartition/a")
    (problem,) = refused.value.diagnostics()
    assert problem.summary == "Provider/keys is a key service; HsmPartition/a needs an HSM"


HOUSE = Declared(plugin="warehouse")
REFUSALS: dict[str, tuple[dict[str, Declared], str, str, str]] = {
    "no key service there": (
        {"house": HOUSE, "far": Declared(region="eu-west-2")},
        "house",
        "Provider/house has no key service in account 111122223333, Region eu-west-1",
        "Key Providers of this project: far (111122223333, eu-west-2).",
    ),
    "no key service at all": ({"house": HOUSE}, "house", "has no key service", "This project has no key Provider."),
    "two key services there": (
        {"house": HOUSE, "a": Declared(), "b": Declared()},
        "house",
        "has several key services in account 111122223333, Region eu-west-1: a, b",
        "spec.config.keyService",
    ),
    "a key service that is none": (
        {"house": Declared(plugin="warehouse", config={"keyService": "rows"}), "rows": Declared(plugin="tables")},
        "house",
        "Provider/house names rows as its key service, which is a table service",
        "This project has no key Provider.",
    ),
    "no HSM there": (
        {"house": Declared(plugin="rooted"), "a": Declared()},
        "house",
        "Provider/house has no HSM in account 111122223333, Region eu-west-1",
        "Declare an HSM Provider there. This project has no HSM Provider.",
    ),
    "an HSM that is none": (
        {"house": Declared(plugin="rooted", config={"hsm": "a"}), "a": Declared(), "luna": Declared(plugin="hsm")},
        "house",
        "Provider/house names a as its HSM, which is a key service",
        "HSM Providers of this project: luna (111122223333, eu-west-1).",
    ),
    "a key service that nobody declares": (
        {"house": Declared(plugin="warehouse", config={"keyService": "esat"}), "east": Declared()},
        "house",
        'No manifest declares a Provider called "esat"',
        "Did you mean east?",
    ),
    "a circle": (
        {"house": HOUSE, "circle": Declared(plugin="circle")},
        "house",
        "in a circle: Provider/house → Provider/circle → Provider/house",
        "spec.config",
    ),
    "an unknown provider": ({"east": Declared()}, "west", 'called "west"', "Declared: east."),
    "an unknown plugin": ({"east": Declared(plugin="kyes")}, "east", "kyes", "Did you mean keys?"),
    "a plugin that fails to start": (
        {"east": Declared(plugin="broken", config={"socket": "/run/x"})},
        "east",
        "RuntimeError: no socket today",
        "report this to its authors",
    ),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_built_is_one_message(case: tuple[dict[str, Declared], str, str, str]) -> None:
    declared, asked, summary, suggestion = case
    pool = pool_of(**declared)
    for _ in range(2):  # and says the same when asked again
        with pytest.raises(ProviderUnavailable) as refused:
            pool.provider(asked)
        assert summary in refused.value.summary
        assert suggestion in (refused.value.suggestion or "")
        assert (refused.value.address or "").startswith("Provider/")
    assert "house" not in Recorder.built


BAD_CONFIG: dict[str, tuple[Declared, list[tuple[str, str, str | None]]]] = {
    "a misspelt field": (
        Declared(config={"cacheSzie": "7"}),
        [
            (
                "spec.config.cacheSzie",
                "Provider/east has no setting config.cacheSzie",
                "Did you mean cacheSize? Known: cacheSize.",
            )
        ],
    ),
    "a value of the wrong sort, and not repeated": (
        Declared(config={"cacheSize": "hunter2"}),
        [
            (
                "spec.config.cacheSize",
                "Provider/east: spec.config.cacheSize must be a whole number",
                None,
            )
        ],
    ),
    "a missing field and a superfluous one": (
        Declared(plugin="broken", config={"zzz": "1"}),
        [
            ("spec.config.socket", "Provider/east needs spec.config.socket", "Add socket under spec.config."),
            ("spec.config.zzz", "Provider/east has no setting config.zzz", "Known: socket."),
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIG.values(), ids=BAD_CONFIG)
def test_wrong_config_is_named_field_by_field(case: tuple[Declared, list[tuple[str, str, str | None]]]) -> None:
    declared, expected = case
    pool = pool_of(east=declared)
    with pytest.raises(InvalidManifests) as refused:
        pool.provider("east")
    found = refused.value.diagnostics()
    assert [(each.path, each.summary, each.suggestion) for each in found] == expected
    assert {each.address for each in found} == {"Provider/east"}
    assert Recorder.built == []


def test_all_problems_of_all_providers_come_at_once_without_building() -> None:
    pool = pool_of(
        a=Declared(plugin="nope"), b=Declared(config={"x": "1"}), c=Declared(plugin="broken"), good=Declared()
    )
    assert [(each.address, each.path) for each in pool.problems()] == [
        ("Provider/a", "spec.plugin"),
        ("Provider/b", "spec.config.x"),
        ("Provider/c", "spec.config.socket"),
    ]
    assert Recorder.built == []


def test_a_provider_of_the_wrong_sort_is_refused_with_those_that_fit() -> None:
    pool = pool_of(east=Declared(), house=HOUSE)
    pool.check("east", KEYS, "Key/orders")
    with pytest.raises(InvalidManifests) as refused:
        pool.check("house", KEYS, "Key/orders")
    (found,) = refused.value.diagnostics()
    assert found.summary == "Provider/house is a warehouse; Key/orders needs a key service"
    assert (found.address, found.path, found.suggestion) == ("Key/orders", "spec.provider", "Name one of these: east.")
    with pytest.raises(InvalidManifests) as refused:
        pool.check("house", TABLES, "Table/orders")
    assert "Declare a Provider whose plugin is a table service" in (refused.value.diagnostics()[0].suggestion or "")


def test_closing_closes_those_that_use_others_first_and_all_of_them() -> None:
    pool = pool_of(
        bad=Declared(plugin="closes-badly"), house=Declared(plugin="warehouse", config={"keyService": "bad"}),
        unused=Declared(),
    )  # fmt: skip
    pool.provider("house")
    with pytest.raises(OSError, match="the log could not be written"):
        pool.close()
    assert Recorder.closed == ["house", "bad"]
    pool.close()
    assert Recorder.closed == ["house", "bad"]


def test_every_refusal_is_an_error_with_exit_1() -> None:
    with pytest.raises(ReconcilerError) as refused:
        pool_of().provider("east")
    assert refused.value.exit_code == 1
    assert "Declared: none." in (refused.value.suggestion or "")
