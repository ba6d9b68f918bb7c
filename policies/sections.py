"""What the sections of a policy file are made of: strict, closed to unknown keys, frozen."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _scalar(value: Any) -> Any:
    """One error for a value that is no scalar, instead of one for each branch of the union."""
    if value is not None and not isinstance(value, (str, int, float)):
        raise PydanticCustomError("scalar_type", "must be text, a number, true or false")
    return value


Text = Annotated[str, Field(min_length=1)]
# strict=False: YAML gives a list where the frozen model keeps a tuple.
Labels = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
Scalar = Annotated[str | bool | int | float, BeforeValidator(_scalar)]
Scalars = Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """What all parts of a policy share: nothing is converted, ignored or changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=False
    )
