"""What all stage configs share. Imports no torch."""

from pydantic import BaseModel, ConfigDict

COLLECTION = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""What a collection may be called."""


class Stage(BaseModel):
    """Base of the stage configs: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
