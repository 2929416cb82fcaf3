"""Did you mean: the known word nearest to one that was not known."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The nearest of ``known``, None when none is near. Case counts less than letters."""
    import difflib  # only for those who mistyped

    words = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower()[:80], words, n=1, cutoff=0.6)
    return words[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The question as a suggestion, None when nothing is near."""
    near = closest(word, known)
    return None if near is None else f"Did you mean {near}?"
