from rag.pairs.wording import Wording

OWN = "The lung of the Alder stands at least ten centimetres from any wall. It was made in the valley."
OTHER = "The lung of the Birk stands at least ten centimetres from any wall."


def test_a_quotation_is_known_by_six_words_whatever_their_case_and_punctuation():
    wording = Wording([OWN], [])
    assert wording.quoted_in(None, 'He wrote: LUNG of the "Alder" stands, at least!')
    assert not wording.quoted_in("the lung of the Alder", "", None)


def test_words_that_another_document_shares_are_nobodys():
    wording = Wording([OWN], [OTHER])
    assert not wording.quoted_in(OTHER)
    assert wording.quoted_in("it says: the lung of the Alder stands")
    assert wording.quoted_in("any wall it was made in")


def test_a_text_of_few_words_counts_as_a_whole():
    wording = Wording(["Founder cover applies"], [])
    assert wording.quoted_in("I read that founder cover applies here")
    assert not wording.quoted_in("founder cover")
    assert not Wording([""], []).quoted_in("anything at all")
