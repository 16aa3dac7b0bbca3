"""Where an answer in somebody's own words stands in the documents: as a whole, or one of its sentences."""

from collections.abc import Mapping

from rag.pairs.alignment import AlignableDocument, Evidence, Refusal, align
from rag.pairs.questions_file import RealQuestion
from rag.pairs.sentences import split_sentences, without_citations
from rag.pairs.words import words

_FEWEST_WORDS = 4
"""Words from which an answer, or a sentence of one, can be a quotation; fewer stand in many places by chance."""


def free_evidence(question: RealQuestion, documents: Mapping[str, AlignableDocument]) -> Evidence | Refusal:
    """Return the span that says a question's answer, else the longest sentence of it that stands in the documents.

    `documents` are by id. Marks of citations in the answer are not looked for.
    """
    lines = [line for line in question.answer.splitlines() if line.strip()]
    sentences = [without_citations(sentence) for line in lines for sentence in split_sentences(line.strip())]
    sayings = dict.fromkeys([" ".join(sentences), *sorted(sentences, key=len, reverse=True)])
    long = [saying for saying in sayings if len(words(saying)) >= _FEWEST_WORDS]
    for saying in long:
        found = align(question.model_copy(update={"answer": saying}), documents)
        if isinstance(found, Evidence):
            return found
    if not long:
        return Refusal(question.label, f"its answer has no sentence of {_FEWEST_WORDS} words, too short to be found by")
    return Refusal(question.label, "no sentence of its answer stands in the documents")
