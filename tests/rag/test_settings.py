"""Settings that take more than a plain value."""

import pytest
from pydantic import ValidationError

from rag.settings import Settings


@pytest.fixture
def origins(monkeypatch):
    """Return the origins that a variable names."""

    def read(given):
        monkeypatch.setenv("RAGLOOP_API_ORIGINS", given)
        return Settings(_env_file=None).api_origins

    return read


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", ()),
        ("https://intranet.example", ("https://intranet.example",)),
        ("http://localhost:5173, https://a_b.example:80,", ("http://localhost:5173", "https://a_b.example:80")),
        ("http://[::1]:5173", ("http://[::1]:5173",)),
    ],
)
def test_origins_stand_with_commas_between(origins, given, meant):
    assert origins(given) == meant


@pytest.mark.parametrize(
    "given",
    [
        "*",
        "null",
        "intranet.example",
        "https://intranet.example/",
        "https://intranet.example/page",
        "https://Intranet.example",
        "https://intranet.example:443",
        "http://intranet.example:80",
        "https://*.example",
        "https://user@intranet.example",
        "ftp://intranet.example",
        "{braces}",
    ],
)
def test_what_no_browser_sends_is_no_origin(origins, given):
    with pytest.raises(ValidationError, match="is no origin") as refused:
        origins(f"https://good.example,{given}")
    (error,) = refused.value.errors()
    assert error["loc"] == ("api_origins",)
    assert error["msg"].startswith(given)
