"""One condition of a statement: operator, condition key, written values; and whether a request meets it (KM2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.access.operators import OPERATORS
from reconciler.access.principals import service_spellings
from reconciler.access.request import AccessRequest, Values
from reconciler.access.wildcard import Matcher

_VIA_SERVICE = "kms:viaservice"


@dataclass(frozen=True, slots=True)
class Condition:
    """``quantifier`` is ForAnyValue, ForAllValues or empty. ``must_be_absent`` is set for ``Null`` only."""

    written: str
    key: str
    quantifier: str
    if_exists: bool
    negated: bool
    matchers: tuple[Matcher, ...]
    must_be_absent: bool | None = None

    def met(self, request: AccessRequest) -> bool:
        """Whether ``request`` meets the condition."""
        values = request.values(self.key)
        if self.must_be_absent is not None:
            return self.must_be_absent is not bool(values)
        if self.key == _VIA_SERVICE and values and request.key:
            # One service under two spellings: positively either may match, negatively neither may.
            verdicts = [self._holds((name,)) for name in service_spellings(values[0], request.key.region)]
            return all(verdicts) if self.negated else any(verdicts)
        return self._holds(values)

    def _holds(self, values: Values) -> bool:
        if not values:
            if self.if_exists or self.quantifier == "ForAllValues":
                return True
            return self.negated and not self.quantifier
        if self.quantifier == "ForAllValues":
            return all(self._matches(value) is not self.negated for value in values)
        if self.quantifier == "ForAnyValue":
            return any(self._matches(value) is not self.negated for value in values)
        return any(self._matches(value) for value in values) is not self.negated

    def _matches(self, value: str) -> bool:
        return any(match(value) for match in self.matchers)


def condition(written_operator: str, key: str, values: Sequence[str]) -> Condition:
    """The condition written as ``{operator: {key: values}}``. ValueError says what is wrong."""
    quantifier, _, name = written_operator.rpartition(":")
    if quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise ValueError(f'unknown condition operator "{written_operator}"')
    if name == "Null":
        if quantifier or [value for value in values if value.lower() not in ("true", "false")] or len(values) != 1:
            raise ValueError(f'the operator Null on "{key}" takes one value, true or false')
        written = f"{written_operator} {key}"
        return Condition(written, key.lower(), "", False, False, (), must_be_absent=values[0].lower() == "true")
    if_exists = name.endswith("IfExists")
    found = OPERATORS.get(name.removesuffix("IfExists"))
    if found is None:
        raise ValueError(f'unknown condition operator "{written_operator}"')
    matchers = []
    for value in values:
        try:
            matchers.append(found.compile(value))
        except ValueError:
            raise ValueError(f'{written_operator} on "{key}" cannot take the value "{value}"') from None
    return Condition(f"{written_operator} {key}", key.lower(), quantifier, if_exists, found.negated, tuple(matchers))
