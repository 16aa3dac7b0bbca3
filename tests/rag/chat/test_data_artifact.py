import pytest

from rag.chat.data_artifact import chat_data_artifact, dataset_artifact, load_examples, training_stats
from rag.chat.example import ExampleKind
from rag.chat.export import export_chat_data
from rag.config import ChatDataConfig, Writer
from rag.corpus.artifact import active_documents
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.corpus.traces import derived
from rag.deletion import delete_document
from rag.errors import ConfigError, EmptyCorpus
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Split
from rag.pairs.questions_file import read_questions
from rag.profiles import load_config
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import write_company, write_questions
from tests.groq_server import serving


def config_with(**data):
    config = load_config("smoke")
    chosen = ChatDataConfig.model_validate({"pairs_per_chunk": 6, "variations": 4, **data})
    return config.model_copy(update={"chat": config.chat.model_copy(update={"data": chosen})})


def ingest(space, folder):
    intake = seal_uploads(space.artifacts, space.database, "default", [str(folder)])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, config_with().chunking)


def ask(space, file):
    known = load_alignable(space.artifacts, space.database, "default")
    import_questions(space.database, space.sealer, "default", read_questions(file), known)


@pytest.fixture
def company(space, tmp_path):
    """A home with eight documents and the real questions about them."""
    ingest(space, write_company(tmp_path / "documents"))
    ask(space, write_questions(tmp_path / "questions.jsonl"))
    return space


def test_the_documents_become_conversations_that_are_sealed(company):
    made = chat_data_artifact(company, "default", config_with())
    examples = load_examples(company.artifacts, made)
    names = {row.name for row in active_documents(company.database, "default")}
    assert {each.source.document for each in examples if each.source and each.split is Split.TRAIN} == names
    assert {each.kind for each in examples if each.split is Split.TRAIN} == set(ExampleKind)
    for path in company.artifacts.path(made).iterdir():
        assert b"homeward" not in path.read_bytes().lower()


def test_real_questions_measure_by_the_split_of_their_document(company):
    examples = load_examples(company.artifacts, chat_data_artifact(company, "default", config_with()))
    real = [each for each in examples if each.real]
    assert len(real) > 40
    assert {each.split for each in real} == {Split.VALIDATION, Split.EVALUATION}
    splits = {}
    for each in real:
        splits.setdefault(each.source.document, set()).add(each.split)
    assert all(len(own) == 1 for own in splits.values())


def test_it_is_made_once_and_again_when_a_question_or_the_config_changes(company, tmp_path):
    first = chat_data_artifact(company, "default", config_with())
    assert chat_data_artifact(company, "default", config_with()) == first
    assert chat_data_artifact(company, "default", config_with(augment=False)) != first
    (tmp_path / "one.jsonl").write_text(
        '{"question": "what was it designed for?", "answer": "The Birk was designed by the workshop", '
        '"document": "birk.md"}'
    )
    ask(company, tmp_path / "one.jsonl")
    assert chat_data_artifact(company, "default", config_with()) != first


def test_the_statistics_name_the_counts_and_the_config(company):
    config = config_with()
    made = chat_data_artifact(company, "default", config)
    stats = training_stats(company.artifacts, made, config)
    assert stats["examples"] == len(load_examples(company.artifacts, made))
    assert stats["writer"] == "extractive" and stats["config"]["variations"] == 4
    assert set(stats["by_document"]) == {row.name for row in active_documents(company.database, "default")}


def test_it_goes_with_a_document_that_is_deleted(company):
    config = config_with()
    made = chat_data_artifact(company, "default", config)
    ids = {row.id for row in active_documents(company.database, "default") if row.name == "birk.md"}
    assert made in derived(company.artifacts, ids, set())
    assert made not in derived(company.artifacts, {"of another document"}, set())
    delete_document(company, "default", "birk.md", config)
    assert company.artifacts.find(made.kind, made.digest) is None
    after = load_examples(company.artifacts, chat_data_artifact(company, "default", config))
    assert not any("Birk" in turn.content for each in after for turn in each.messages)


def test_conversations_that_a_person_mended_are_sealed_and_go_with_a_document_too(company, tmp_path):
    config = config_with()
    made = chat_data_artifact(company, "default", config)
    folder = tmp_path / "training_data"
    export_chat_data(folder, load_examples(company.artifacts, made), {})
    given = dataset_artifact(company, "default", folder)
    examples = load_examples(company.artifacts, made)
    said = {each.messages for each in examples if each.trained and each.split is not Split.EVALUATION}
    assert {each.messages for each in load_examples(company.artifacts, given)} == said
    delete_document(company, "default", "birk.md", config)
    assert company.artifacts.find(given.kind, given.digest) is None


def test_without_documents_that_is_what_is_said(space):
    with pytest.raises(EmptyCorpus, match="ragloop ingest"):
        chat_data_artifact(space, "default", config_with())


def test_documents_that_give_no_question_are_one_clear_line(space, tmp_path):
    (tmp_path / "short.md").write_text("Nothing here yet")
    ingest(space, tmp_path / "short.md")
    with pytest.raises(EmptyCorpus, match="give no question to teach: add documents"):
        chat_data_artifact(space, "default", config_with())


def test_a_language_model_writes_the_questions_and_improves_their_answers(company, monkeypatch):
    config = config_with(pairs_per_chunk=3)
    llm = config.synthesis.llm.model_copy(update={"requests_per_minute": None, "at_once": 1, "timeout_s": 20})
    written = config.synthesis.model_copy(update={"writer": Writer.GROQ, "llm": llm})
    with serving() as groq:
        monkeypatch.setenv("RAGLOOP_GROQ_API_KEY", "a-key")
        monkeypatch.setenv("RAGLOOP_GROQ_BASE_URL", groq.url)
        space = Workspace.open(Settings())
        made = chat_data_artifact(space, "default", config.model_copy(update={"synthesis": written}))
        assert any("improve answers" in prompt for prompt in groq.prompts)
    asked = [each for each in load_examples(space.artifacts, made) if each.kind is ExampleKind.QUESTION]
    assert space.artifacts.facts(made)["writer"] == "groq"
    assert sum("Who says" in each.messages[0].content for each in asked) > 10


def test_a_language_model_without_its_key_is_one_clear_line(company):
    config = config_with()
    groq = config.model_copy(update={"synthesis": config.synthesis.model_copy(update={"writer": Writer.GROQ})})
    with pytest.raises(ConfigError, match="RAGLOOP_GROQ_API_KEY"):
        chat_data_artifact(company, "default", groq)
