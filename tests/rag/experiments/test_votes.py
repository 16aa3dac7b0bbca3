from rag.feedback.signals import FeedbackKind
from tests.rag.experiments.shop import NOTHING_ELSE, OPENS, as_if_asked_before, ask, exposure, say, trying


def test_a_vote_counts_for_good_once_the_window_of_its_user_has_passed(space):
    with trying(space, NOTHING_ELSE) as trials:
        early, late = (ask(trials, OPENS, user) for user in ("early", "late"))
        said = []
        for vote in ({"kind": FeedbackKind.THUMB_UP}, {"kind": FeedbackKind.RATING, "value": 4}):
            say(space, early, **vote)
            said.append(exposure(space, early).satisfaction)
        as_if_asked_before(space)
        again = ask(trials, OPENS, "early")
    for answer in (early, late, again):
        say(space, answer, FeedbackKind.THUMB_DOWN)
    assert said == [1, 0.75]
    assert [exposure(space, answer).satisfaction for answer in (early, late, again)] == [0.75, None, None]


def test_only_the_user_who_asked_says_what_an_answer_is_worth(space):
    with trying(space, NOTHING_ELSE) as trials:
        answer = ask(trials, OPENS, "somebody")
        say(space, answer, FeedbackKind.THUMB_DOWN, user="somebody else")
        say(space, answer, FeedbackKind.CITATION_OPENED)
    assert exposure(space, answer).satisfaction is None
