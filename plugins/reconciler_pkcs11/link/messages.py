"""What may be said on the link. Both sides check every message against these shapes; what is not here is refused.

The agent speaks first (``Greeting``): in TLS 1.3 a client learns only by reading whether it was let in. Then each
request has one answer with its ``number``. The ``parts`` of a message are the lengths of the pieces of the frame's
body, whose meaning is the operation's: ``LogIn`` the PIN; ``Wrap`` the key and the context; ``Unwrap`` the blob and the
context; the answer to ``Wrap`` the blob, to ``Unwrap`` the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reconciler.errors.hsm import HsmFault
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.link.frames import Frame, NoFrame
from reconciler_pkcs11.partition import Leak

VERSION: Final = 1
PROTOCOL: Final = "reconciler-hsm/1"  # ALPN: what talks to another port by mistake is no client of ours

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Label = Annotated[str, Field(pattern=r"^reconciler/[!-~]{1,240}$")]
Words = Annotated[str, Field(max_length=2_000)]


Said = TypeVar("Said", bound="Message")


class Message(BaseModel):
    """Nothing but its fields, each of its very type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    parts: tuple[Annotated[int, Field(ge=0)], ...] = ()


class Request(Message):
    """``pieces``: how many parts it has. ``changes``: its outcome is unknown when no answer comes."""

    number: Annotated[int, Field(ge=0)] = 0
    pieces: ClassVar[int] = 0
    changes: ClassVar[bool] = False


class LogIn(Request):
    """The first request of each connection: the PIN, and the version that both sides have."""

    op: Literal["log-in"] = "log-in"
    version: int = VERSION
    pieces: ClassVar[int] = 1


class Examine(Request):
    """``Partition.examine``."""

    op: Literal["examine"] = "examine"


class ListKeys(Request):
    """``Partition.list_keys``."""

    op: Literal["list"] = "list"


class FindKeys(Request):
    """``Partition.find_keys``."""

    op: Literal["find"] = "find"
    key_id: KeyId


class Generate(Request):
    """``Partition.generate``."""

    op: Literal["generate"] = "generate"
    key_id: KeyId
    label: Label
    suite: Suite
    relabelled: bool
    changes: ClassVar[bool] = True


class Wrap(Request):
    """``Partition.wrap``."""

    op: Literal["wrap"] = "wrap"
    key_id: KeyId
    suite: Suite
    pieces: ClassVar[int] = 2


class Unwrap(Request):
    """``Partition.unwrap``."""

    op: Literal["unwrap"] = "unwrap"
    pieces: ClassVar[int] = 2


class Relabel(Request):
    """``Partition.relabel``."""

    op: Literal["relabel"] = "relabel"
    key_id: KeyId
    label: Label
    changes: ClassVar[bool] = True


class Destroy(Request):
    """``Partition.destroy``."""

    op: Literal["destroy"] = "destroy"
    key_id: KeyId
    label: Label
    changes: ClassVar[bool] = True


AnyRequest = LogIn | Examine | ListKeys | FindKeys | Generate | Wrap | Unwrap | Relabel | Destroy


class Failure(Message):
    """Why not. ``kind`` says which error it is (``failures``); ``again_after``: nothing was done, and the same may be
    asked after that many milliseconds."""

    kind: str
    fault: HsmFault | None = None
    summary: Words
    detail: Words | None = None
    suggestion: Words | None = None
    again_after: Annotated[int, Field(ge=0, le=60_000)] | None = None


class Greeting(Message):
    """What the agent says once TLS is up: which versions it speaks, or why it will not talk to this client."""

    versions: tuple[int, ...] = ()
    agent: Annotated[str, Field(max_length=64)] = ""
    failure: Failure | None = None


class SaidKey(Message):
    """A ``TokenKey``."""

    key_id: KeyId
    label: Annotated[str, Field(max_length=1_024)]
    weakened: tuple[Annotated[str, Field(max_length=64)], ...]


class SaidExamination(Message):
    """An ``Examination``."""

    label: Annotated[str, Field(max_length=256)]
    serial: Annotated[str, Field(max_length=256)]
    model: Annotated[str, Field(max_length=256)]
    manufacturer: Annotated[str, Field(max_length=256)]
    slot: Annotated[int, Field(ge=0)]
    suites: tuple[Suite, ...]
    leaks: tuple[Leak, ...]


class Answer(Message):
    """To the request of that ``number``: what its operation gives, or a failure."""

    number: Annotated[int, Field(ge=0)]
    failure: Failure | None = None
    keys: tuple[SaidKey, ...] | None = None
    examination: SaidExamination | None = None


_REQUEST: Final[TypeAdapter[AnyRequest]] = TypeAdapter(Annotated[AnyRequest, Field(discriminator="op")])


def as_frame(message: Message, parts: Sequence[bytes | bytearray] = ()) -> Frame:
    """``message`` with the pieces of its body."""
    body = bytearray()
    for part in parts:
        body += part
    lengths = tuple(len(part) for part in parts)
    said = message.model_copy(update={"parts": lengths}) if lengths else message
    return Frame(said.model_dump_json(exclude_defaults=False, exclude_none=True).encode(), body)


def read_request(frame: Frame) -> AnyRequest:
    """NoFrame for what is none, has another field or lacks one, or whose body is not as it says."""
    try:
        found = _REQUEST.validate_json(frame.head)
    except (ValidationError, ValueError):
        raise NoFrame from None
    if len(found.parts) != found.pieces or sum(found.parts) != len(frame.body):
        raise NoFrame
    return found


def read_answer(frame: Frame) -> Answer:
    """NoFrame as ``read_request``."""
    return _read(Answer, frame)


def read_greeting(frame: Frame) -> Greeting:
    """NoFrame as ``read_request``."""
    return _read(Greeting, frame)


def pieces_of(message: Message, frame: Frame) -> list[bytearray]:
    """Copies of the body's pieces; the frame's own is wiped."""
    found: list[bytearray] = []
    start = 0
    for length in message.parts:
        found.append(frame.body[start : start + length])
        start += length
    frame.wipe()
    return found


def _read(model: type[Said], frame: Frame) -> Said:
    try:
        found = model.model_validate_json(frame.head)
    except (ValidationError, ValueError):
        raise NoFrame from None
    if sum(found.parts) != len(frame.body):
        raise NoFrame
    return found
