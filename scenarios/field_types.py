"""The kinds of value that a scenario holds, shared by all parts of its schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from network_data.currency import CURRENCY_PATTERN
from network_data.schema import CellError, parse_text

# No quantity of a scenario comes near this; with it, products of two or three of them stay finite.
_LARGEST = 1e12


def fault(problem: str, remedy: str) -> PydanticCustomError:
    """
    Build the error of a check that a type and a range cannot express.

    Parameters
    ----------
    problem
        What is wrong.
    remedy
        What to do.

    Returns
    -------
    PydanticCustomError
        To be raised inside a validator.
    """
    return PydanticCustomError("scenario_check", "{problem}", {"problem": problem, "remedy": remedy})


def _check_text(text: str, *, multiline: bool) -> str:
    try:
        return parse_text(text, multiline=multiline)
    except CellError as error:
        raise fault(error.problem, error.remedy) from error


def _one_line(text: str) -> str:
    return _check_text(text, multiline=False)


def _lines(text: str) -> str:
    return _check_text(text, multiline=True)


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Prose = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_lines)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4_000), AfterValidator(_one_line)]
Currency = Annotated[str, StringConstraints(pattern=f"^{CURRENCY_PATTERN}$")]
Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, le=_LARGEST)]
Positive = Annotated[float, Field(gt=0, le=_LARGEST)]


class Section(BaseModel):
    """A frozen part of a scenario; refuses unknown keys, wrong types and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
