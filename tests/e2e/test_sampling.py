"""`ragloop ask` with settings of the model, as a language model hears them."""

from tests.groq_server import serving

QUESTION = "How far from the wall does the lung of the Alder stand?"


def test_what_is_set_reaches_the_model_and_nonsense_does_not(company):
    settings = ("--temperature", 0.5, "--top-p", 0.9, "--max-new-tokens", 40)
    with serving() as groq:
        heard = {"RAGLOOP_GROQ_API_KEY": "k", "RAGLOOP_GROQ_BASE_URL": groq.url}
        company.ok("ask", QUESTION, *settings, **heard)
        (asked,) = groq.requests
        assert [asked[name] for name in ("temperature", "top_p", "max_completion_tokens")] == [0.5, 0.9, 40]
        assert company("ask", QUESTION, "--temperature", 3, **heard).returncode == 2
        assert len(groq.requests) == 1
