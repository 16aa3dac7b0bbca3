"""Questions by a language model as an artifact: from a real home, over kills and faults, with its bill."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from rag.config import SynthesisConfig
from rag.corpus.artifact import corpus_artifact
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.errors import ConfigError, LanguageModelUnavailable
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs, load_pairs, synthetic_artifact, writing_rows
from rag.pairs.collection import import_questions, load_alignable, real_questions
from rag.pairs.pair import Split
from rag.pairs.questions_file import read_questions
from rag.pairs.splitting import load_split, split_artifact
from rag.profiles import load_config
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import write_company, write_questions
from tests.groq_server import refuses, says, serving, stalls
from tests.rag.llm.tiny_model import save_tiny_chat_model

ROOT = Path(__file__).parents[3]
MAKE = "from tests.rag.pairs.test_synthetic_artifact import make; make()"
LLM = {"backoff_s": 0, "requests_per_minute": None, "attempts": 3, "at_once": 1, "timeout_s": 20}


def with_groq(**fields):
    config = load_config("smoke")
    chosen = {"writer": "groq", "questions_per_chunk": 3, "llm": {**LLM, **fields.pop("llm", {})}, **fields}
    return config.model_copy(update={"synthesis": SynthesisConfig.model_validate(chosen)})


def make(config=None):
    """Write the questions of the home that the environment names, as a task does."""
    config = config or with_groq()
    space = Workspace.open(Settings())
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    split = split_artifact(space.artifacts, space.database, "default", corpus, config.split, keep=True)
    models = LanguageModels.of(space)
    return synthetic_artifact(space.artifacts, space.database, "default", corpus, split, config, models)


def facts(ref):
    return Workspace.open(Settings()).artifacts.facts(ref)


@pytest.fixture
def server(monkeypatch):
    with serving() as groq:
        monkeypatch.setenv("RAGLOOP_GROQ_API_KEY", "a-key")
        monkeypatch.setenv("RAGLOOP_GROQ_BASE_URL", groq.url)
        yield groq


@pytest.fixture
def company(space, tmp_path):
    """A home with eight documents and the real questions about them."""
    folder = write_company(tmp_path / "documents")
    intake = seal_uploads(space.artifacts, space.database, "default", [str(folder)])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, load_config("smoke").chunking)
    questions = read_questions(write_questions(tmp_path / "questions.jsonl"))
    known = load_alignable(space.artifacts, space.database, "default")
    assert import_questions(space.database, space.sealer, "default", questions, known).imported == 48
    return space


def adds_up(bill, server):
    return (bill["tokens_in"], bill["tokens_out"]) == (server.tokens_in, server.tokens_out)


def test_the_facts_hold_the_counts_and_the_true_bill(company, server):
    server.faults = [says("no JSON"), refuses(500), refuses(429, headers={"retry-after": "0.1"})]
    made = facts(make())
    assert made["writer"] == "groq" and made["model"] == "openai/gpt-oss-20b"
    assert made["questions"] == sum(made["by_type"].values()) == made["by_form"]["groq"]
    assert made["by_type"] == {kind: n - made["missing"].get(kind, 0) for kind, n in made["wanted"].items()}
    bill = made["bill"]
    assert adds_up(bill, server)
    assert (bill["requests"], bill["retries"]) == (len(server.requests), 3)
    assert bill["cost_usd"] == pytest.approx((server.tokens_in * 0.075 + server.tokens_out * 0.3) / 1e6, abs=1e-6)
    assert {"what": "bill: requests", "value": len(server.requests)} in writing_rows(made)


def test_no_question_of_a_validation_or_evaluation_document_is_ever_shown_to_the_model(company, server):
    make()
    corpus = corpus_artifact(company.artifacts, company.database, "default")
    split = split_artifact(company.artifacts, company.database, "default", corpus, with_groq().split, keep=True)
    splits = load_split(company.artifacts, split)
    shown = {Split.TRAIN: 0, Split.VALIDATION: 0, Split.EVALUATION: 0}
    for row in real_questions(company.database, "default"):
        shown[splits[row.document][1]] += any(row.anchor in prompt for prompt in server.prompts)
    assert shown[Split.TRAIN] == with_groq().synthesis.style_examples
    assert shown[Split.VALIDATION] == shown[Split.EVALUATION] == 0


def test_the_pairs_of_a_run_take_the_written_questions(company, server):
    models = LanguageModels.of(Workspace.open(Settings()))
    made = collection_pairs(company.artifacts, company.database, "default", with_groq(), models)
    pairs = load_pairs(company.artifacts, made.pairs)
    assert sum("Who says" in pair.anchor for part in pairs for pair in part) > 10


def test_a_second_run_and_another_config_of_the_same_prompts_ask_nothing(company, server):
    first = make()
    n_requests = len(server.requests)
    assert make() == first
    changed = with_groq(llm={"attempts": 7, "prices": {"openai/gpt-oss-20b": [1, 1]}})
    other = make(changed.model_copy(update={"pairs": changed.pairs.model_copy(update={"min_groundedness": 0.59})}))
    assert other != first
    assert len(server.requests) == n_requests
    bill = facts(other)["bill"]
    assert bill["reused"] == bill["answered"]
    assert adds_up(bill, server)
    assert bill["cost_usd"] == pytest.approx((server.tokens_in + server.tokens_out) / 1e6, abs=1e-6)


def test_a_killed_run_goes_on_without_asking_again_what_was_answered(company, server):
    n_answered = 5
    server.faults = [None] * n_answered + [stalls(30)]
    child = subprocess.Popen([sys.executable, "-c", MAKE], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 90
    while len(server.requests) <= n_answered and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert len(server.requests) == n_answered + 1
    ref = make()
    assert [n for n in Counter(server.prompts).values() if n > 1] == [2]  # the one that was cut off by the kill
    bill = facts(ref)["bill"]
    assert adds_up(bill, server)
    assert bill["reused"] == n_answered


def test_quota_of_the_day_stops_the_run_and_the_next_day_it_goes_on(company, server):
    spent = "on tokens per day (TPD): Limit 200000, Used 199990, Requested 900. Please try again in 2h3m."
    server.faults = [None] * 4 + [refuses(429, spent, "rate_limit_exceeded")]
    with pytest.raises(LanguageModelUnavailable, match="quota for the day.*123 min.*kept"):
        make()
    ref = make()
    assert max(Counter(server.prompts).values()) == 2
    assert sum(Counter(server.prompts).values()) - len(set(server.prompts)) == 1
    assert adds_up(facts(ref)["bill"], server)


def test_without_a_key_one_line_names_the_setting_and_no_other_writer_steps_in(company):
    with pytest.raises(ConfigError, match="RAGLOOP_GROQ_API_KEY") as said:
        make()
    assert "\n" not in str(said.value)
    assert not list((company.home / "artifacts").glob("synthetic/*"))


def test_who_may_not_ask_a_model_still_reads_what_was_written(company, server):
    config = with_groq()
    with pytest.raises(ConfigError, match="not written yet"):
        collection_pairs(company.artifacts, company.database, "default", config)
    made = make()
    assert collection_pairs(company.artifacts, company.database, "default", config).pairs
    assert facts(made)["questions"] > 0


def test_a_local_model_that_writes_gibberish_is_refused_and_no_other_writer_steps_in(company, tmp_path):
    folder = save_tiny_chat_model(tmp_path / "tiny", max_tokens=16_000)
    config = with_groq(writer="local", llm={"model": str(folder), "max_tokens": 64, "attempts": 1, "at_once": 8})
    with pytest.raises(LanguageModelUnavailable, match="none of \\d+ prompts got a usable answer from tiny@"):
        make(config)
    assert not list((company.home / "artifacts").glob("synthetic/*"))


def test_the_writer_without_a_model_keeps_to_its_own_fields(company):
    one, other = load_config("smoke"), load_config("smoke", overrides={"synthesis": {"llm": {"temperature": 0.1}}})
    assert make(one) == make(other)
    assert facts(make(one))["writer"] == "extractive"


def test_nothing_readable_of_what_was_asked_or_answered_lies_on_the_disk(company, server):
    make()
    for path in company.home.rglob("*"):
        if path.is_file():
            assert b"Who says" not in path.read_bytes(), path
