"""What benchmarks/answering.py counts, on a small company."""

import sys
from pathlib import Path

import pytest

from rag.profiles import Profile, load_config


@pytest.fixture(scope="module")
def bench():
    """The benchmark's own modules, found as when it is run."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import answering

        yield answering
    finally:
        sys.path.remove(folder)


def test_no_collection_finds_what_another_holds_and_each_gives_as_many_as_it_has(bench, tmp_path):
    space, data = bench.open_home(tmp_path), bench.company(tmp_path)
    found = bench.isolation(space, data, load_config(Profile.SMOKE), 24)
    assert found["collections"] == {"company-0": 4, "company-1": 4, "tiny": 3}
    assert (found["searches"], found["leaks"], found["short"]) == (24, 0, 0)


def asked(bench, total_s, error=None):
    times = {"first_s": total_s / 2, "total_s": total_s, "timings": {"retrieval": total_s / 4, "total": total_s}}
    return bench.Asked(generator="extractive", restarted=False, error=error, **times)


def test_a_summary_counts_errors_and_takes_its_times_from_all(bench):
    found = bench.summary([*(asked(bench, s) for s in (1.0, 2.0, 3.0)), asked(bench, 4.0, "ended without done")])
    assert (found["answers"], found["errors"], found["first error"]) == (4, 1, "ended without done")
    assert (found["total"]["p50"], found["first"]["p50"], found["retrieval %"]) == (2500, 1250, 25)
