"""Why a question is answered as it is, and in one line what to do about it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, computed_field

from rag.answering.abstention import ThresholdOf
from rag.answering.answer import Statement, Way
from rag.config.retrieval import Expansion
from rag.retrieval.stages import Place

_NAMED = 5
"""Words that a diagnosis names at most."""


class Searched(BaseModel):
    """What was looked for."""

    model_config = ConfigDict(frozen=True)

    standing: str
    """The question as it reads alone: in a follow-up, what was said before takes the place of "it" and "that"."""
    texts: dict[str, float]
    """What was searched, each text with its weight; where memory answers, that is its answer."""
    expansion: Expansion
    """How the vector was moved toward what is meant."""


class Word(BaseModel):
    """A word of the question, but for a few such as "the"."""

    model_config = ConfigDict(frozen=True)

    word: str
    weight: float
    """0 to 1: how much it tells; 1 if at most one passage holds it."""
    passages: int
    """That hold it, in all documents."""
    common: bool
    """Whether it belongs to questions at large, as "when" does: that no passage holds it says nothing."""


class Seen(BaseModel):
    """A passage, and where each stage put it; None where a stage did not see it."""

    model_config = ConfigDict(frozen=True)

    number: int | None
    """Under which it was given to who answers; None if it was not."""
    citations: tuple[int, ...]
    """Numbers, as they stand in the answer, of the citations that lie in it."""
    document: str
    page_no: int
    chunk_id: str
    doc_id: str
    char_start: int
    char_end: int
    passage: str
    """What the answer cites of it; else the beginning of its window that is nearest the question."""
    words: Place | None
    """By BM25."""
    meaning: Place | None
    """By cosine."""
    mixed: Place | None
    reranked: Place | None
    final: Place | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cited(self) -> bool:
        """Whether the answer rests on it."""
        return bool(self.citations)

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.document}, page {self.page_no}"


class Restriction(BaseModel):
    """What was left out because the question names documents."""

    model_config = ConfigDict(frozen=True)

    documents: tuple[str, ...]
    """That were looked in."""
    looked_in: int
    """Passages."""
    left_out: int
    """Passages of other documents."""
    elsewhere: str | None
    """The document left out that answers, where those that were looked in do not."""
    elsewhere_evidence: float | None


class Weight(BaseModel):
    """How far the best passages bear on the question: the mean of two, held against a threshold."""

    model_config = ConfigDict(frozen=True)

    evidence: float
    words: float
    """How much of the question's words, by what they tell, one sentence holds."""
    cosine: float
    """Of the question and the nearest window."""
    threshold: float
    threshold_from: ThresholdOf

    @property
    def enough(self) -> bool:
        """Whether anybody is asked for an answer."""
        return self.evidence >= self.threshold


class Heard(BaseModel):
    """One that was asked for an answer, or could not be."""

    model_config = ConfigDict(frozen=True)

    generator: str
    said: str | None
    """None if it said nothing."""
    reason: str | None
    """Why that is not the answer; None if it is."""


class Explanation(BaseModel):
    """What each step of an answer came to. Nobody's interaction is kept of it."""

    model_config = ConfigDict(frozen=True)

    diagnosis: str = ""
    """In one line: why the answer is as it is, and what to do."""
    question: str
    collection: str
    release_id: int
    models: dict[str, str]
    """What the release is made of, by reference."""
    retrieval: dict[str, float | int]
    """Weights by which the stages are put together."""
    generators: tuple[str, ...]
    """Who can be asked, in their order."""
    searched: Searched
    words: tuple[Word, ...]
    """Those that tell most first, common ones last."""
    missing: tuple[str, ...]
    """Words that no passage holds, but for common ones."""
    passages: tuple[Seen, ...]
    """The best, and the best of each stage."""
    restriction: Restriction | None
    weight: Weight
    heard: tuple[Heard, ...]
    statements: tuple[Statement, ...]
    """Of what was said, whether it was given as the answer or not."""
    text: str | None
    """Of the answer; None if there is none."""
    found: bool
    way: Way | None
    cached: str | None
    """What the cache has for this question from before, and people get who ask it; the explanation passes it by."""
    failure: str | None
    """Why there is no answer at all."""
    timings: dict[str, float]
    """Seconds by step."""

    def diagnosed(self) -> "Explanation":
        """Return it with its diagnosis."""
        if self.failure is not None:
            said = f"passages were found, but {self.failure}"
        else:
            said = self._answered() if self.found else self._unanswered()
        return self.model_copy(update={"diagnosis": said})

    def _answered(self) -> str:
        *silent, last = self.heard
        places = {number: seen.place for seen in self.passages for number in seen.citations}
        source = _listed([f"[{number}] {place}" for number, place in sorted(places.items())])
        by_memory = f"answered from memory by {last.generator}, as {source} bears out"
        said = by_memory if self.way is Way.CLOSED_BOOK else f"answered from {source} by {last.generator}"
        loose = sum(not statement.citations for statement in self.statements)
        if loose:
            said += f"; nothing bears out {loose} of its {len(self.statements)} statements: check before you rely on it"
        if self.missing:
            said += f"; no passage holds {self._missing()}: if the answer is beside the point, document it"
        return said + "".join(f"; {each.generator} did not answer ({each.reason})" for each in silent)

    def _unanswered(self) -> str:
        held = f"{self.weight.evidence:.2f}, and {self.weight.threshold:.2f} is asked ({self.weight.threshold_from})"
        if self.weight.enough:
            last = self.heard[-1]
            return (
                f"the best passages bear on it enough to be read (by {held}), but of {last.generator}: {last.reason}. "
                "If a passage below answers it, mark that as the right one; else document it"
            )
        if self.restriction is not None and self.restriction.elsewhere is not None:
            return (
                f"{_listed(self.restriction.documents)} bears on it by {held}; {self.restriction.elsewhere} does by "
                f"{self.restriction.elsewhere_evidence:.2f}: ask without naming documents"
            )
        if self.missing:
            return f"the documents hold no passage with {self._missing()}: document it, or ask in the documents' words"
        if all(word.common for word in self.words):
            return "the question has no word that tells what it is about: ask a whole sentence"
        best = f"the best passage ({self.passages[0].place})" if self.passages else "what was found"
        lower = ", or lower answering.evidence_threshold" * (self.weight.threshold_from is ThresholdOf.CONFIG)
        return f"{best} bears on it only by {held}: ask in the documents' words, or document it{lower}"

    def _missing(self) -> str:
        return _listed([f"'{word}'" for word in self.missing[:_NAMED]])


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
