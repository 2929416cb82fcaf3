"""How one resource names another in its spec: the bare name of the kind that the field asks for, or ``{arn: …}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.ports import Services

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, PydanticCustomError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12})?:[^\s]{1,1024}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a resource of ``kind``: either ``name`` (a manifest's) or ``arn`` (an object no manifest
    manages)."""

    kind: str
    name: str | None = None
    arn: str | None = None

    @property
    def address(self) -> Address | None:
        """The declared resource's address; None for an unmanaged object."""
        return None if self.name is None else Address.of(self.kind, self.name)

    def __str__(self) -> str:
        return self.arn if self.name is None and self.arn is not None else f"{self.kind}/{self.name}"

    def attributes(self, services: Services) -> Mapping[str, Any]:
        """What is recorded of the target; for an unmanaged object its ARN as ``arn`` and ``id``. KeyError when it
        does not exist yet (a step runs only after what it refers to)."""
        address = self.address
        if address is None:
            return {"id": self.arn, "arn": self.arn}
        return services.attributes(address)

    def arn_in(self, services: Services) -> str:
        """The target's ARN, at the time a step runs."""
        return str(self.attributes(services)["arn"])

    def name_in(self, services: Services) -> str:
        """The target's name at its provider, at the time a step runs."""
        return name_of(self.attributes(services))


def planned_arn(fact: Mapping[str, Any], services: Services) -> str | None:
    """The ARN of what a step's reference named, as the step's intent keeps it; None when that is recorded no more."""
    if fact["arn"] is not None:
        return str(fact["arn"])
    try:
        return str(services.attributes(Address(fact["address"]))["arn"])
    except KeyError:
        return None


def name_of(attributes: Mapping[str, Any]) -> str:
    """An object's name at its provider: the recorded one, else the last part of its ARN."""
    name = attributes.get("name")
    return re.split("[:/]", str(attributes["id"]).rstrip("/"))[-1] if name is None else str(name)


@dataclass(frozen=True, slots=True)
class RefersTo:
    """The type of a field that names a resource: ``Annotated[Reference, RefersTo("Key")]``.

    ``kind`` is what the field asks for; edges of the graph come from nothing else (PS2). ``unmanaged`` says whether
    ``{arn: …}`` may stand there. Written out again it is the bare name, or ``{"arn": …}``.
    """

    kind: str
    unmanaged: bool = True

    def read(self, value: object) -> Reference:
        """The reference that a manifest (or the state's JSON) wrote. PydanticCustomError."""
        if isinstance(value, str):
            named = _named(self.kind, str(value))
            if named is None:
                raise self._no_name(value)
            return named
        if isinstance(value, Reference):
            if value.kind != self.kind:
                raise _error(f"must name {a(self.kind)}, not {value}")
            return value
        if isinstance(value, dict) and list(value) == ["arn"] and self.unmanaged:
            arn = value["arn"]
            if not isinstance(arn, str) or _ARN.fullmatch(arn) is None:
                raise _error("must hold an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)", field=("arn",))
            return Reference(self.kind, None, arn)
        raise _error(f"must be the name of {a(self.kind)}{self._or_arn}")

    @property
    def _or_arn(self) -> str:
        return ", or {arn: …} for one that no manifest manages" if self.unmanaged else ""

    def _no_name(self, value: str) -> PydanticCustomError:
        kind, slash, name = value.partition("/")
        if slash and kind.lower() == self.kind.lower() and _NAME.fullmatch(name):
            return _error(f"takes the bare name of {a(self.kind)}", suggestion=f"Write {name} instead of {value}.")
        if value.startswith("arn:") and self.unmanaged:
            return _error(f"takes the name of {a(self.kind)}", suggestion=f'Write {{arn: "{value}"}} for an ARN.')
        return _error(f'must be the name of {a(self.kind)}{self._or_arn}; "{value[:80]}" is no name')

    @staticmethod
    def write(value: Reference) -> str | dict[str, str | None]:
        """The JSON form of a reference."""
        return value.name if value.name is not None else {"arn": value.arn}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # a plan from the cache never needs pydantic

        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        name = {"type": "string", "pattern": f"^{_NAME.pattern}$", "description": f"The name of {a(self.kind)}."}
        if not self.unmanaged:
            return name
        arn = {
            "type": "object",
            "properties": {"arn": {"type": "string", "pattern": f"^{_ARN.pattern}$"}},
            "required": ["arn"],
            "additionalProperties": False,
        }
        return {"anyOf": [name, arn]}


@lru_cache(maxsize=65536)  # many resources name the same one
def _named(kind: str, name: str) -> Reference | None:
    return None if _NAME.fullmatch(name) is None else Reference(kind, name)


def _error(message: str, *, field: tuple[str, ...] = (), suggestion: str = "") -> PydanticCustomError:
    from pydantic_core import PydanticCustomError  # a plan from the cache never needs pydantic

    return PydanticCustomError("reference", "{message}", {"message": message, "field": field, "suggestion": suggestion})
