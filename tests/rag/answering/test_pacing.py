"""What comes too slowly is left, and ends by itself."""

from threading import Event

import pytest

from rag.answering.generator import GeneratorSilent
from rag.answering.pacing import Bounds, paced

PATIENT = Bounds(first_s=30, gap_s=30, total_s=60)


class Source:
    """Says words; before each that has an event beside it, it waits for that."""

    def __init__(self, *words):
        self.words, self.said, self.closed = words, [], Event()

    def text(self):
        try:
            for word in self.words:
                word, wait = word if isinstance(word, tuple) else (word, None)
                if wait:
                    wait.wait(30)
                self.said.append(word)
                yield word
            return len(self.words)
        finally:
            self.closed.set()


def heard(pieces):
    words = []
    try:
        while True:
            words.append(next(pieces))
    except StopIteration as end:
        return words, end.value


def test_it_yields_all_and_returns_what_the_source_returns():
    assert heard(paced(Source("one ", "two").text(), PATIENT)) == (["one ", "two"], 2)


def test_a_source_that_fails_fails_here():
    def fails():
        yield "one"
        raise GeneratorSilent("broken", at_once=True)

    pieces = paced(fails(), PATIENT)
    assert next(pieces) == "one"
    with pytest.raises(GeneratorSilent, match="broken"):
        next(pieces)


@pytest.mark.parametrize(
    ("n_before", "bounds", "said"),
    [
        (0, PATIENT._replace(first_s=0.05), "no word within 0.05 s"),
        (1, PATIENT._replace(gap_s=0.05), "it stopped in the middle, for 0.05 s"),
        (1, PATIENT._replace(total_s=0.05), "not done within 0.05 s"),
    ],
)
def test_a_source_that_hangs_is_left_at_once_and_closes_itself_once_it_can(n_before, bounds, said):
    release = Event()
    source = Source(*["word"] * n_before, ("late", release), "later")
    with pytest.raises(GeneratorSilent) as silent:
        heard(paced(source.text(), bounds))
    assert str(silent.value) == said and silent.value.at_once
    assert not source.closed.is_set()
    release.set()
    assert source.closed.wait(30)
    assert "later" not in source.said


def test_a_reader_who_goes_away_ends_the_source():
    release = Event()
    source = Source("one", ("two", release), "three")
    pieces = paced(source.text(), PATIENT)
    assert next(pieces) == "one"
    pieces.close()
    release.set()
    assert source.closed.wait(30)
    assert "three" not in source.said


def test_a_source_that_is_done_is_heard_to_its_end_however_late():
    source = Source("one", "two")
    pieces = paced(source.text(), PATIENT._replace(total_s=3, gap_s=0.01))
    assert next(pieces) == "one"
    assert source.closed.wait(30)
    Event().wait(3.1)
    assert heard(pieces) == (["two"], 2)
