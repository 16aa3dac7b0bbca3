import json
import stat

import pytest

from rag.errors import BadQuestions
from rag.evaluation.ragas_dataset import export_ragas, import_ragas
from rag.evaluation.sample import EvaluationSample, reference_samples
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

WHOLE = EvaluationSample(
    id="q1",
    question="Läuft er?",
    answer="Ja — er läuft.\nImmer.",
    contexts=("Der Lüfter läuft.", "Die Pumpe nicht."),
    reference="ja",
    reference_contexts=("Der Lüfter läuft.",),
)
ASKED = EvaluationSample(id="q2", question="Why?")
NOTHING_FOUND = EvaluationSample(id="q3", question="Why not?", answer="", contexts=())


def test_a_set_comes_back_as_it_was(tmp_path):
    file = export_ragas(tmp_path / "set.jsonl", [WHOLE, ASKED, NOTHING_FOUND])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert import_ragas(file) == [WHOLE, ASKED, NOTHING_FOUND]


def test_ragas_reads_it_and_what_ragas_writes_is_read(tmp_path):
    from ragas import EvaluationDataset

    dataset = EvaluationDataset.from_jsonl(export_ragas(tmp_path / "ours.jsonl", [WHOLE, ASKED]))
    sample = dataset.samples[0]
    assert (sample.user_input, sample.response, sample.reference) == (WHOLE.question, WHOLE.answer, WHOLE.reference)
    assert sample.retrieved_contexts == list(WHOLE.contexts)
    assert sample.reference_contexts == list(WHOLE.reference_contexts)
    dataset.to_jsonl(tmp_path / "theirs.jsonl")  # which knows no ids
    assert import_ragas(tmp_path / "theirs.jsonl") == [
        WHOLE.model_copy(update={"id": "1"}),
        ASKED.model_copy(update={"id": "2"}),
    ]


def test_samples_of_pairs_have_the_chunks_with_the_evidence():
    chunks = [chunk_of("It lasts three years.", doc_id="a"), chunk_of("Other.", doc_id="b")]
    pair = real_pair("How long?", id="q", answer="three years", doc_id="a", answer_start=9, answer_end=20)
    assert reference_samples([pair], chunks) == [
        EvaluationSample(
            id="q", question="How long?", reference="three years", reference_contexts=("It lasts three years.",)
        )
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ({"response": "x"}, '"user_input": Field required: mend that field'),
        ({"user_input": "  "}, '"user_input": '),
        ({"user_input": [{"content": "x", "type": "human"}]}, "is a conversation of several turns: give single"),
        ({"user_input": "x", "retrieved_contexts": "y"}, '"retrieved_contexts": '),
        ({"user_input": "x", "reference_contexts": [1, None]}, '"reference_contexts.1": '),
        ({"user_input": "x", "id": "1"}, 'id "1" is that of an earlier line: give each its own id'),
    ],
)
def test_a_broken_line_is_named_with_the_remedy(tmp_path, line, message):
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"user_input": "fine"}) + "\n" + (line if isinstance(line, str) else json.dumps(line)))
    with pytest.raises(BadQuestions, match=f"set.jsonl line 2: {message}.*; nothing was imported") as caught:
        import_ragas(file)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "set.jsonl").touch()
    with pytest.raises(BadQuestions, match="holds no question"):
        import_ragas(tmp_path / "set.jsonl")
