"""Where things are, and secrets. Read only at the edges: the command line, the tasks, the engine's wiring."""

import re
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rag.config import Config
from rag.profiles import Profile, load_config, read_overrides

_ORIGIN = re.compile(r"(http(?!.*:80$)|https(?!.*:443$))://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
"""As browsers write it: in small letters, without the scheme's own port and without a path."""
_NO_ORIGIN = (
    "{origin} is no origin as browsers send it: give scheme, host and port alone, in small letters, "
    "as https://intranet.example or http://127.0.0.1:5173, and several with commas between"
)


class Models(StrEnum):
    """Where the base models come from."""

    BUNDLED = "bundled"
    HUB = "hub"


class TaskRunnerKind(StrEnum):
    """What carries out batches of documents and shards of passages."""

    THREADS = "threads"
    DASK = "dask"
    RAY = "ray"


def exact_origins(given: str) -> list[str]:
    """Return the origins in a text, which has commas between them.

    :raises PydanticCustomError: a ValueError that names the first that is not as browsers send it.
    """
    origins = [each.strip() for each in given.split(",") if each.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise PydanticCustomError("origin", _NO_ORIGIN, {"origin": origin})
    return origins


class Settings(BaseSettings):
    """Read from `RAGLOOP_*` variables and `.env`, each with a default that needs nothing."""

    model_config = SettingsConfigDict(env_prefix="RAGLOOP_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".ragloop")
    """Folder of the database, the artifacts and Prefect's own state."""
    database_url: str | None = None
    """SQLAlchemy URL; `HOME/ragloop.db` in WAL mode unless given."""
    artifact_root: str | None = None
    """Any fsspec URI; `HOME/artifacts` unless given."""
    models: Models = Models.BUNDLED
    profile: Profile | None = None
    """Fitted to the machine unless given."""
    config: Path | None = None
    """TOML file whose stages and fields override the profile's."""
    key_file: Path = Path("~/.config/ragloop/keyring.json")
    """Kept apart from the home, so that a copy of the home is not a copy of the key."""
    keyring: SecretStr | None = None
    """The keyring's JSON itself, instead of a file."""
    groq_api_key: SecretStr | None = None
    groq_base_url: str = "https://api.groq.com"
    """Where Groq's protocol is spoken, without the path."""
    judge_api_key: SecretStr | None = None
    """Of an OpenAI-compatible judge; one on one's own machine may need none."""
    judge_base_url: str | None = None
    """Where an OpenAI-compatible judge is reached, with the path before `/chat/completions`."""
    feedback_threshold: int = Field(50, ge=1)
    """New feedback from which a retraining starts by itself."""
    stage_timeout_s: float = Field(12 * 3600, gt=0)
    """How long a run on the gpu pool may take before the retraining that waits for it cancels it."""
    task_runner: TaskRunnerKind = TaskRunnerKind.THREADS
    task_runner_address: str | None = None
    """Address of the Dask scheduler or the Ray cluster; a temporary one on this machine unless given."""
    requests_per_minute: int = Field(600, ge=0)
    """That one key may make of the HTTP API; 0 for any number."""
    answers_at_once: int = Field(16, ge=1, le=256)
    """Questions that the HTTP API works on at the same time; eight times as many may wait."""
    max_upload_mb: int = Field(64, ge=1, le=200)
    """Largest file that the HTTP API takes."""
    api_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Whose pages may use the HTTP API from a browser: exact origins, with commas between; none but its own unless
    given."""
    metrics_open: bool = False
    """Show /metrics to whoever reaches the port; it needs an admin's key otherwise."""
    nice: int = Field(19, ge=0, le=19)
    """How far trainings and evaluations step back for whoever answers people on the same machine."""
    device_lock: Path = Path(tempfile.gettempdir()) / "ragloop-device.lock"
    """Held by whoever trains on this machine's card; one for each card, if there are several."""

    @field_validator("api_origins", mode="before")
    @classmethod
    def _exact(cls, given: Any) -> Any:
        return exact_origins(given if isinstance(given, str) else ",".join(given))

    def stages(self, profile: Profile | str, shuffle_labels: bool = False) -> Config:
        """Return the stage configs of a profile with what the config file overrides.

        :raises ConfigError: if either is not usable.
        """
        overrides = read_overrides(self.config) if self.config else None
        return load_config(profile, shuffle_labels, overrides, from_hub=self.models is Models.HUB)
