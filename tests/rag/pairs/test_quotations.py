import pytest

from rag.pairs.quotations import locate

TEXT = (
    "Foreword. The hush band lowers the fan-\nspeed because neighbours\ncomplained in 2019. "
    "The ﬁlter is cleaned weekly."
)


def found(quotation, start=0):
    span = locate(quotation, TEXT, start, len(TEXT))
    return span and TEXT[span[0] : span[1]]


@pytest.mark.parametrize(
    "quotation",
    [
        "because neighbours complained in 2019.",
        "Because  Neighbours complained, in 2019",
        "The hush band lowers the fan speed because neighbours have complained in 2019",
        "The filter is cleaned weekly.",
    ],
)
def test_a_quotation_is_found_in_its_words_or_nearly(quotation):
    span = found(quotation)
    assert span and (span.startswith(("because", "The")) and span.rstrip(".").endswith(("2019", "weekly")))


@pytest.mark.parametrize(
    "quotation", ["", "the", "in 2019", "The moon is made of cheese from far away, say neighbours", TEXT * 10]
)
def test_what_says_something_else_or_next_to_nothing_is_not_found(quotation):
    assert found(quotation) is None


def test_only_the_chunk_is_searched():
    assert found("because neighbours complained in 2019.", start=TEXT.index("2019")) is None
    assert found("The filter is cleaned weekly.", start=TEXT.index("2019")) == "The ﬁlter is cleaned weekly."
