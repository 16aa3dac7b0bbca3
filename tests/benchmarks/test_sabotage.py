"""What benchmarks/sabotage.py does to a candidate, through the real gate, on the small company."""

import sys
from pathlib import Path

import pytest
from sqlmodel import select

from rag.corpus.artifact import active_documents
from rag.evaluation.gate import Decision
from rag.evaluation.sets import load_questions
from storage.registry import ReleaseState
from storage.tables import DocumentRow
from tests.rag.evaluation.asked_company import open_asked_company


@pytest.fixture(scope="module")
def bench():
    """The benchmark, found as when it is run."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import sabotage

        yield sabotage
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def company(bench, tmp_path_factory):
    space, _ = open_asked_company(tmp_path_factory.mktemp("sabotaged"))
    return bench.Searching.of(space)


@pytest.mark.parametrize("seed", [5, 6])
def test_half_the_documents_is_refused_for_that_whatever_the_candidate_says_it_holds(bench, company, seed):
    before = company.space.registry.production("default")
    sabotage, reason = bench.SEARCHING["halved"]
    verdict = sabotage(company, seed)
    assert verdict.decision is Decision.KEEP
    assert verdict.reason.startswith("documents are missing: ")
    assert verdict.earlier_looks == 0  # though others were tried before it
    assert bench.row("halved", seed, verdict, reason).right
    assert company.space.registry.production("default") == before
    assert company.space.registry.list("default")[-1].state is ReleaseState.KEPT_OUT
    assert len(active_documents(company.space.database, "default")) == 8  # given back


def test_a_candidate_that_lost_each_document_that_is_asked_about_is_judged_all_the_same(bench, company):
    from sabotaged.searching import without_half

    space = company.space
    asked = {pair.document for pair in load_questions(space.artifacts, company.questions)}

    def left(seed):
        with without_half(space, seed):
            return {row.name for row in active_documents(space.database, "default")}

    seed = next(seed for seed in range(1000) if asked.isdisjoint(left(seed)))
    verdict = bench.halved(company, seed)
    assert (verdict.decision, verdict.n_questions) == (Decision.KEEP, 0)
    assert verdict.reason.startswith("documents are missing: ")


def test_versions_that_were_replaced_and_other_collections_stay_as_they_are(bench, company):
    from sabotaged.searching import without_half

    database = company.space.database
    ours = active_documents(database, "default")
    before = {(row.collection, row.id): row.active for row in ours}
    with database.session() as session:
        for row in ours:
            for change in ({"collection": "other"}, {"version": 0, "active": False}):
                own = row.model_dump() | change | {"id": f"{row.id}-{len(change)}"}
                session.add(DocumentRow(**own))

    def states():
        with database.reading() as session:
            return {(row.collection, row.id): row.active for row in session.exec(select(DocumentRow)).all()}

    whole = states()
    with without_half(company.space, 1):
        changed = {key for key, active in states().items() if active != whole[key]}
        assert len(changed) == 4 and changed <= before.keys()
    assert states() == whole


def test_what_was_judged_is_not_judged_again(bench, company, tmp_path):
    verdict = bench.halved(company, 5)
    assert bench.kept(tmp_path / "halved-5.json", lambda: verdict) == verdict
    assert bench.kept(tmp_path / "halved-5.json", lambda: pytest.fail("judged again")) == verdict


def test_another_reason_is_told_from_the_right_one(bench, company):
    verdict = bench.halved(company, 5)
    rows = [
        bench.row("halved", 5, verdict, "documents are missing"),
        bench.row("slow", 5, verdict, "too slow"),
        bench.row(bench.NONE, 0, verdict, "rose"),
    ]
    assert [row.right for row in rows] == [True, False, False]
    assert bench.table(rows).endswith("0 of 2 sabotaged candidates promoted, 1 refused for the right reason")


def test_no_run_proves_nothing(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sabotage.py", "--runs", "0"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    assert "--runs 0 sabotages nothing: give 1 or more" in capsys.readouterr().err
