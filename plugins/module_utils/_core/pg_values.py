# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of PostgreSQL's settings, read exactly as the server reads them.

Source: ``parse_int``, ``parse_real``, ``convert_to_base_unit`` and ``config_enum_lookup_by_name``
of PostgreSQL's guc.c, ``parse_bool_with_len`` of bool.c. The arithmetic is that of C's doubles, which
Python's floats are, so that a text is rounded here as it is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

from .errors import InputError
from .pg_lists import LISTS, join_list, split_list
from .units import shown

#: A value that can be compared: of a list its items, of anything with a unit the number of base units.
Value = Union[bool, int, float, str, tuple[str, ...]]

_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1
#: The longest name of a unit (MAX_UNIT_LEN).
_UNIT_LENGTH = 3
_SPACE = " \t\n\r\f\v"

# Units from the largest to the smallest, in bytes and in microseconds.
_MEMORY = {"TB": 1024**4, "GB": 1024**3, "MB": 1024**2, "kB": 1024, "B": 1}
_TIME = {"d": 86400000000, "h": 3600000000, "min": 60000000, "s": 1000000, "ms": 1000, "us": 1}
_BASE_UNIT = re.compile(r"(\d*)(B|kB|MB|GB|us|ms|s|min|h|d)")

_INTEGER = re.compile(r"[ \t\n\r\f\v]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_REAL = re.compile(
    r"[ \t\n\r\f\v]*[+-]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
)

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
#: Spellings that an enum takes without listing them, beside those of a boolean.
_HIDDEN: Mapping[str, Mapping[str, str]] = {
    "wal_level": {"archive": "replica", "hot_standby": "replica"},
    # What is listed under two names is shown under the first.
    "wal_compression": {"on": "pglz", **dict.fromkeys(_TRUE, "pglz")},
}


@dataclass(frozen=True)
class Parameter:
    """A row of pg_settings; texts as the server gives them, with its own names."""

    name: str
    setting: str
    vartype: str = "string"
    unit: str = ""
    context: str = "user"
    source: str = "default"
    min_val: str = ""
    max_val: str = ""
    enumvals: tuple[str, ...] = ()
    boot_val: str = ""
    reset_val: str = ""
    sourcefile: str = ""
    sourceline: int = 0
    pending_restart: bool = False


class ValueRefusedError(InputError):
    """The server would not take this text; the message is the reason without the setting's name."""


def text_of(value: object) -> str:
    """What a user has given, as the text that the server reads; a list stands for its own notation elsewhere."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueRefusedError(f"{shown(value)} is no number that a server takes")
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise ValueRefusedError(f"{shown(value)} is no value for a setting; write a text, a number, a truth or a list")
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueRefusedError("the value has a line break in it; a setting is one line of text")
    return value


def parse(parameter: Parameter, text: str) -> Value:
    """The value that the server would make of the text; raises ValueRefusedError with its reason."""
    if parameter.vartype == "bool":
        return _bool(text)
    if parameter.vartype == "enum":
        return _enum(parameter, text)
    if parameter.vartype in ("integer", "real"):
        return _number(parameter, text)
    if parameter.name.lower() in LISTS:
        return split_list(parameter.name, text)
    return text


def parse_given(parameter: Parameter, value: object) -> tuple[str, Value]:
    """A user's value as text and as value; a list is for those settings that hold one."""
    if not isinstance(value, (list, tuple)):
        text = text_of(value)
    elif parameter.name.lower() in LISTS:
        text = join_list(parameter.name, [text_of(item) for item in value])
    elif parameter.vartype == "string" and "." in parameter.name:
        text = ", ".join(text_of(item) for item in value)
    else:
        raise ValueRefusedError(f"{shown(value)} is a list, and this setting holds one value")
    return text, parse(parameter, text)


def shown_as(parameter: Parameter, text: str) -> str:
    """The text as SHOW writes it: in the largest unit that is exact."""
    if parameter.vartype != "integer" or not parameter.unit:
        return text
    try:
        number = int(text)
    except ValueError:
        return text
    units, base = _units(parameter.unit)
    if number <= 0:
        return text
    return next((f"{number * base // size}{unit}" for unit, size in units.items() if number * base % size == 0), text)


