"""Statements cut at their finite verb: subject, verb, rest. What cannot be cut with some certainty is left alone."""

import re
from dataclasses import dataclass
from typing import Literal

from rag.pairs.verbs import AUXILIARIES, BE, MODALS, Verb, finite_verb, is_participle
from rag.pairs.vocabulary import Vocabulary

Kind = Literal["be", "modal", "have", "lexical"]

_REPORTED = re.compile(
    r"^(?:In (?:this|the present|our|the current) \w+, )?(?:(?:[Ww]e|[Tt]he authors|[Oo]ur \w+|[Tt]hese \w+|"
    r"(?:[Tt]his|[Tt]he) (?:study|results?|"
    r"findings?|data|analysis)|[Rr]ecent (?:studies|work)|[Ss]everal studies|[Ss]tudies|[Rr]esults)(?: have|"
    r" has)?(?: also| further| previously|"
    r" recently)? (?:found|shows?|showed|shown|demonstrated?|reported|observed|suggest(?:s|ed)?|indicated?|"
    r"indicates|reveal(?:s|ed)?|"
    r"concluded?|confirm(?:s|ed)?|noted?|estimated?|hypothesi[sz]ed?|believed?|expect|assumed?)|[Ii]t (?:is|was|"
    r"has been|can be)"
    r"(?: also| now| well| widely| generally| previously)? (?:shown|known|found|reported|believed|thought|"
    r"estimated|suggested|noted|assumed|"
    r"demonstrated|observed|concluded|hypothesi[sz]ed|likely|possible|clear|seen)) that,? "
)
_DISCOURSE = re.compile(
    r"^(?:However|Therefore|Moreover|Furthermore|Additionally|In addition|Thus|Hence|Also|Finally|Lastly|"
    r"Interestingly|Importantly|Notably|"
    r"Indeed|Similarly|Likewise|Consequently|Accordingly|For example|For instance|In contrast|By contrast|"
    r"On the other hand|On the contrary|"
    r"In fact|As expected|Overall|In general|Generally|Recently|Currently|Nevertheless|Nonetheless|"
    r"In conclusion|In summary|Conversely|"
    r"Taken together|Briefly|Specifically|In particular|Particularly|Firstly|First|Secondly|Second|Third|"
    r"Thirdly|Unfortunately|Surprisingly|"
    r"Remarkably|Again|Then|Next|Subsequently|Meanwhile|Instead|Still|Yet|And|But|So|Besides|As a result|"
    r"In this study|In this context|"
    r"Here|To date|At present|Collectively|Altogether|Alternatively|In other words|Not surprisingly|Of note|"
    r"Typically|Usually),? (?=\w)"
)
_LEADING = re.compile(
    r"^(?:In|During|After|For|With|Among|At|By|On|From|Under|Within|Through|Before|Between|Since|As|Until|"
    r"Despite|Unlike|Like|Throughout|"
    r"Due to|Because of|Because|If|When|Once|While|Although|Though|Whereas|Unless|Where|Compared (?:to|with)|"
    r"Based on|Using|To|Given)\b"
)
_DEICTIC = frozenset(
    """
    it they this these those that there he she we i you our here such both another other others one some each its
    their his which what no not who whose most many all several none either neither my your her them us
    """.split()
)
_CONNECTING = frozenset(
    """
    in of to for with by on at from as and or but than into before after if when where while because since whether
    although though once unless how why given due
    """.split()
)
_FUNCTION = frozenset(
    """
    a an the in of to for with by on at from as and or but than into onto over under between among during its their
    his her our your my this that these those not no very more most such each any some all
    """.split()
)
_NOUN_VERBS = frozenset(
    """
    causes results increases decreases reports changes uses controls measures forms functions tests hosts limits
    ranges ranks targets shapes supports records estimates samples isolates sequences stores delays charges issues
    prints drives covers costs needs works leads offers processes releases moves switches shares rises spreads drops
    stops blocks declines displays yields experiences helps stands runs falls cleans takes lasts lies lacks holds
    weighs associates interacts presents extends lowers triggers treats prints transfers
    """.split()
)
_AFTER_VERB = frozenset(
    """
    a an the to in from its their that both all many several more most less by for with on of at as into no not only
    up under between one two three four five six seven eight nine ten about approximately over within through
    against among
    """.split()
)
_OPENERS = frozenset({"that", "which", "who", "whose", "where", "whom"})


@dataclass(frozen=True)
class Clause:
    """A statement. `subject` and `lead` are written as within a sentence; `rest` has no full stop."""

    lead: str
    """What stands before it up to a comma, as "in China" or "if the lamp blinks"."""
    subject: str
    verb: str
    rest: str
    kind: Kind
    lexical: Verb | None = None

    @property
    def plural(self) -> bool:
        """Tell whether the verb shows a plural subject; a past or modal one shows none."""
        return self.verb in {"are", "were", "have"} or (
            self.lexical is not None and not self.lexical.past and not self.lexical.singular
        )

    def inverted(self, opening: str, rest: str | None = None) -> str:
        """Return the clause as a question: the opening, its auxiliary, the subject, the rest."""
        rest = self.rest if rest is None else rest
        if self.lexical is None:
            return f"{opening} {self.verb} {self.subject} {rest}"
        return f"{opening} {self.auxiliary} {self.subject} {self.lexical.base} {rest}"

    @property
    def auxiliary(self) -> str:
        """The word that goes before the subject in a question."""
        if self.lexical is None:
            return self.verb
        return "did" if self.lexical.past else ("does" if self.lexical.singular else "do")


