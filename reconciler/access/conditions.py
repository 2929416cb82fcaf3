"""One condition of a statement: operator, condition key, written values; and whether a request meets it (KM2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.access.condition_keys import Reader, reader
from reconciler.access.operators import OPERATORS, Operator
from reconciler.access.principals import service_spellings
from reconciler.access.request import AccessRequest, Values
from reconciler.access.variables import Template, template
from reconciler.access.wildcard import Matcher

_VIA_SERVICE = "kms:viaservice"


@dataclass(frozen=True, slots=True)
class Condition:
    """``quantifier`` is ForAnyValue, ForAllValues or empty. ``must_be_absent`` is set for ``Null`` only. ``templates``
    are the written values that hold policy variables: what they ask for differs from request to request."""

    written: str
    key: str
    quantifier: str
    if_exists: bool
    negated: bool
    matchers: tuple[Matcher, ...]
    read: Reader = field(compare=False, repr=False)
    must_be_absent: bool | None = None
    operator: Operator | None = None
    templates: tuple[Template, ...] = ()

    def met(self, request: AccessRequest) -> bool:
        """Whether ``request`` meets the condition."""
        values = self.read(request)
        if self.must_be_absent is not None:
            return self.must_be_absent is not bool(values)
        matchers = (*self.matchers, *self._resolved(request)) if self.templates else self.matchers
        if self.key == _VIA_SERVICE and values and request.key:
            # One service under two spellings: positively either may match, negatively neither may.
            spellings = service_spellings(values[0], request.key.region)
            if self.negated:
                return all(self._holds((name,), matchers) for name in spellings)
            return any(self._holds((name,), matchers) for name in spellings)
        return self._holds(values, matchers)

    def _resolved(self, request: AccessRequest) -> list[Matcher]:
        if self.operator is None or self.operator.compile_pattern is None:
            return []
        patterns = (one.resolve(request) for one in self.templates)
        return [self.operator.compile_pattern(pattern) for pattern in patterns if pattern is not None]

    def _holds(self, values: Values, matchers: tuple[Matcher, ...]) -> bool:
        if not values:
            if self.if_exists or self.quantifier == "ForAllValues":
                return True
            return self.negated and not self.quantifier
        if not self.quantifier:
            return _any_fits(values, matchers) is not self.negated
        verdicts = (_any_fits((value,), matchers) is not self.negated for value in values)
        return all(verdicts) if self.quantifier == "ForAllValues" else any(verdicts)


def _any_fits(values: Values, matchers: tuple[Matcher, ...]) -> bool:
    for value in values:  # plain loops: this is asked of every request
        for match in matchers:
            if match(value):
                return True
    return False


def condition(written_operator: str, key: str, values: Sequence[str], *, variables: bool = False) -> Condition:
    """The condition written as ``{operator: {key: values}}``; with ``variables``, ``${…}`` in a value stands for what a
    request carries. ValueError says what is wrong."""
    quantifier, _, name = written_operator.rpartition(":")
    if quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise ValueError(f'unknown condition operator "{written_operator}"')
    written, read = f"{written_operator} {key}", reader(key.lower())
    if name == "Null":
        if quantifier or [value for value in values if value.lower() not in ("true", "false")] or len(values) != 1:
            raise ValueError(f'the operator Null on "{key}" takes one value, true or false')
        absent = values[0].lower() == "true"
        return Condition(written, key.lower(), "", False, False, (), read, must_be_absent=absent)
    if_exists = name.endswith("IfExists")
    found = OPERATORS.get(name.removesuffix("IfExists"))
    if found is None:
        raise ValueError(f'unknown condition operator "{written_operator}"')
    matchers, templates = [], []
    for value in values:
        try:
            made = template(value) if variables and found.compile_pattern is not None else None
            if made is None:
                matchers.append(found.compile(value))
            else:
                templates.append(made)
        except ValueError:
            raise ValueError(f'{written_operator} on "{key}" cannot take the value "{value}"') from None
    return Condition(
        written,
        key.lower(),
        quantifier,
        if_exists,
        found.negated,
        tuple(matchers),
        read,
        operator=found,
        templates=tuple(templates),
    )
