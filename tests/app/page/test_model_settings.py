"""Model settings on the page: there where a model words answers, sent with the question, kept for the visit."""

from tests.app.api.test_sampling import drawn, groq, town  # noqa: F401


def set_to(visit, **settings):
    for title, value in settings.items():
        visit.page.number_input(key=f"setting {title}").set_value(value)
    visit.page.run()


def test_what_is_set_goes_along_with_the_question_and_stays_for_the_visit(reader, groq):  # noqa: F811
    reader.ask("What is the weathercock?")
    assert drawn(groq) == (0.2, None, 512)
    set_to(reader, **{"Temperature": 1.3, "Top-p": 0.6, "Longest answer": 64})
    reader.ask("What is the gilded weathercock?")
    assert drawn(groq) == (1.3, 0.6, 64)
    reader.go_to("documents")
    reader.go_to("")
    reader.ask("Who cast the weathercock?")
    assert drawn(groq) == (1.3, 0.6, 64)
    set_to(reader, **{"Temperature": 0.0, "Top-p": None, "Longest answer": None})
    reader.ask("When was the weathercock cast?")
    assert drawn(groq) == (0, None, 512)


def test_where_answers_are_quoted_there_is_nothing_to_set(visit):
    reader = visit("reader")
    assert not reader.page.number_input
    assert any("no model words them" in text for text in reader.markdown)