def leading(sentence: str) -> tuple[str, str]:
    """Cut a sentence, freed of "however" and "we found that", into what its opening says and the main part."""
    text = sentence.rstrip(".!\"'”’ ")
    for pattern in (_DISCOURSE, _REPORTED, _DISCOURSE):
        text = pattern.sub("", text, count=1)
    text = text[:1].upper() + text[1:]
    if _LEADING.match(text):
        comma = text.find(", ")
        if 0 < comma <= 140 and text.count("(", 0, comma) == text.count(")", 0, comma):
            return text[:comma], text[comma + 2 :]
    return "", text


def parse(sentence: str, vocabulary: Vocabulary) -> Clause | None:
    """Return the statement that a sentence makes, None if it is not understood or speaks of something unnamed."""
    lead, main = leading(sentence)
    tokens = main.split()
    found = _finite(tokens)
    if found is None:
        return None
    at, verb = found
    subject = " ".join(tokens[:at])
    if not _is_subject(subject) or len(tokens) - at < 3:
        return None
    word = tokens[at].lower()
    kind: Kind = "lexical"
    if verb is None:
        kind = "be" if word in BE else ("modal" if word in MODALS else "have")
    return Clause(
        lead=vocabulary.uncapitalized(lead) if lead else "",
        subject=vocabulary.uncapitalized(subject),
        verb=word,
        rest=" ".join(tokens[at + 1 :]),
        kind=kind,
        lexical=verb,
    )


def _finite(tokens: list[str]) -> tuple[int, Verb | None] | None:
    """Return the place of the main verb, and the verb unless it is an auxiliary."""
    depth = relative = 0
    for at, token in enumerate(tokens):
        inside = depth > 0 or token.startswith("(")
        depth += token.count("(") - token.count(")")
        word = token.lower()
        if inside or at == 0:
            continue
        if word in _OPENERS:
            relative += 1
            continue
        verb = None if word in AUXILIARIES else finite_verb(word)
        if word not in AUXILIARIES and (verb is None or not _is_finite(tokens, at, verb)):
            continue
        if relative:
            relative -= 1
            continue
        return None if word in {"do", "does", "did"} else (at, verb)
    return None


def _is_finite(tokens: list[str], at: int, verb: Verb) -> bool:
    """Tell a finite verb from the noun or participle that is written alike, by its neighbours."""
    before = tokens[at - 1].lower().strip("(),")
    after = tokens[at + 1].lower() if at + 1 < len(tokens) else ""
    if (
        before in _FUNCTION
        or after in AUXILIARIES
        or tokens[at - 1].endswith((",", ";"))
        or after in {"and", "or", "than", ""}
    ):
        return False
    if verb.past:
        return not (after == "by" or (is_participle(tokens[at].lower()) and _verb_follows(tokens, at + 1)))
    if verb.singular:
        return tokens[at].lower() not in _NOUN_VERBS or (after in _AFTER_VERB and not before.endswith("ing"))
    plural = before.endswith("s") and not before.endswith(("ss", "us", "is"))
    return (plural or before in {"people", "children", "data", "viruses"}) and not (
        finite_verb(after) and after not in _AFTER_VERB
    )


def _verb_follows(tokens: list[str], start: int) -> bool:
    """Tell whether another finite verb follows before the clause ends, which makes the first one a participle."""
    for at in range(start, min(len(tokens), start + 25)):
        word = tokens[at].lower()
        if word in _OPENERS | {"and", "but", "while", "whereas", "because", "when"}:
            return False
        if word in AUXILIARIES:
            return True
        verb = finite_verb(word)
        if (
            verb
            and at > start
            and word not in _NOUN_VERBS
            and (verb.past or verb.singular)
            and _AFTER_VERB & set(tokens[at + 1 : at + 2])
        ):
            return True
        if tokens[at].endswith((",", ";", ":")):
            return False
    return False


def _is_subject(subject: str) -> bool:
    words = subject.lower().split()
    outside = re.sub(r"\([^()]*\)", "", subject)
    return (
        len(words) <= 14
        and words[0] not in _DEICTIC | _CONNECTING
        and not re.search(r"[;:\"“”]|\(|\)", outside)
        and (", " not in outside or (" and " in outside and len(words) <= 10))
        and words[-1] not in _FUNCTION
        and not re.search(
            r"\b(?:this|these|those|we|our|they|it|such|former|latter|present (?:study|work))\b", outside.lower()
        )
    )
