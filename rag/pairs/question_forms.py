"""The forms of question that a statement can be turned into."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rag.pairs.clauses import Clause
from rag.pairs.pair import QuestionType
from rag.pairs.verbs import AFFECTING, CAUSING, complement, finite_verb, is_participle

_WHY = re.compile(
    r",? (?:because(?: of)?|due to|owing to|in order to|so that|thanks to|as a result of|as a consequence of)\b"
)
_HOW = re.compile(r"(?<!followed),? (?:by (?:means of|use of|using)?|using|via|through|by)\b(?! (?:\d|the end))")
_YEAR = re.compile(
    r",? (?:in|on|since|by|from|during|until|between) (?:the )?(?:(?:early|late|mid|end of)[ -])?(?:\d{1,2} )?"
    r"(?:(?:January|February|March|April|May|June|July|August|September|October|November|"
    r"December)(?: \d{1,2},?)?(?: (?:19|20)\d\d)?|"
    r"(?:19|20)\d\d)s?(?:(?: ?[-–] ?| and | to )(?:19|20)?\d\d)?\b"
)
_PLACE = re.compile(
    r" (?:in|at|from|near|inside|outside|on) (?!(?:(?:early|late|mid|the) )?(?:January|February|March|April|May|"
    r"June|July|August|September|October|November|December)\b)(?=(?:the |an? )?[\w-]+)"
)
_PLACED = frozenset(
    """
    found located detected isolated identified reported expressed kept stored collected produced mounted discovered
    recruited conducted performed observed recorded installed fitted printed placed held
    """.split()
)
_APPROX = (
    r"(?:about|approximately|nearly|almost|over|around|more than|less than|fewer than|at least|at most|"
    r"up to|a total of|only|roughly|no more than) "
)
_NUMBER = (
    r"(?:\d[\d,.]*(?: ?(?:[-–]|to) ?\d[\d,.]*)?(?: (?:million|billion|thousand|hundred))?|two|three|four|"
    r"five|six|seven|eight|nine|ten|eleven|twelve)"
)
_TIME = r"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
_HOW_LONG = re.compile(rf",? for (?:{_APPROX})?{_NUMBER}[- ]{_TIME}\b", re.IGNORECASE)
_HOW_OFTEN = re.compile(
    rf",? (?:every (?:{_NUMBER} )?{_TIME}|(?:once|twice|{_NUMBER} times) (?:an?|per|every|each) \w+)\b", re.IGNORECASE
)
_HOW_SOON = re.compile(rf",? within (?:{_APPROX})?{_NUMBER} (?:working )?{_TIME}\b", re.IGNORECASE)
_COUNTED = re.compile(
    rf"^(?:{_APPROX})?{_NUMBER} (?!percent|per cent|of\b|%)([a-z][\w-]*(?: [a-z][\w-]*){{0,2}}?)(?= (?:in|of|"
    rf"from|for|with|that|and|to|on|at|by|a)\b|[,;]|$)",
    re.IGNORECASE,
)
_COUNTED_SUBJECT = re.compile(rf"^(?:{_APPROX})?{_NUMBER} (?!percent|per cent|of\b|%)(?=[a-z])", re.IGNORECASE)
_PERCENT = re.compile(rf"^(?:{_APPROX})?{_NUMBER} ?(?:%|percent|per cent)(?: \([^)]*\))? of ", re.IGNORECASE)
_QUANTITY = re.compile(
    rf"^(?:estimated (?:at|to be) |set (?:at|to) )?(?:{_APPROX})?{_NUMBER}(?: ?%|"
    rf"\b)",
    re.IGNORECASE,
)
_ADVERB = re.compile(
    r"^(?:(?:also|often|usually|mainly|primarily|mostly|generally|commonly|typically|currently|now|still|thus|"
    r"therefore|then|only|\w+ly) )+"
)
_CUT = re.compile(
    r"[;:](?= |$)| whose | and (?:\S+ ){1,3}(?:is|are|was|were|has|have|can|may|will|must)\b|, (?:which|who|"
    r"where|while|whereas|although|but|and|with|including|such|as|because|since|so|or|suggesting|indicating|"
    r"resulting|leading|\w+ing)\b|"
    r",? (?:which|while|whereas|although|because|but|and (?:is|are|was|were|has|have|can|may|it|they|we|the|"
    r"thus|therefore|that)\b|so that|thus)\b|,"
)
_JUDGING = frozenset(
    "important major common key significant serious leading critical crucial useful good great growing public".split()
)
_DANGLING = frozenset(
    """
    not only either a an the of in to for with by on at from as and or that than into its their between such not
    both more most very be been
    """.split()
)
_QUESTION_WORDS = 16


class Draft(NamedTuple):
    """A question that may be asked, without its question mark."""

    question: str
    form: str
    question_type: QuestionType


def clause_questions(clause: Clause) -> Iterator[Draft]:
    """Yield the questions that a statement answers."""
    yield from _why_how_when(clause)
    yield from _quantities(clause)
    yield from _by_subject(clause)
    if clause.kind == "be":
        yield from _of_being(clause)
    elif clause.kind == "lexical":
        yield from _of_doing(clause)
    elif clause.kind == "modal":
        yield from _of_modal(clause)
    elif clause.rest.startswith("been "):
        yield from _of_being(clause, "been ")


def trimmed(phrase: str, max_words: int = _QUESTION_WORDS) -> str:
    """Cut a phrase at its first clause end, and so that no word dangles."""
    phrase = re.sub(r"\s*\([^()]*\)", "", phrase)
    cut = _CUT.search(phrase)
    words = (phrase[: cut.start()] if cut else phrase).split()
    if len(words) > max_words:
        ends = [
            at
            for at in range(4, max_words + 1)
            if words[at] in {"in", "of", "for", "with", "by", "to", "from", "on", "that", "and", "at", "during"}
        ]
        words = words[: ends[-1] if ends else max_words]
    while words and words[-1].lower() in _DANGLING:
        words.pop()
    return " ".join(words)


def _why_how_when(clause: Clause) -> Iterator[Draft]:
    """Yield the questions for a circumstance, which is left out with all that follows it."""
    patterns = (
        (_WHY, "Why", "why", QuestionType.ANALYTICAL),
        (_HOW_LONG, "For how long", "how long", QuestionType.FACTUAL),
        (_HOW_OFTEN, "How often", "how often", QuestionType.FACTUAL),
        (_HOW_SOON, "How soon", "how soon", QuestionType.FACTUAL),
        (_YEAR, "When", "when", QuestionType.FACTUAL),
    )
    for pattern, opening, form, kind in patterns:
        match = pattern.search(" " + _scope(clause.rest))
        left = trimmed((" " + clause.rest)[: match.start()].strip()) if match else ""
        if match and (left or clause.lexical):
            yield Draft(clause.inverted(opening, left), form, kind)
    lead = clause.lead.lower()
    if lead.startswith(("because", "since", "due to", "owing to")) and not re.match(r"since (?:the |\w+ )?\d", lead):
        yield Draft(clause.inverted("Why", trimmed(clause.rest)), "why", QuestionType.ANALYTICAL)
    elif re.match(r"(?:in|on|since|by|during) (?:\w+ )?(?:19|20)\d\d$", lead):
        yield Draft(clause.inverted("When", trimmed(clause.rest)), "when", QuestionType.FACTUAL)


def _quantities(clause: Clause) -> Iterator[Draft]:
    """Yield the questions for a number."""
    rest = trimmed(clause.rest)
    percent, counted = _PERCENT.match(clause.subject), _COUNTED_SUBJECT.match(clause.subject)
    if percent:
        yield Draft(
            f"What percentage of {clause.subject[percent.end() :]} {clause.verb} {rest}",
            "how many",
            QuestionType.FACTUAL,
        )
    elif counted and not re.match(_TIME, clause.subject[counted.end() :]):
        yield Draft(
            f"How many {clause.subject[counted.end() :]} {clause.verb} {rest}", "how many", QuestionType.FACTUAL
        )
    bare = _ADVERB.sub("", clause.rest)
    if clause.kind == "be" and _QUANTITY.match(bare):
        yield Draft(f"What {clause.verb} {clause.subject}", "quantity", QuestionType.FACTUAL)
    found = _COUNTED.match(bare)
    if found and clause.kind in {"lexical", "have"}:
        base = clause.lexical.base if clause.lexical else "have"
        do = clause.auxiliary if clause.lexical else {"has": "does", "have": "do", "had": "did"}[clause.verb]
        unit = "much" if found.group(1) in {"%", "percent"} else f"many {found.group(1)}"
        yield Draft(f"How {unit} {do} {clause.subject} {base}", "how many", QuestionType.FACTUAL)


def _scope(rest: str) -> str:
    """Return what belongs to the clause itself."""
    return re.split(r"[;:](?: |$)| which | who |, (?:and|but|so|while|whereas) ", rest, maxsplit=1)[0]


def _by_subject(clause: Clause) -> Iterator[Draft]:
    """Yield the question that the subject answers."""
    rest = trimmed(clause.rest)
    if len(rest.split()) < 3 or re.search(
        r"^(?:not|no|that|made|performed|conducted|carried|done|being|then|described|meant)\b|\b(?:it|they|this|"
        r"these|we|their|its)\b",
        rest,
    ):
        return
    if not clause.plural:
        yield Draft(f"What {clause.verb} {rest}", "subject", QuestionType.FACTUAL)
        return
    head = re.split(
        r" (?:of|in|from|with|that|which|who|for|to|by|on|at|and)\b|,", re.sub(r"\s*\([^()]*\)", "", clause.subject)
    )[0].split()
    if head and head[-1].endswith("s") and not head[-1].isupper() and len(head) > 1:
        yield Draft(f"Which {head[-1]} {clause.verb} {rest}", "subject", QuestionType.FACTUAL)
    elif rest.startswith("the "):
        yield Draft(f"What {clause.verb} {rest}", "subject", QuestionType.FACTUAL)


def _of_being(clause: Clause, prefix: str = "") -> Iterator[Draft]:
    """Yield the questions about a state: what it is, what it is bound to, how, where and for what it is done."""
    rest = _ADVERB.sub("", clause.rest.removeprefix(prefix))
    words = rest.split()
    if not words or words[0] in {"not", "no"}:
        return
    if (
        words[0] in {"a", "an", "one"}
        and words[1] not in _JUDGING
        and len(clause.subject.split()) <= 6
        and clause.verb in {"is", "are"}
    ):
        yield Draft(f"What {clause.verb} {clause.subject}", "definition", QuestionType.FACTUAL)
    if words[0] == "the" and clause.verb in {"is", "are"} and len(clause.subject.split()) <= 4:
        yield Draft(f"What {clause.verb} {clause.subject}", "definition", QuestionType.FACTUAL)
    bound = complement(words[0])
    if bound and bound in words[1:3]:
        tail = " ".join(words[: words.index(bound) + 1])
        yield Draft(f"What {clause.verb} {clause.subject} {prefix}{tail}", "complement", QuestionType.FACTUAL)
    if not is_participle(words[0]):
        return
    how = _HOW.search(" " + _scope(rest))
    if how:
        left = trimmed((" " + rest)[: how.start()].strip())
        yield Draft(f"How {clause.verb} {clause.subject} {prefix}{left}", "how", QuestionType.FACTUAL)
    if words[0] == "used" and words[1:2] in (["to"], ["for"], ["as"], ["in"]):
        yield Draft(f"What {clause.verb} {clause.subject} {prefix}used for", "purpose", QuestionType.FACTUAL)
    place = _PLACE.search(" " + _scope(rest))
    if (
        words[0] in _PLACED
        and place
        and not re.match(
            r"(?:the |an? )?(?:\d|order|addition|contrast|accordance|"
            r"least)",
            (" " + rest)[place.end() :],
        )
    ):
        left = trimmed((" " + rest)[: place.start()].strip())
        yield Draft(f"Where {clause.verb} {clause.subject} {prefix}{left}", "where", QuestionType.FACTUAL)


def _of_doing(clause: Clause) -> Iterator[Draft]:
    """Yield the questions about an action: what it does to its object, what it leads to."""
    assert clause.lexical is not None
    base, rest = clause.lexical.base, trimmed(clause.rest, 10)
    words = rest.split()
    if not words:
        return
    if base in AFFECTING and words[0] not in {"to", "in", "by", "from", "with", "that", "as", "for"}:
        yield Draft(
            clause.inverted("How", f"\0{rest}").replace(f"{base} \0", "affect "), "effect", QuestionType.ANALYTICAL
        )
        yield Draft(
            f"What effect {clause.auxiliary} {clause.subject} have on {rest}", "effect", QuestionType.ANALYTICAL
        )
    if base in CAUSING:
        yield Draft(
            clause.inverted("What", words[0] if words[0] in {"to", "in"} else ""), "cause", QuestionType.ANALYTICAL
        )
    elif words[0] in {"to", "on", "from", "of", "with", "for", "as", "against"}:
        yield Draft(clause.inverted("What", words[0]), "object", QuestionType.FACTUAL)
    elif words[0] in {"a", "an", "the", "several", "many", "both", "two", "three"} or words[0] not in {
        "in",
        "that",
        "by",
        "at",
        "when",
        "not",
    }:
        yield Draft(clause.inverted("What", ""), "object", QuestionType.FACTUAL)


def _of_modal(clause: Clause) -> Iterator[Draft]:
    """Yield the questions about what can, may or must be."""
    rest = _ADVERB.sub("", clause.rest)
    words = rest.split()
    if words[0] in {"not", "have", "also"}:
        return
    if words[0] == "be":
        yield from _of_being(Clause(clause.lead, clause.subject, clause.verb, rest, "be"), "be ")
        return
    if words[0] in AFFECTING:
        yield Draft(
            f"How {clause.verb} {clause.subject} affect {trimmed(' '.join(words[1:]), 10)}",
            "effect",
            QuestionType.ANALYTICAL,
        )
    if words[0] in CAUSING:
        bound = f" {words[1]}" if words[1:2] in (["to"], ["in"]) else ""
        yield Draft(f"What {clause.verb} {clause.subject} {words[0]}{bound}", "cause", QuestionType.ANALYTICAL)
    elif (
        finite_verb(words[0]) and words[1:2] and words[1] not in {"in", "at", "by", "with", "from", "when", "if", "as"}
    ):
        bound = f" {words[1]}" if words[1] in {"to", "on", "of", "for"} else ""
        yield Draft(f"What {clause.verb} {clause.subject} {words[0]}{bound}", "object", QuestionType.FACTUAL)
