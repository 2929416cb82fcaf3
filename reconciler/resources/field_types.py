"""The types that fields of a spec are made of. Manifests hold only strings (T11); the type says what a string means.

Every refusal reads as the end of a sentence whose subject is the field: ``must be a duration like 90d``. Its context
may hold ``field`` (the sub-field that is off) and ``suggestion`` (what to do next).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reconciler.resources.quoted import Quoted
from reconciler.resources.reference import Reference, RefersTo

T = TypeVar("T")

_UNITS = {"d": 86400, "h": 3600, "m": 60}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([dhm])")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_TAGS_AT_MOST = 50


def refuse(
    message: str, *, field: str | tuple[str | int, ...] = (), suggestion: str = "", code: str = "invalid-value"
) -> PydanticCustomError:
    """The error that a validator raises; ``message`` continues the name of the field that the validator stands at, or
    of the one below it that ``field`` leads to (``..`` first: of the one beside it)."""
    field = (field,) if isinstance(field, str) else field
    return PydanticCustomError(code, "{message}", {"message": message, "field": field, "suggestion": suggestion})


# --- words -----------------------------------------------------------------------------------------------------------


def _boolean(value: object) -> object:
    if value is True or value is False:
        return value
    if isinstance(value, str):
        if isinstance(value, Quoted):
            raise refuse("must be true or false, without quotes")
        if value in ("true", "false"):
            return value == "true"
    raise refuse("must be true or false", suggestion=_for_boolean(value))


def _for_boolean(value: object) -> str:
    if not isinstance(value, str):
        return ""
    word = value.lower()
    if word in ("yes", "on", "true", "y", "1"):
        return "Write true."
    return "Write false." if word in ("no", "off", "false", "n", "0") else ""


def _integer(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Quoted):
        raise refuse("must be a whole number, without quotes")
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise refuse("must be a whole number in decimal digits, without leading zeros")


MEANINGS: dict[str, str] = {}
"""What the pattern of a text means, for messages: pydantic checks patterns itself, which is quick, but names only
them."""


def text(pattern: str, meaning: str, *, most: int | None = None) -> StringConstraints:
    """The type of a text of one form: ``Annotated[str, text("[0-9]{12}", "an account of 12 digits")]``."""
    anchored = f"^(?:{pattern})$"
    MEANINGS[anchored] = meaning
    return StringConstraints(pattern=anchored, max_length=most)


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Integer = Annotated[int, BeforeValidator(_integer)]
Word = Annotated[str, Field(min_length=1, max_length=256)]
Account = Annotated[str, text("[0-9]{12}", "an account of 12 digits")]
Region = Annotated[str, text(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "a Region such as eu-central-1")]
PrincipalArn = Annotated[
    str,
    text(
        r"arn:[a-z-]+:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role|federated-user)/[A-Za-z0-9_+=,.@/-]{1,512})",
        "the ARN of a principal, such as arn:aws:iam::111122223333:role/keeper",
    ),
]
Grantee = Annotated[
    str,
    text(
        r"arn:[a-z-]+:(iam|sts)::[0-9]{12}:[A-Za-z0-9_+=,.@:/-]+|[a-z0-9.-]+\.amazonaws\.com(\.cn)?",
        "the ARN of a principal or a service principal, such as redshift.amazonaws.com",
        most=256,
    ),
]
Name = Annotated[
    str, text(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a name of 1 to 63 small letters, digits and inner hyphens")
]
AddressText = Annotated[
    str,
    text(r"[A-Z][A-Za-z]*/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "an address of the form Kind/name, as in Key/orders"),
]

# --- references ------------------------------------------------------------------------------------------------------

KeyRef = Annotated[Reference, RefersTo("Key")]
ClusterRef = Annotated[Reference, RefersTo("Cluster")]
HsmClientCertificateRef = Annotated[Reference, RefersTo("HsmClientCertificate")]
HsmPartitionRef = Annotated[Reference, RefersTo("HsmPartition")]
KeyspaceRef = Annotated[Reference, RefersTo("Keyspace")]
SnapshotRef = Annotated[Reference, RefersTo("Snapshot")]
SnapshotCopyGrantRef = Annotated[Reference, RefersTo("SnapshotCopyGrant")]
ProviderRef = Annotated[Reference, RefersTo("Provider", unmanaged=False)]

# --- durations -------------------------------------------------------------------------------------------------------


def read_duration(text: str) -> timedelta | None:
    """``90d``, ``8h`` or ``15m`` as a timedelta; None for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[1]) * _UNITS[match[2]]
    return timedelta(seconds=seconds) if seconds <= timedelta.max.days * 86400 else None


