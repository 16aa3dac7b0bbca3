"""What is configured: the settings as far as they can be used, and the stages that they choose."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from app.doctor.finding import Finding, State
from rag.profiles import detect_profile
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.config import Config


def read_settings() -> tuple[Settings, Finding]:
    """Return the settings, with the default for each that cannot be used, and what is found of them."""
    try:
        return Settings(), Finding(State.OK, "all can be used")
    except ValidationError as error:
        defaults = {name: Settings.model_fields[name].get_default() for name in _unusable(error)}
        return Settings(**defaults), settings_fault(error)


def settings_fault(error: ValidationError) -> Finding:
    """Return what is wrong with the variables of the settings that cannot be used."""
    wrong = {f"RAGLOOP_{field.upper()}": why for field, why in _unusable(error).items()}
    what = "; ".join(f"{name} is set to {why}" for name, why in wrong.items())
    return Finding(State.MISSING, what, f"correct or unset {', '.join(wrong)}")


def _unusable(error: ValidationError) -> dict[str, str]:
    """Return what stands in the fields that cannot be used, and why it cannot."""
    return {
        str(each["loc"][0]): f"{each['input']!r}, which cannot be used ({each['msg']})"
        for each in reversed(error.errors())
    }


def config_of(settings: Settings) -> "Config":
    """Return the stages of the profile that a run here would have."""
    return settings.stages(settings.profile or detect_profile())
