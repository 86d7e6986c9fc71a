"""From what msgspec says of a wrong request to a list of field, message and rule (requirements API-05).

msgspec stops at the first mistake. A caller who filled in a form wants all of them, so a body that was refused is
looked at again field by field; that costs nothing to those who make no mistakes.

No value is ever repeated: it may be a password.
"""

import re
from typing import Any, Final, get_args

import msgspec

from domain.shared.errors import InvalidInput, Problem

PROBLEMS_MAXIMUM: Final = 50
_PARAMETER: Final = re.compile(r"\{([a-z0-9]+(?:_[a-z0-9]+)+)\}")

NAME_MAXIMUM: Final = 100

_PATH: Final = re.compile(r"(?s)^(?P<text>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")
_NAMED: Final = re.compile(r"`([^`]*)`")
_TYPES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "uuid": "a UUID",
    "datetime": "a time such as 2026-05-01T12:00:00Z",
    "date": "a date such as 2026-05-01",
    "decimal": "a decimal number",
}
_LENGTH: Final = re.compile(r"Expected `(str|array|object|bytes)` of length (>=|<=) ([0-9]+)")
_BOUND: Final = re.compile(r"Expected `(?:int|float|decimal)` (>=|<=|>|<) (-?[0-9.e+]+)")
_UNITS: Final = {"str": "characters", "bytes": "characters", "array": "items", "object": "fields"}
_BOUND_WORDS: Final = {
    ">=": ("minimum", "at least"),
    "<=": ("maximum", "at most"),
    ">": ("exclusive_minimum", "more than"),
    "<": ("exclusive_maximum", "less than"),
}


def problem_of(text: str, *, prefix: str = "") -> Problem:
    """What one message of msgspec means; `prefix` is the path of the value that it speaks about."""
    match = _PATH.match(text)
    assert match is not None, "the pattern matches every text"
    steps = [first or second for first, second in _STEP.findall(match["path"] or "")]
    field = ".".join(_short(each) for each in (prefix, *steps) if each and each != "...")
    return _sentence(match["text"], field)


def problems_in(error: msgspec.ValidationError, expected: Any, raw: Any) -> list[Problem]:
    """Everything that is wrong with a JSON body that is not of the expected type; `raw` is what was read of it."""
    first = problem_of(str(error))
    problems = _problems_of(raw, expected, "")
    # What only the whole can tell (its own checks), or JSON more exactly than what was read from it.
    return problems[:PROBLEMS_MAXIMUM] or [first]


def _problems_of(raw: Any, expected: Any, prefix: str) -> list[Problem]:
    """What is wrong with one object, its own objects included; nothing for what is no object."""
    struct = _struct_in(expected)
    if struct is None or not isinstance(raw, dict):
        return []
    problems: list[Problem] = []
    known: set[str] = set()
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        path = _joined(prefix, name)
        known.add(name)
        if name not in raw:
            if field.required:
                problems.append(Problem(path, "This field is required.", "required"))
            continue
        try:
            msgspec.convert(raw[name], field.type)
        except msgspec.ValidationError as wrong:
            problems += _problems_of(raw[name], field.type, path) or [problem_of(str(wrong), prefix=path)]
    if struct.__struct_config__.forbid_unknown_fields:
        problems += [
            Problem(_joined(prefix, name), "This field is not known here.", "unknown_field")
            for name in raw
            if name not in known
        ]
    return problems


def _struct_in(expected: Any) -> type[msgspec.Struct] | None:
    """The one struct that a type stands for, perhaps beside `None`; not one of several told apart by a tag."""
    for part in (expected, *get_args(expected)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part if part.__struct_config__.tag is None else None
    return None


def invalid(problems: list[Problem]) -> InvalidInput:
    """The refusal that names these problems."""
    return InvalidInput("The request is not valid.", problems=problems)


def camel(name: str) -> str:
    """`min_price` as it is called on the wire: `minPrice`."""
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def camel_path(path: str) -> str:
    """A path with its parameters named as they are on the wire: `/orders/{orderId}`."""
    return _PARAMETER.sub(lambda match: f"{{{camel(match[1])}}}", path)


def _sentence(text: str, field: str) -> Problem:
    if match := _LENGTH.search(text):
        kind, sign, count = match.groups()
        word = "items" if kind in {"array", "object"} else "length"
        rule, least = (f"min_{word}", "at least") if sign == ">=" else (f"max_{word}", "at most")
        return Problem(field, f"Must have {least} {count} {_UNITS[kind]}.", rule)
    if match := _BOUND.search(text):
        rule, words = _BOUND_WORDS[match[1]]
        return Problem(field, f"Must be {words} {match[2]}.", rule)
    if text.startswith("Object missing required field") and (match := _NAMED.search(text)):
        return Problem(_joined(field, match[1]), "This field is required.", "required")
    if text.startswith("Object contains unknown field") and (match := _NAMED.search(text)):
        return Problem(_joined(field, match[1]), "This field is not known here.", "unknown_field")
    if "matching regex" in text:
        return Problem(field, "Does not have the expected form.", "pattern")
    if text.startswith("Invalid enum value"):
        return Problem(field, "Is not one of the possible values.", "enum")
    if text.startswith("Expected `") and (match := re.match(r"Expected `([^`]+)`, got", text)):
        kinds = match[1].split(" | ")
        return Problem(field, f"Must be {' or '.join(_TYPES.get(each, each) for each in kinds)}.", "type")
    if text.startswith(("Invalid ", "Expected `datetime`", "Timezone")):
        return Problem(field, "Does not have the expected form.", "format")
    if "out of range" in text:
        return Problem(field, "The number is too large or too small.", "range")
    return Problem(field, "This value is not valid.", "invalid")


def _joined(field: str, name: str) -> str:
    return f"{field}.{_short(name)}" if field else _short(name)


def _short(name: str) -> str:
    return name if len(name) <= NAME_MAXIMUM else f"{name[:NAME_MAXIMUM]}..."
