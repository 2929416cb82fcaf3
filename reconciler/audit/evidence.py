"""The complete life of an object under a key, shown from audit events, and what is missing of it (AU2, AU4). Pure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.audit.query import contexts_of

Event = Mapping[str, Any]

ENDED: Final = "RetireGrant"
LIFE: Final = ("DescribeKey", "CreateGrant", "GenerateDataKey", "Decrypt", ENDED)
_DESCRIBED, _GRANTED, _MADE, _OPENED, _ = LIFE
_REVOKED: Final = "RevokeGrant"
_WRAPPED: Final = "Encrypt"  # what a grant permits that is no more than a second way to keys that were made elsewhere
_REWRAPPED: Final = "ReEncrypt"


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the life. ``event`` is the first that succeeded, None when there is none; ``problem`` says what is
    wrong with the link, None when nothing is (also of one that is still to come)."""

    name: str
    event: Event | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way to an object's keys: its requests under one encryption context and one key (ARN), by these grants, which
    follow each other. ``makes_keys``: new keys come out of it; else it only wraps those that are there, as an escrow
    key does."""

    key: str
    context: Mapping[str, str]
    grants: tuple[str, ...]
    makes_keys: bool = True


def ways_of(
    contexts: Iterable[Mapping[str, str]], events: Iterable[Event], held: Mapping[str, Sequence[Way]]
) -> list[Way]:
    """Every way that services have had to an object under those contexts: by the grants that these events made, and
    those that it rests on now (``held``, by the grant's id), of which no record need be left. In the order in which
    they came about."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Way] = {}

    def add(way: Way) -> None:
        at = (way.key, tuple(sorted(way.context.items())))
        before = found.setdefault(at, way)
        found[at] = replace(before, grants=tuple(dict.fromkeys((*before.grants, *way.grants))))

    wanted = list(contexts)
    for event in events:
        if event["eventName"] == _GRANTED and "errorCode" not in event and _is_of_a_service(event):
            given = event["requestParameters"] or {}
            makes_keys = _MADE in given.get("operations", [_MADE])
            for grant_id in grants_made([event]):
                for way in held.get(grant_id, ()):
                    add(way)
                for context in wanted if grant_id not in held else ():
                    if any(_is_for(one, context) for one in contexts_of(given)):
                        add(Way(_keys(event)[-1], context, (grant_id,), makes_keys))
    for way in itertools.chain.from_iterable(held.values()):
        add(way)
    return list(found.values())


def contexts_before(events: Iterable[Event], context: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Under which other contexts the same keys were before, as a rename leaves them: what was re-encrypted to this."""
    found: list[Mapping[str, str]] = []
    for event in events:
        given = event["requestParameters"] or {}
        before = given.get("sourceEncryptionContext")
        if (
            event["eventName"] == _REWRAPPED
            and before
            and _says(given.get("destinationEncryptionContext", {}), context)
        ):
            found += [before] if before != context and before not in found else []
    return found


def life_of(events: Sequence[Event], way: Way, standing: Collection[str], *, may_be_unused: bool = False) -> list[Link]:
    """The links of an object's life by that way, in order, from the events that concern the object, oldest first.
    ``standing``: ids of the grants that something still works from, so that they are not to have ended; all others are.
    A link that came before the one that it follows from is a problem as well. ``may_be_unused``: it is whole, too, if
    nothing was ever wrapped on it, as when a change was given up before."""
    done = [event for event in events if "errorCode" not in event]
    mine = [event for event in done if way.key in _keys(event) and _concerns(event, way.context)]
    granted = [
        event for event in done if set(grants_made([event])) & set(way.grants) and event["eventName"] == _GRANTED
    ]
    made = [event for event in mine if _brings_keys(event, way)]
    opened = [event for event in mine if event["eventName"] == _OPENED]
    needs_use = bool(made or opened) or not may_be_unused
    looks = described_for(done, granted) if granted else [one for one in done if _is_look_at(one, way.key)]
    links = [_link(_DESCRIBED, looks, "", is_needed=True)]
    links.append(_link(_GRANTED, granted, _time(links[-1]), is_needed=True))
    links.append(_link(_MADE if way.makes_keys else _WRAPPED, made, _time(links[-1], links[-2]), is_needed=needs_use))
    # A canary is opened before anything rests on the key.
    since = max(_time(links[1]), _time(links[2]))
    is_early = bool(opened) and opened[0]["eventTime"] < _time(links[1])
    later = [event for event in opened if event["eventTime"] >= since]
    links.append(_link(_OPENED, opened if is_early else later or opened, since, is_needed=needs_use))
    return [*links, _end(events, way, standing)]


def _link(name: str, found: Sequence[Event], since: str, *, is_needed: bool) -> Link:
    if not found:
        return Link(name, None, f"there is no record of {name}" if is_needed else None)
    late = f"the first {name} is older than what it follows from" if found[0]["eventTime"] < since else None
    return Link(name, found[0], late)


def _time(*links: Link) -> str:
    return max(("" if link.event is None else str(link.event["eventTime"]) for link in links), default="")


def _end(events: Sequence[Event], way: Way, standing: Collection[str]) -> Link:
    """What ended the grants of the way. One that the key service did not find any more is over, too."""
    last: Event | None = None
    stands = False
    for grant_id in way.grants:
        ends = [event for event in events if _ended_by(event) == grant_id]
        retired = next((event for event in ends if event["eventName"] == ENDED and "errorCode" not in event), None)
        revoked = next((event for event in ends if event["eventName"] == _REVOKED and "errorCode" not in event), None)
        if grant_id in standing:
            stands = True
            ended = retired or revoked
            if ended is not None:
                return Link(ENDED, ended, f"its grant has ended ({ended['eventName']}), and the object is there")
        elif retired is None and revoked is not None:
            return Link(ENDED, revoked, "its grant was revoked, not retired")
        else:
            last = retired or next((event for event in ends if event.get("errorCode") == _NOT_FOUND), None)
            if last is None:
                return Link(ENDED, None, f"there is no record of {ENDED}")
    return Link(ENDED, None if stands else last)


_NOT_FOUND: Final = "NotFoundException"


def _ended_by(event: Event) -> str | None:
    if event["eventName"] not in {ENDED, _REVOKED}:
        return None
    grant_id = (event["requestParameters"] or {}).get("grantId")
    return None if grant_id is None else str(grant_id)


def _is_look_at(event: Event, key: str) -> bool:
    return event["eventName"] == _DESCRIBED and key in _keys(event) and _is_of_a_service(event)


def _brings_keys(event: Event, way: Way) -> bool:
    """Whether keys came to be on that way by the request: made there, or wrapped anew from another key or context."""
    if event["eventName"] == _REWRAPPED:
        given = event["requestParameters"]
        key_id = str(given.get("destinationKeyId", "")).rpartition("/")[2]
        return way.key.endswith(key_id) and _says(given.get("destinationEncryptionContext", {}), way.context)
    return bool(event["eventName"] == (_MADE if way.makes_keys else _WRAPPED))


def _concerns(event: Event, context: Mapping[str, str]) -> bool:
    return any(_says(one, context) for one in contexts_of(event["requestParameters"]))


def _says(said: Mapping[str, str], context: Mapping[str, str]) -> bool:
    return context.items() <= said.items()


def _is_for(narrowed_to: Mapping[str, str], context: Mapping[str, str]) -> bool:
    """Whether a grant that is narrowed so is for requests under that context, or for some of them."""
    return bool(narrowed_to) and (_says(narrowed_to, context) or _says(context, narrowed_to))


def _is_of_a_service(event: Event) -> bool:
    return "invokedBy" in event["userIdentity"]


def grants_made(events: Iterable[Event]) -> list[str]:
    """Ids of the grants that those events made."""
    made = ((event.get("responseElements") or {}).get("grantId") for event in events)
    return [grant_id for grant_id in dict.fromkeys(made) if grant_id]


def ended(events: Iterable[Event]) -> set[str]:
    """Ids of the grants that those events ended."""
    return {grant_id for event in events if "errorCode" not in event and (grant_id := _ended_by(event)) is not None}


def contexts_naming(events: Iterable[Event], uid: str) -> list[Mapping[str, str]]:
    """What the grants that were made for the object of that uid are narrowed to."""
    found: list[Mapping[str, str]] = []
    for event in events:
        if uid and event["eventName"] == _GRANTED and _is_of_a_service(event):
            found += [one for one in contexts_of(event["requestParameters"]) if uid in one.values()]
    return found


def context_by_name(events: Iterable[Event], name: str) -> Mapping[str, str] | None:
    """The encryption context of the newest grant that was made for an object of that name: for one that exists no
    more. A context names its object itself, or by an ARN that ends with the name."""
    found = None
    for event in events:
        if event["eventName"] == "CreateGrant":
            for context in contexts_of(event["requestParameters"]):
                if any(name == value or value.endswith((f":{name}", f"/{name}")) for value in context.values()):
                    found = context
    return found


def described_for(events: Sequence[Event], grants: Iterable[Event]) -> list[Event]:
    """Of those DescribeKey events the ones that go before a grant: the same principal looked at the same key through a
    service, no later than it made the grant."""
    made = [(grant["userIdentity"].get("arn"), _keys(grant), grant["eventTime"]) for grant in grants]
    return [
        event
        for event in events
        if event["eventName"] == _DESCRIBED
        and _is_of_a_service(event)
        and any(
            event["userIdentity"].get("arn") == who and _keys(event) == keys and event["eventTime"] <= when
            for who, keys, when in made
        )
    ]


def _keys(event: Event) -> list[str]:
    return [resource["ARN"] for resource in event["resources"]]