def range_of(parameter: Parameter) -> str:
    """What the setting takes, for a message."""
    if parameter.enumvals:
        return ", ".join(parameter.enumvals)
    if parameter.vartype == "bool":
        return "on, off"
    if not parameter.min_val:
        return ""
    least, most = (shown_as(parameter, text) for text in (parameter.min_val, parameter.max_val))
    return f"{least} to {most}"


def _bool(text: str) -> bool:
    word = text.lower()
    if word and ("true".startswith(word) or "yes".startswith(word) or word in ("on", "1")):
        return True
    if word and ("false".startswith(word) or "no".startswith(word) or word in ("of", "off", "0")):
        return False
    raise ValueRefusedError(f"{shown(text)} is neither on nor off")


def _enum(parameter: Parameter, text: str) -> str:
    word = text.lower()
    listed = {value.lower(): value for value in parameter.enumvals}
    synonym = _HIDDEN.get(parameter.name, {}).get(word, "")
    if synonym in listed:
        return listed[synonym]
    if word in listed:
        return listed[word]
    if "on" in listed and "off" in listed and word in (*_TRUE, *_FALSE):
        return listed["on" if word in _TRUE else "off"]
    if word == "debug" and "debug2" in listed:
        return listed["debug2"]
    raise ValueRefusedError(f"{shown(text)} is none of {', '.join(parameter.enumvals)}")


def _number(parameter: Parameter, text: str) -> Value:
    whole = parameter.vartype == "integer"
    number, rest = _leading_number(text, whole)
    rest = rest.lstrip(_SPACE)
    if rest:
        unit = rest.rstrip(_SPACE)
        number = _in_base_units(number, unit, parameter.unit, text)
    if whole:
        if not math.isfinite(number) or not -_INT_MAX - 1 <= round(number) <= _INT_MAX:
            raise ValueRefusedError(f"{shown(text)} is more than an integer holds")
        number = round(number)
    within = not parameter.min_val or parameter.context == "internal"
    if not within and not float(parameter.min_val) <= number <= float(parameter.max_val):
        raise ValueRefusedError(f"{shown(text)} is out of range; it takes {range_of(parameter)}")
    return number


def _leading_number(text: str, whole: bool) -> tuple[float, str]:
    """strtol with base 0 for integers, and strtod where that stops at a fraction or is exceeded."""
    match = _INTEGER.match(text) if whole else None
    if match is not None:
        number, end = _strtol(match)
        following = text[end : end + 1]
        if following not in (".", "e", "E") and abs(number) <= _LONG_MAX:
            return (-number if match[1] == "-" else number), text[end:]
    elif whole and not text.lstrip(_SPACE + "+-").startswith("."):
        raise ValueRefusedError(f"{shown(text)} is no number")
    match = _REAL.match(text)
    if match is None:
        raise ValueRefusedError(f"{shown(text)} is no number")
    digits = match[0].strip(_SPACE)
    number_of = float.fromhex if "x" in digits.lower() else float
    return number_of(digits), text[match.end() :]


def _strtol(match: re.Match[str]) -> tuple[int, int]:
    digits, end = match[2], match.end()
    if digits[:2].lower() == "0x":
        return int(digits, 16), end
    if digits.startswith("0"):
        octal = digits[: len(digits) - len(digits.lstrip("01234567"))]
        return int(octal, 8), match.start(2) + len(octal)
    return int(digits), end


def _units(unit: str) -> tuple[Mapping[str, int], int]:
    """The units of the same kind, and the size of this one: ``8kB`` is 8192 bytes."""
    match = _BASE_UNIT.fullmatch(unit)
    if match is None:
        return {}, 1
    units = _MEMORY if match[2] in _MEMORY else _TIME
    return units, int(match[1] or 1) * units[match[2]]


def _in_base_units(number: float, unit: str, base_unit: str, text: str) -> float:
    units, base = _units(base_unit)
    if not units:
        raise ValueRefusedError(f"{shown(text)} has a unit, and this setting is a plain number")
    if unit not in units or len(unit) > _UNIT_LENGTH:
        raise ValueRefusedError(f"{shown(text)} has no unit that is valid here: {', '.join(reversed(list(units)))}")
    names = list(units)
    value = number * _multiplier(units[unit], base)
    smaller = names[names.index(unit) + 1 :][:1]
    if smaller and math.isfinite(value):
        factor = _multiplier(units[smaller[0]], base)
        value = round(value / factor) * factor
    return value


def _multiplier(size: int, base: int) -> float:
    return float(size // base) if size % base == 0 else 1.0 / (base / size)
