"""What is wrong with the form of a request, in the public service's words. A refused value is told, as there, unless it
may be secret: blobs and grant tokens never are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from reconciler.errors import SerializationException, ServiceError, ValidationException

_SECRET: Final = {"GrantTokens", "GrantToken", "Plaintext", "Message"}
_LONGEST_TOLD: Final = 512
_WRONG_TYPES: Final = {
    *("string_type", "int_type", "bool_type", "dict_type", "tuple_type", "model_type", "float_type", "base64_decode"),
    *("int_from_float", "list_type"),
}


def refusal(error: ValidationError) -> ServiceError:
    """SerializationException where a member has another type, else ValidationException with all that is wrong."""
    found = error.errors(include_url=False, include_context=True)
    for each in found:
        if each["type"] in _WRONG_TYPES:
            return SerializationException(f"The member {_place(each['loc'])} of the request has another type")
    told = [
        f"Value{_value(dict(each))} at '{_place(each['loc'])}' failed to satisfy constraint: {_rule(dict(each))}"
        for each in found
    ]
    many = "validation error" if len(told) == 1 else "validation errors"
    return ValidationException(f"{len(told)} {many} detected: {'; '.join(told)}")


def _value(found: Mapping[str, Any]) -> str:
    """`` 'AES_512'``, or nothing where it could be secret, or too long to be read."""
    if found["type"] == "missing":
        return " null"
    value, secret = found["input"], any(part in _SECRET for part in found["loc"])
    if secret or isinstance(value, bool) or not isinstance(value, (str, int)) or len(str(value)) > _LONGEST_TOLD:
        return ""
    return f" '{value}'"


def _place(loc: tuple[int | str, ...]) -> str:
    """``keyId``, ``tags.1.member.tagKey``: members as the public service spells them in its answers."""
    parts = [f"{part + 1}.member" if isinstance(part, int) else part[:1].lower() + part[1:] for part in loc]
    return ".".join(parts)


_RULES: Final = {
    "missing": "Member must not be null",
    "string_too_short": "Member must have length greater than or equal to {min_length}",
    "too_short": "Member must have length greater than or equal to {min_length}",
    "bytes_too_short": "Member must have length greater than or equal to {min_length}",
    "string_too_long": "Member must have length less than or equal to {max_length}",
    "too_long": "Member must have length less than or equal to {max_length}",
    "bytes_too_long": "Member must have length less than or equal to {max_length}",
    "string_pattern_mismatch": "Member must satisfy regular expression pattern: {pattern}",
    "greater_than_equal": "Member must have value greater than or equal to {ge}",
    "less_than_equal": "Member must have value less than or equal to {le}",
    "literal_error": "Member must satisfy enum value set: {expected}",
}


def _rule(found: Mapping[str, Any]) -> str:
    limits = dict(found.get("ctx", {}))
    if "expected" in limits:
        limits["expected"] = "[" + limits["expected"].replace("'", "").replace(" or ", ", ") + "]"
    return _RULES[found["type"]].format(**limits) if found["type"] in _RULES else str(found["msg"])