def write_duration(value: timedelta) -> str:
    """The one spelling of a duration: in the largest unit that it is a whole number of, so ``2160h`` is ``90d``."""
    seconds = value.days * 86400 + value.seconds
    for unit, size in _UNITS.items():
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    raise ValueError(f"{value} is not a whole number of minutes")


@dataclass(frozen=True, slots=True)
class Duration:
    """The type of a time span: ``Annotated[timedelta, Duration("7d", "30d", whole_days=True)]``."""

    least: str = "1m"
    most: str = "36500d"
    whole_days: bool = False

    def read(self, value: object) -> timedelta:
        """The time span that a manifest (or the state's JSON) wrote. PydanticCustomError."""
        span = read_duration(value) if isinstance(value, str) else value
        if not isinstance(span, timedelta) or span % timedelta(minutes=1):
            raise refuse("must be a duration like 90d, 8h or 15m")
        least, most = read_duration(self.least), read_duration(self.most)
        if least is None or most is None or not least <= span <= most:
            raise refuse(f"must be a duration from {self.least} to {self.most}")
        if self.whole_days and span % timedelta(days=1):
            raise refuse("must be a whole number of days, like 90d")
        return span

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(write_duration)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        limits = f"From {self.least} to {self.most}{', in whole days' if self.whole_days else ''}."
        return {"type": "string", "pattern": f"^{_DURATION.pattern}$", "description": limits}


# --- moments ---------------------------------------------------------------------------------------------------------

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?")


def _moment(value: object) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # the thirtieth of February
    elif isinstance(value, datetime) and value.tzinfo is not None and not value.microsecond:
        return value.astimezone(UTC)
    raise refuse("must be a day, like 2027-01-31, or a time with its zone, like 2027-01-31T12:00:00Z")


def write_moment(value: datetime) -> str:
    """The one spelling: a day is its first second."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(write_moment, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_MOMENT.pattern}$"}),
]
"""A second of UTC: a day (its beginning), or a time with its zone."""

# --- mappings and lists ----------------------------------------------------------------------------------------------


def _sorted_mapping(value: Mapping[str, T]) -> dict[str, T]:
    return {key: value[key] for key in sorted(value)}


def _tags(value: dict[str, str]) -> dict[str, str]:
    if len(value) > _TAGS_AT_MOST:
        raise refuse(f"must hold at most {_TAGS_AT_MOST} tags, not {len(value)}")
    for key, text in value.items():
        if not 1 <= len(key) <= 128 or len(text) > 256:
            raise refuse("must have tag keys of 1 to 128 characters and values of at most 256", field=(key,))
        if key.lower().startswith("aws:"):
            raise refuse("must not use tag keys that begin with aws: (they belong to the service)", field=(key,))
    return _sorted_mapping(value)


def _sorted_set(value: tuple[str, ...]) -> tuple[str, ...]:
    for index, word in enumerate(value):
        if word in value[:index]:
            raise refuse(f'must not name "{word}" twice', field=(index,))
    return tuple(sorted(value))


Tags = Annotated[dict[str, str], AfterValidator(_tags)]
SortedSet = AfterValidator(_sorted_set)
"""For a ``tuple[str, …]`` whose order means nothing: one spelling, and nothing twice."""


def canonical_tree(value: object, path: tuple[str | int, ...] = ()) -> object:
    """A free tree (policy document, plugin configuration) in one spelling: mappings sorted, scalars as written.

    JSON's true and 90 become ``"true"`` and ``"90"``, which is what they mean in a policy and to a typed
    configuration. PydanticCustomError for null and for what is neither mapping, list nor scalar.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): canonical_tree(value[key], (*path, key)) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical_tree(entry, (*path, index)) for index, entry in enumerate(value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise refuse("must not hold null" if value is None else "must hold only mappings, lists and texts", field=path)


def _tree(value: object) -> object:
    if isinstance(value, PydanticCustomError):
        raise value  # what a validator of the whole found wrong with this part
    if not isinstance(value, Mapping):
        raise refuse("must be a mapping")
    return canonical_tree(value)


Tree = Annotated[dict[str, Any], BeforeValidator(_tree)]
