"""Whole re-phrasings of the forms of question that the question writers use, by rules that need no grammar."""

import re
from collections.abc import Sequence

_AUXILIARY = "do|does|did|is|are|was|were|can|may|must|should|will|has|have|had"
_RULES: Sequence[tuple[str, Sequence[str]]] = (
    (
        rf"(?:for )?(how long|how often|how soon|how far) ((?:{_AUXILIARY}) (.+))",
        (r"\3: \1?", r"\1 exactly \2?", r"do you know \1 \2?", r"\3, \1 is that?"),
    ),
    (
        rf"(where|when|why) ((?:{_AUXILIARY}) (.+))",
        (r"\3: \1?", r"\3 - \1?", r"\1 exactly \2?", r"\1 \2, do you know?"),
    ),
    (
        r"what (?:happens|happened) (if|when|once|unless) (.+)",
        (
            r"\2 - what then?",
            r"\1 \2, what happens?",
            r"and \1 \2?",
            r"what is the consequence \1 \2?",
            r"what follows \1 \2?",
            r"\2, what now?",
        ),
    ),
    (
        r"what should i do (if|when|once|unless) (.+)",
        (
            r"\2 - what now?",
            r"what to do \1 \2",
            r"\1 \2, what do I do?",
            r"what must I do \1 \2?",
            r"\2, what am I to do?",
        ),
    ),
    (
        r"how do you (.+)",
        (r"how to \1", r"how can I \1?", r"how do I \1?", r"I want to \1, how?", r"what is the way to \1?"),
    ),
    (
        r"what is known about (.+) and (.+)",
        (
            r"tell me about \1 and \2",
            r"\1 and \2?",
            r"is there anything about \1 and \2?",
            r"\2 and \1?",
            r"what has \1 to do with \2?",
            r"what do I have to know about \1 and \2?",
        ),
    ),
    (
        r"(?:what is the relationship between (.+) and (.+)|how is (.+) related to (.+))",
        (
            r"what has \1\3 to do with \2\4?",
            r"\1\3 and \2\4: how do they go together?",
            r"does \2\4 depend on \1\3?",
            r"why \1\3 and \2\4?",
            r"\2\4 because of \1\3?",
        ),
    ),
    (
        r"what is the role of (.+) in (.+)",
        (r"why \1 for \2?", r"what does \1 do for \2?", r"what is \1 for in \2?", r"role of \1 in \2"),
    ),
    (
        r"how many (.+?) (?:do|does|did) (.+)",
        (r"number of \1 \2", r"\2: how many \1?", r"\2 how many \1 exactly?"),
    ),
    (
        r"how (?:does|do) (.+) (?:affect|influence) (.+)",
        (r"effect of \1 on \2", r"what does \1 do to \2?", r"\1: any effect on \2?"),
    ),
    (
        r"what effect (?:does|do|did|has|have) (.+) have on (.+)",
        (r"effect of \1 on \2", r"what does \1 do to \2?", r"\1: any effect on \2?"),
    ),
    (
        r"(?:what is the difference between (.+) and (.+) in (.+)|how does (.+) differ from (.+) in (.+))",
        (r"\1\4 or \2\5: \3\6?", r"difference \1\4 \2\5 \3\6", r"\3\6: \1\4 against \2\5?"),
    ),
    (
        r"how (?:does|do) (.+) and (.+) compare in (.+)",
        (r"\1 or \2: \3?", r"difference \1 \2 \3", r"\3: \1 against \2?"),
    ),
    (r"which (.+)", (r"what \1?", r"do you know which \1?", r"can you say which \1?")),
    (
        r"what (?:is|are|was|were) ((?:the|an?) .+)",
        (r"\1?", r"tell me \1", r"can you say what \1 is?", r"please explain \1"),
    ),
    (r"(?:what|who) (?:is|are|was|were) (.+)", (r"do you know what is \1?", r"\1 - what is that?")),
    (
        rf"what ((?:{_AUXILIARY}) .+)",
        (r"what exactly \1?", r"do you know what \1?", r"what \1, please?"),
    ),
    (rf"how ((?:{_AUXILIARY}) (.+))", (r"in what way \1?", r"how exactly \1?", r"\2: how?", r"by what means \1?")),
)
_COMPILED = [(re.compile(pattern, re.IGNORECASE), templates) for pattern, templates in _RULES]


def rephrasings(question: str) -> list[str]:
    """Return other ways of asking a question, by the first rule that knows its form; none for a form not known."""
    asked = " ".join(question.split()).rstrip("?!. ")
    for pattern, templates in _COMPILED:
        form = pattern.fullmatch(asked)
        if form:
            return [form.expand(template) for template in templates]
    return []
