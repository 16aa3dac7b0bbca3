"""Where the API is, and with which key the page asks it."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class PageSettings(BaseSettings):
    """Read from `RAGLOOP_PAGE_*` variables, which `ragloop page` and `ragloop up` set."""

    model_config = SettingsConfigDict(env_prefix="RAGLOOP_PAGE_", extra="ignore", frozen=True)

    api: str = "http://127.0.0.1:8000"
    key_file: Path | None = None
    """Holds the key that all who open the page ask with; each gives a key of their own unless given."""
    prefect: str | None = None
    """Address of Prefect's UI, for links to runs; no links unless given."""

    def key(self) -> str | None:
        """Return the key of the file; None if there is none."""
        if self.key_file is None:
            return None
        return self.key_file.expanduser().read_text(encoding="utf-8").strip() or None
