"""`ragloop evaluate`: what it refuses before anything is asked, and what it tells programs."""

import json

import pytest
from typer.testing import CliRunner

from app.cli import app, main
from rag.evaluation.beir import CORPUS, QRELS, QUERIES
from rag.profiles import Profile, load_config
from tests.app.api.conftest import add_documents
from tests.company import write_company

LONG = "x" * 300


@pytest.fixture
def refused(space, capsys):
    """Run `ragloop evaluate`; return the line that it ends with."""

    def run(*options):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *map(str, options)])
        told = capsys.readouterr().err
        assert ended.value.code == 2 and told.count("\n") == 1, told
        return told

    return run


@pytest.mark.parametrize("place", [".", "", "/", "mine.txt/answers.jsonl", LONG, f"new/{LONG}/answers.jsonl"])
def test_a_ragas_dataset_that_could_not_be_written_is_refused_first(refused, tmp_path, place):
    (tmp_path / "mine.txt").write_text("mine")
    told = refused("--answers", "--export-ragas", place)
    assert "cannot write" in told and "give --export-ragas a file in a folder that can be written" in told
    assert [path.name for path in tmp_path.glob("[mn]*")] == ["mine.txt"]


@pytest.mark.parametrize("place", ["mine.txt", "mine.txt/beir", LONG])
def test_a_beir_folder_that_could_not_be_written_is_refused_first(refused, tmp_path, place):
    (tmp_path / "mine.txt").write_text("mine")
    assert "give --export-beir a folder that can be written" in refused("--export-beir", place)


def test_places_that_will_be_made_are_none_to_refuse(refused):
    told = refused("--answers", "--export-ragas", "new/deep/answers.jsonl", "--export-beir", "new/beir")
    assert "has no release" in told


def test_files_of_ones_own_are_written_over_only_by_force(refused, tmp_path):
    (tmp_path / "qrels").mkdir()
    ragas, beir = tmp_path / "mine.jsonl", ("--export-beir", tmp_path)
    for path, options in (
        (ragas, ("--answers", "--export-ragas", ragas)),
        (tmp_path / CORPUS, beir),
        (tmp_path / QRELS, beir),
    ):
        path.write_text("mine")
        told = refused(*options)
        assert f"{path} is there already: name another place, or write over it with --force" in told
        assert "has no release" in refused(*options, "--force")
        assert path.read_text() == "mine"
        path.unlink()
    assert "--force goes with --export-ragas or --export-beir" in refused("--force")


def test_a_set_that_no_file_could_be_called_is_named(refused):
    assert "give a version, a ragas dataset or a BEIR folder" in refused("--set", LONG)


def test_programs_are_told_what_the_table_says(space, tmp_path):
    add_documents(space, "default", write_company(tmp_path / "documents"), load_config(Profile.SMOKE))
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / CORPUS).write_text('{"_id": "p", "text": "Penguins swim south."}\n')
    (folder / QUERIES).write_text('{"_id": "q", "text": "Where do penguins swim?"}\n')
    (folder / QRELS).write_text("query-id\tcorpus-id\tscore\nq\tp\t1\n")
    said = CliRunner().invoke(app, ["evaluate", "--set", str(folder), "--json"], catch_exceptions=False)
    told = json.loads(said.stdout)
    assert [(row["origin"], row["question_type"], row["n"], row["metrics"]["hit@1"]) for row in told["rows"]] == [
        ("real", None, 1, 1.0),
        ("real", "factual", 1, 1.0),
    ]
    assert told["left_out"] == 0 and told["refusals"] is None
    assert 0 < told["general_hit1"] <= 1 and told["latency_p95_ms"] > 0
