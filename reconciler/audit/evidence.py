"""The complete life of an object under a key, shown from audit events, and what is missing of it (AU2, AU4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.audit.query import contexts_of

Event = Mapping[str, Any]

LIFE: Final = ("DescribeKey", "CreateGrant", "GenerateDataKey", "Decrypt", "RetireGrant")
_ENDS: Final = ("RetireGrant", "RevokeGrant")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the life. ``event`` is the first that succeeded, None when there is none; ``problem`` says what is
    wrong with the link, None when nothing is (also of one that is still to come)."""

    name: str
    event: Event | None
    problem: str | None = None


def life_of(events: Iterable[Event], *, is_there: bool) -> list[Link]:
    """The links of an object's life, in order, from the events that concern it, oldest first. ``is_there``: the object
    exists, so that its grant is not to have ended. A link that came before the one that it follows from is a problem
    as well."""
    first: dict[str, Event] = {}
    for one in events:
        if "errorCode" not in one:
            first.setdefault(one["eventName"], one)
    links: list[Link] = []
    before = ""
    for name in LIFE[:-1]:
        event = first.get(name)
        if event is None:
            links.append(Link(name, None, f"there is no record of {name}"))
            continue
        late = f"the first {name} is older than what it follows from" if event["eventTime"] < before else None
        links.append(Link(name, event, late))
        before = max(before, event["eventTime"])
    return [*links, _end(first, is_there=is_there)]


def _end(first: Mapping[str, Event], *, is_there: bool) -> Link:
    name = LIFE[-1]
    retired = first.get(name)
    if is_there:
        ended = retired or first.get("RevokeGrant")
        if ended is None:
            return Link(name, None)
        return Link(name, ended, f"its grant has ended ({ended['eventName']}), and the object is there")
    if retired is not None:
        return Link(name, retired)
    revoked = first.get("RevokeGrant")
    words = "its grant was revoked, not retired" if revoked else f"there is no record of {name}"
    return Link(name, revoked, words)


def grants_made(events: Iterable[Event]) -> list[str]:
    """Ids of the grants that those events made."""
    made = ((event.get("responseElements") or {}).get("grantId") for event in events)
    return [grant_id for grant_id in dict.fromkeys(made) if grant_id]


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
        if "invokedBy" in event["userIdentity"]
        and any(
            event["userIdentity"].get("arn") == who and _keys(event) == keys and event["eventTime"] <= when
            for who, keys, when in made
        )
    ]


def _keys(event: Event) -> list[str]:
    return [resource["ARN"] for resource in event["resources"]]
