"""Turn what the schema refuses into faults with file, line, key, value and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from network_data.faults import FaultList, suggest
from scenarios.document import Node, Scalar, locate
from scenarios.field_types import Section

Keys = TypeVar("Keys", bound=Section)

_PLAIN_WORDS = {
    "missing": "the required key is missing",
    "extra_forbidden": "the key is unknown",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must not be blank",
    "too_short": "must not be empty",
}
_ID_REMEDY = "Use lower-case letters a-z, digits and underscores only."


def add_fault(
    faults: FaultList, root: Node, path: Sequence[str | int], problem: str, remedy: str, value: Scalar = None
) -> None:
    """
    Record a fault of the value at a path of the merged scenario, with the file and line that set it.

    Parameters
    ----------
    faults
        Receives the fault.
    root
        The merged scenario.
    path
        Keys and list positions, outermost first.
    problem
        What is wrong.
    remedy
        What to do.
    value
        The value as found; None is not shown.
    """
    place = locate(root, path)
    parts = [str(part) for part in path]
    column = parts[-1] if place.in_table else ".".join(parts)
    faults.add(place.file, problem, remedy, row=place.row, column=column or None, value=value)


def validate_keys(root: Node, values: dict[str, Any], faults: FaultList, schema: type[Keys]) -> Keys | None:
    """
    Check a document, such as the merged scenario, against its schema.

    Parameters
    ----------
    root
        The document, for the places.
    values
        The same without places.
    faults
        Receives what the schema refuses.
    schema
        Its keys.

    Returns
    -------
    Keys or None
        None if anything was refused.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]:
                continue  # pydantic counts only the good items; the bad ones have their own fault
            path = tuple(part for part in details["loc"] if part != "[key]")
            problem, remedy = _explain(details, path, schema)
            add_fault(faults, root, path, problem, remedy, _shown(details))
        return None


def _explain(details: ErrorDetails, path: tuple[str | int, ...], schema: type[Section]) -> tuple[str, str]:
    kind = details["type"]
    if kind == "scenario_check":
        return str(details["ctx"]["problem"]), str(details["ctx"]["remedy"])
    *parents, last = path or ("",)
    if kind == "extra_forbidden":
        return _PLAIN_WORDS[kind], "Rename or remove it." + suggest(str(last), _known_keys(parents, schema))
    problem = _PLAIN_WORDS.get(kind) or _reword(details["msg"])
    if kind == "string_pattern_mismatch":
        return "is not a valid id", _ID_REMEDY
    field = _field_at(path, schema)
    if field is None:
        return problem, "See the list of keys in the scenario schema."
    return problem, f"{'Add it' if kind == 'missing' else 'Expected'}: {field.description}."


def _reword(message: str) -> str:
    """Say `must be greater than 0` where pydantic says `Input should be greater than 0`."""
    _, found, rest = message.partition(" should ")
    return f"must {rest}" if found else message


def _shown(details: ErrorDetails) -> Scalar:
    """Write a scalar as YAML does; mappings and lists are not shown."""
    value = details["input"]
    if details["type"] in {"missing", "extra_forbidden"} or isinstance(value, dict | tuple | BaseModel):
        return None
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _known_keys(path: Sequence[str | int], schema: type[Section]) -> list[str]:
    annotation: Any = schema
    for part in path:
        annotation = _step(annotation, part)
    return list(annotation.model_fields) if _is_model(annotation) else []


def _field_at(path: Sequence[str | int], schema: type[Section]) -> FieldInfo | None:
    """Field of the schema that a path leads to; for an item of a list or mapping, the list or mapping."""
    annotation: Any = schema
    field: FieldInfo | None = None
    for part in path:
        if _is_model(annotation):
            field = annotation.model_fields.get(str(part))
        annotation = _step(annotation, part)
    return field


def _step(annotation: Any, part: str | int) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return None if field is None else field.annotation
    return next((inner for inner in _flatten(annotation) if _is_model(inner)), None)


def _flatten(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _flatten(argument)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
