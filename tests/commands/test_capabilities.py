"""What a provider does not do is told when it is planned, with the line that asks for it (STYLE habit 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidManifests
from reconciler.providers.pool import ProviderPool
from tests.world import World, document, provider

BUILD = ProviderPool._build
GRANT = {"key": "k", "granteePrincipal": "arn:aws:iam::111122223333:role/app", "operations": "[Decrypt]"}
POLICY = (
    "{Statement: [{Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'}, Action: 'kms:*', Resource: '*'}]}"
)
CASES = {
    "aliases": ("create_alias", document("Alias", "a", key="k"), "Alias/a", "have aliases"),
    "grants": ("create_grant", document("Grant", "g", **GRANT), "Grant/g", "issue grants"),
    "policies": ("put_key_policy", document("KeyPolicy", "p", key="k", document=POLICY), "KeyPolicy/p", "have key pol"),
    "rotation": ("rotate_key", document("Key", "r", rotation="{every: 90d}"), "Key/r", "rotate keys"),
}


class Lacking:
    """A provider without one of its calls."""

    def __init__(self, provider: Any, call: str) -> None:
        self._provider, self._call = provider, call

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            raise AttributeError(name)
        return getattr(self._provider, name)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_refuses_what_its_provider_does_not_do(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, asking, address, does = CASES[case]
    world = World(tmp_path / "project")
    world.declare(provider() + document("Key", "k") + asking)
    assert world.plan().has_changes
    monkeypatch.setattr(ProviderPool, "_build", lambda pool, name: Lacking(BUILD(pool, name), call))
    with pytest.raises(InvalidManifests) as refused:
        world.plan()

    (problem,) = refused.value.diagnostics()
    assert problem.code == "missing-capability"
    assert problem.summary.startswith(f'{address}: Provider "kms" does not {does}')
    assert (problem.address, problem.path) == (address, "spec.provider")
    assert problem.where is not None
    assert problem.where.startswith("manifests/world.yaml:")
    world.declare(provider() + document("Key", "k"))
    assert world.plan().has_changes, "nothing else is refused"
