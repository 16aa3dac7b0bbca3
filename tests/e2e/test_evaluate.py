"""Measuring a release by command: what it answers, by whom, and in other people's formats."""

import json
import stat

import pytest

from tests.groq_server import serving
from tests.simple_judge import judged

EXTRACTIVE = ("--answers", "--generator", "extractive")


def test_answers_are_measured_and_exported(company, tmp_path):
    ragas, beir = tmp_path / "answers.jsonl", tmp_path / "beir"
    told = json.loads(company.ok("evaluate", *EXTRACTIVE, "--export-ragas", ragas, "--export-beir", beir, "--json"))
    assert told["generators"].keys() == {"extractive"} and told["unanswerable"]["asked"] == 40
    real, synthetic = (row for row in told["rows"] if row["question_type"] is None)
    assert (real["origin"], synthetic["origin"]) == ("real", "synthetic")
    for row in (real, synthetic):
        assert {"support", "token F1", "citation recall", "non_llm_context_recall"} <= row["metrics"].keys()
    assert told["judged"] is None and told["latency_ms"]["total"]["p95"] > 0
    for file in (ragas, *(path for path in beir.rglob("*") if path.is_file())):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(ragas.read_text().splitlines()) == told["questions"]
    again = json.loads(company.ok("evaluate", "--set", ragas, "--generator", "extractive", "--json"))
    (together,) = again["rows"]
    f1 = sum(row["n"] * row["metrics"]["token F1"] for row in (real, synthetic)) / told["questions"]
    assert (together["origin"], together["n"]) == (None, told["questions"])
    assert together["metrics"]["token F1"] == pytest.approx(f1, abs=1e-3)
    theirs, ours = (
        json.loads(company.ok("evaluate", "--set", each, "--retriever", "bm25", "--json")) for each in (beir, 1)
    )
    assert theirs["rows"] == ours["rows"] and theirs["general_hit1"] == ours["general_hit1"]
    assert theirs["refusals"] is None and ours["refusals"]["asked"] == 40


def test_a_judge_says_how_sure_it_is(company, tmp_path):
    config = tmp_path / "ragloop.toml"
    config.write_text('[judge]\nprovider = "openai-compatible"\nmodel = "a-judge"\nmetrics = ["context_precision"]')
    with serving() as server:
        server.write = judged
        there = {"RAGLOOP_CONFIG": str(config), "RAGLOOP_JUDGE_BASE_URL": f"{server.url}/openai/v1"}
        shown = company.ok("evaluate", *EXTRACTIVE, **there)
    assert "context_precision" in shown and "spread" in shown
    assert f"a-judge, 3 times each, {len(server.requests)} requests" in shown


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--answers", "--generator", "oracle"], "give groq, local, chat-model, extractive"),
        (["--retriever", "luck"], "give bm25, dense, mixed"),
        (["--answers", "--retriever", "bm25"], "--retriever goes without --answers"),
        (["--generator", "extractive"], "--generator goes with --answers"),
        (["--export-ragas", "out.jsonl"], "--export-ragas goes with --answers"),
        (["--set", "99"], "has no evaluation set 99: "),
        (["--set", "nowhere.jsonl"], "give a version, a ragas dataset or a BEIR folder"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(company, options, remedy):
    assert remedy in company.refused("evaluate", *options)


def test_sets_that_are_none_are_named(company, tmp_path):
    (tmp_path / "set.jsonl").write_text('{"user_input": ""}')
    assert 'set.jsonl line 1: "user_input"' in company.refused("evaluate", "--set", tmp_path / "set.jsonl")
    assert "corpus.jsonl: No such file" in company.refused("evaluate", "--set", tmp_path)
    assert "has no right answers" in company.refused("evaluate", "--answers", "--set", tmp_path)
    assert "leave out --set" in company.refused("evaluate", "--set", tmp_path, "--export-beir", tmp_path / "out")
