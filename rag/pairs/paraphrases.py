"""Everyday words for written ones, so that a question does not only repeat its sentence."""

import random
import re

_SHARE = 0.5
_WORDS = {
    "patients": "people", "individuals": "people", "subjects": "participants", "children": "kids", "utilized": "used",
    "employed": "used", "performed": "done", "conducted": "carried out", "administered": "given",
    "obtained": "collected", "demonstrated": "shown", "demonstrate": "show", "demonstrates": "shows",
    "reveal": "show", "reveals": "shows", "observed": "seen", "detected": "found", "identified": "found",
    "determined": "worked out", "measured": "assessed", "required": "needed", "require": "need", "requires": "needs",
    "exhibit": "show", "exhibits": "shows", "approximately": "about", "primarily": "mainly",
    "significantly": "greatly", "prior to": "before", "novel": "new", "rapid": "fast", "rapidly": "quickly",
     "mortality rate": "death rate", "mortality": "death", "beneficial": "helpful",
    "infected with": "having caught", "elevated": "raised", "enhance": "improve", "enhances": "improves",
    "reduce": "lower", "reduces": "lowers", "decrease": "reduce", "decreases": "reduces", "prevent": "stop",
    "prevents": "stops", "contains": "holds", "provide": "give", "provides": "gives", "commence": "start",
    "terminate": "end", "purchase": "buy", "replaced": "exchanged", "permitted": "allowed", "notify": "tell",
    "assist": "help", "adjacent to": "next to", "located": "situated", "large": "big", "numerous": "many",
    "various": "different", "characteristics": "features", "symptoms": "signs", "therapy": "treatment",
    "therapies": "treatments", "illness": "disease", "outbreak": "epidemic", "transmission": "spread",
    "proportion": "share", "duration": "length", "utilize": "use", "investigated": "studied", "examined": "looked at",
    "evaluated": "assessed", "developed": "created", "established": "set up",
}  # fmt: skip
_PATTERN = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(_WORDS, key=len, reverse=True)))})\b")


def reworded(question: str, draw: random.Random) -> str:
    """Return the question with about half of its bookish words exchanged for everyday ones."""
    return _PATTERN.sub(lambda match: _WORDS[match[0]] if draw.random() < _SHARE else match[0], question)
