"""What a Provider manifest says: which plugin, for which account and Region, acting as whom."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from reconciler.resources.field_types import Account, PrincipalArn, Region, Tree, refuse, text
from reconciler.resources.spec import Spec

PluginName = Annotated[str, text(r"[a-z][a-z0-9_-]{0,62}", "the name of a plugin, such as softkms")]

_OF_OBJECTS = {"provider", "lifecycle", "dependsOn", "externalName", "importId", "renamedFrom"}


class ProviderSpec(Spec):
    """``config`` is the plugin's own: mappings, lists and texts here, typed by the plugin's model when it is built.

    A Provider stands for a service, not for an object at one, so it takes none of the fields of ``Spec``.
    """

    provider: str = Field(default="", exclude=True)
    plugin: PluginName
    account: Account
    region: Region
    principal: PrincipalArn
    config: Tree = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _stands_for_a_service(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for field in data:
                # From the state's JSON these come with their defaults.
                if field in _OF_OBJECTS and data[field] not in (None, [], {}) and not _is_default(data[field]):
                    raise refuse(
                        "does not belong to a Provider, which stands for a service and not for an object at one",
                        field=field,
                        suggestion=f"Remove {field}.",
                    )
        return data


def _is_default(value: Any) -> bool:
    return bool(value == {"preventDestroy": None, "retain": False, "ignoreChanges": []})
