"""Questions from sentences whose grammar stays unknown: from an opening condition or purpose, or from two phrases."""

import re
from collections.abc import Iterator

from rag.pairs.pair import QuestionType
from rag.pairs.question_forms import Draft
from rag.pairs.verbs import finite_verb

_MAX_WORDS = 16


def lead_questions(lead: str, main: str) -> Iterator[Draft]:
    """Yield the questions that a sentence with an opening "if", "when" or "to" answers."""
    opening, _, rest = lead.partition(" ")
    opening = opening.lower()
    if len(rest.split()) < 2 or len(rest.split()) > _MAX_WORDS or re.search(r"\b(?:this|these|it|they|we)\b", rest):
        return
    first = main.split()[0].lower() if main else ""
    if opening in {"if", "when", "once", "unless"} and any(
        finite_verb(w) or w in {"is", "are", "was", "were", "has", "have"} for w in rest.lower().split()
    ):
        verb = finite_verb(first)
        asks = verb is not None and not verb.past and not verb.singular
        done = opening in {"when", "once"} and re.search(r"\b(?:was|were|had)\b", main) is not None
        yield Draft(
            f"What should I do {opening} {rest}"
            if asks
            else f"What {'happened' if done else 'happens'} {opening} {rest}",
            "condition",
            QuestionType.FACTUAL,
        )
    elif opening == "to" and (finite_verb(rest.split()[0].lower()) or re.match(r"\w+ (?:the|a|an)\b", rest)):
        were = re.search(r"\b(?:was|were)\b", main) is not None
        yield Draft(f"What was done to {rest}" if were else f"How do you {rest}", "procedure", QuestionType.FACTUAL)


def phrase_questions(first: str, second: str, sentence: str) -> Iterator[Draft]:
    """Yield questions about two phrases of a sentence that need no grammar."""
    low = sentence.lower()
    causal = re.search(
        r"\b(?:becaus|due to|caus|lead|led to|result(?:s|ed)? in|affect|increas|reduc|associat|depend|influenc|"
        r"therefore)",
        low,
    )
    if re.search(r"\b(?:role|function)\b", low):
        yield Draft(f"What is the role of {first} in {second}", "role", QuestionType.ANALYTICAL)
    elif causal:
        yield Draft(f"How is {first} related to {second}", "relation", QuestionType.ANALYTICAL)
        yield Draft(f"What is the relationship between {first} and {second}", "relation", QuestionType.ANALYTICAL)
    else:
        yield Draft(f"What is known about {first} and {second}", "known", QuestionType.FACTUAL)
    yield Draft(f"{first} {second}", "keywords", QuestionType.FACTUAL)
