"""Did you mean: the known name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` is most likely a misspelling of, None when none is near. Case counts less
    than letters."""
    import difflib  # needed only to word an error

    spelled = {candidate.lower(): candidate for candidate in known}
    # The cut keeps a name of many kilobytes from taking seconds to compare.
    near = difflib.get_close_matches(name.lower()[:80], spelled, n=1, cutoff=0.6)
    return spelled[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The question as a suggestion, None when nothing is near."""
    near = nearest(name, known)
    return None if near is None else f"Did you mean {near}?"
