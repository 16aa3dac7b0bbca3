import io
import multiprocessing
import os
import time

import docx
import pytest
from pebble import ProcessPool

from rag.corpus.document import DocumentText
from rag.corpus.parsing import extract_all, outcome_of
from rag.errors import UnreadableDocument


def test_outcomes_come_in_order_and_a_bad_file_stops_no_other(make_pdf):
    buffer = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("from Word")
    document.save(buffer)
    files = [
        ("a.pdf", make_pdf([["from a PDF"]])),
        ("locked.pdf", make_pdf([["Secret"]], user="tell-no-one")),
        ("b.txt", b"from a text"),
        ("zeros.txt", b"\0" * 100),
        ("c.docx", buffer.getvalue()),
        ("bad.docx", b"no zip"),
        ("d.html", b"<p>from a page</p>"),
        ("e.xyz", b"what?"),
    ]
    outcomes = list(extract_all(iter(files), workers=2))
    assert [name for name, _ in outcomes] == [name for name, _ in files]
    texts = [outcome.text for _, outcome in outcomes if isinstance(outcome, DocumentText)]
    assert texts == ["from a PDF", "from a text", "from Word", "from a page"]
    refused = [str(outcome) for _, outcome in outcomes if isinstance(outcome, UnreadableDocument)]
    assert [message.split()[0] for message in refused] == ["locked.pdf", "zeros.txt", "bad.docx", "e.xyz"]


def test_a_file_that_is_too_large_is_refused_unread():
    [(_, outcome)] = extract_all([("a.txt", b"long text")], max_bytes=4)
    assert isinstance(outcome, UnreadableDocument)


def test_a_parser_that_takes_too_long_is_killed_and_the_next_file_is_read(make_pdf):
    slow = ("slow.pdf", make_pdf([["many"]] * 3000))
    outcomes = dict(extract_all([slow, ("b.txt", b"quick")], timeout_s=0.01))
    assert "slow.pdf took more than 0.01 s" in str(outcomes["slow.pdf"])
    assert isinstance(outcomes["b.txt"], DocumentText)


def test_a_parser_that_eats_memory_costs_one_file():
    page = b"<p>" + b"<b>x</b>" * 3_000_000 + b"</p>"
    outcomes = dict(extract_all([("big.html", page), ("b.html", b"<p>small</p>")], memory_bytes=2**29))
    assert isinstance(outcomes["big.html"], UnreadableDocument)
    assert isinstance(outcomes["b.html"], DocumentText)


@pytest.mark.parametrize(
    ("function", "argument", "reason"),
    [
        (os._exit, 3, "a.pdf crashed its parser"),
        (time.sleep, 60, "a.pdf took more than 1 s"),
        (int, "no number", r"a.pdf is damaged \(ValueError\)"),
        (bytearray, 2**62, "a.pdf needs too much memory"),
    ],
)
def test_every_way_a_worker_ends_is_one_refusal(function, argument, reason):
    with ProcessPool(1, context=multiprocessing.get_context("spawn")) as pool:
        outcome = outcome_of("a.pdf", pool.schedule(function, args=(argument,), timeout=1), 1)
    with pytest.raises(UnreadableDocument, match=reason):
        raise outcome


def test_workers_that_begin_when_all_is_read_say_nothing(capfd):
    for _ in range(3):
        [(name, outcome)] = extract_all([("torn.docx", b"no zip")], workers=16)
        assert name in str(outcome)
    assert capfd.readouterr().err == ""


def test_stopping_early_leaves_no_worker_behind(make_pdf):
    before = set(multiprocessing.active_children())
    outcomes = extract_all([(f"{number}.pdf", make_pdf([["text"]])) for number in range(5)])
    next(outcomes)
    outcomes.close()
    assert set(multiprocessing.active_children()) <= before
