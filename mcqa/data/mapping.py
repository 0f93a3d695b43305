"""Read rows under other names: `--field stem=prompt` reads the field `prompt` as the stem."""

from collections.abc import Mapping

from mcqa.data import generic
from mcqa.data.fields import Fields
from mcqa.data.formats import FORMATS
from mcqa.errors import ConfigError, DataError

_NAMES = sorted({name for known in FORMATS.values() for name in known.fields})


def parse_fields(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=FIELD` texts, as the flags give them, as a mapping.

    Raises:
        ConfigError: a text is not of that form, or a name comes twice or is no format's.
    """
    fields = {}
    for pair in pairs:
        name, equals, field = (part.strip() for part in pair.partition("="))
        if not (name and equals and field):
            raise ConfigError(f"field {pair!r}: expected NAME=FIELD, like stem=prompt.")
        if name in fields:
            raise ConfigError(f"field {name!r} is mapped twice.")
        fields[name] = field
    return check_fields(fields)


def check_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping; a `ConfigError` where a name in it is no field of any format."""
    unknown = next((name for name in fields if name not in _NAMES), None)
    if unknown is not None:
        raise ConfigError(
            f"field {unknown!r} is known to no format; there are: {', '.join(_NAMES)}."
        )
    return dict(fields)


def renamed(row: Fields, fields: Mapping[str, str]) -> Fields:
    """Return a row with the fields that a mapping names under their new names.

    A field may stand inside an object, `question.text`; several with commas between them,
    `right,wrong1,wrong2`, become a list. Where the row lacks one, a `DataError` says so.
    """
    values = {name: _value(row, field) for name, field in fields.items()}
    taken = set(fields.values())
    for same in (generic.STEM, generic.OPTIONS, generic.LABEL):
        if not fields.keys().isdisjoint(same):
            taken.update(same)
    return {name: value for name, value in row.items() if name not in taken} | values


def _value(row: Fields, field: str):
    if field in row:
        return row[field]
    if "," in field:
        return [_value(row, part.strip()) for part in field.split(",")]
    value = row
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            raise DataError(f"the field {field!r}, which --field names, is missing.")
        value = value[part]
    return value
