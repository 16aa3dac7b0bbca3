"""Questions by a language model through the flow: chosen in the config file, with the bill in the UI."""

import json

import pytest

from flows.ingest import ingest
from flows.synthesize import synthesize
from rag.errors import LanguageModelUnavailable
from rag.pairs.artifact import load_pairs
from rag.pairs.pair import Origin
from rag.profiles import Profile
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import write_company
from tests.groq_server import refuses, says, serving

CONFIG = """
[synthesis]
writer = "groq"
[synthesis.llm]
backoff_s = 0
at_once = 1
requests_per_minute = 600
"""


def table():
    from prefect.artifacts import Artifact

    return {row["what"]: row["value"] for row in json.loads(Artifact.get("written-questions-default").data)}


@pytest.fixture
def server(home, tmp_path, monkeypatch):
    (tmp_path / "ragloop.toml").write_text(CONFIG)
    monkeypatch.setenv("RAGLOOP_CONFIG", str(tmp_path / "ragloop.toml"))
    monkeypatch.setenv("RAGLOOP_GROQ_API_KEY", "a-key")
    with serving() as groq:
        monkeypatch.setenv("RAGLOOP_GROQ_BASE_URL", groq.url)
        ingest([str(write_company(tmp_path / "documents"))], profile=Profile.SMOKE)
        yield groq


def test_the_bill_of_a_run_with_faults_is_in_the_ui(server):
    server.faults = [says("no JSON"), refuses(429, headers={"retry-after": "0.2"})]
    pairs = load_pairs(Workspace.open(Settings()).artifacts, synthesize(profile=Profile.SMOKE))
    assert any(pair.origin is Origin.SYNTHETIC and "Who says" in pair.anchor for pair in pairs.train)
    shown = table()
    assert shown["writer"] == "openai/gpt-oss-20b"
    assert (shown["bill: tokens in"], shown["bill: tokens out"]) == (server.tokens_in, server.tokens_out)
    assert (shown["bill: requests"], shown["bill: retries"]) == (len(server.requests), 2)
    assert shown["bill: cost usd"] > 0


def test_a_run_without_quota_stops_with_the_reason_and_goes_on_later(server):
    server.faults = [None, None, refuses(429, "on tokens per day (TPD). Please try again in 5m.")]
    with pytest.raises(LanguageModelUnavailable, match="quota for the day"):
        synthesize(profile=Profile.SMOKE)
    synthesize(profile=Profile.SMOKE)
    assert len(server.prompts) == len(set(server.prompts)) + 1
    assert table()["bill: reused"] == 2
