"""What benchmarks/sabotage.py does to a candidate, through the real gate, on the small company."""

import sys
from pathlib import Path

import pytest

from rag.corpus.artifact import active_documents
from rag.evaluation.gate import Decision
from storage.registry import ReleaseState
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
    assert bench.row("halved", seed, verdict, reason).right
    assert company.space.registry.production("default") == before
    assert company.space.registry.list("default")[-1].state is ReleaseState.KEPT_OUT
    assert len(active_documents(company.space.database, "default")) == 8  # given back


def test_another_reason_is_told_from_the_right_one(bench, company):
    verdict = bench.halved(company, 7)
    rows = [
        bench.row("halved", 7, verdict, "documents are missing"),
        bench.row("slow", 7, verdict, "too slow"),
        bench.row(bench.NONE, 0, verdict, "rose"),
    ]
    assert [row.right for row in rows] == [True, False, False]
    assert bench.table(rows).endswith("0 of 2 sabotaged candidates promoted, 1 refused for the right reason")
