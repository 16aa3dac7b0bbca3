"""A small lexicon of English verbs: enough grammar to turn a statement into a question without a tagger."""

from functools import cache
from typing import NamedTuple

BE = frozenset({"is", "are", "was", "were"})
MODALS = frozenset({"can", "could", "may", "might", "must", "should", "will", "would", "shall"})
HAVE = frozenset({"has", "have", "had"})
AUXILIARIES = BE | MODALS | HAVE | {"does", "do", "did"}

AFFECTING = frozenset(
    """
    affect influence reduce increase improve regulate inhibit promote enhance prevent suppress stimulate modulate
    block control induce trigger activate delay limit raise lower protect shape facilitate mediate disrupt impair
    accelerate drive
    """.split()
)
"""Verbs whose subject does something to their object: "how does X affect Y?"."""
CAUSING = frozenset("cause lead result induce trigger produce contribute".split())

_PLAIN = """
    affect allow appear apply arrive assemble attach avoid block carry cause change circulate clean close collect
    combine compare comprise conclude confirm consist contain contribute control correlate cost cover create decide
    decline decrease define deliver demonstrate depend derive describe detect determine develop differ display drop
    emerge employ enable encode end enhance ensure enter entitle estimate evolve examine exceed exhibit exist expire
    explain express extend facilitate fall follow form function generate govern harbor heat help highlight hold
    identify illustrate impair improve include increase indicate induce infect influence inhibit initiate introduce
    involve join lack last lead limit lower maintain mediate move need obtain occupy occur offer open operate
    organize originate participate pay perform permit pose possess predict present prevent process produce promote
    protect prove provide raise range reach receive recognize recommend record reduce refer reflect regulate release
    rely remain remove replace replicate report represent require reside respond restrict result return reveal rise
    run secrete select send serve share show shut stand start start stimulate stop store suffer suggest support
    suppress survive switch target tend transmit travel trigger undergo use utilize vary weigh work yield activate
    accelerate modulate delay drive disrupt shape measure accept charge expect assign grant manage handle inform
    notify print issue own earn test treat bind interact infiltrate account belong happen come go take give make
    keep become begin bring fail arise lie get find cleave mean breathe blow learn erase ask tell write read ride
    say speak press soak add fetch choose sign fill wait complement correct accompany understand investigate
    evaluate assess explore address achieve observe consider propose focus aim attempt seek report supply compete
    encounter suspect replicate circulate construct elicit confer arise evade recruit attract assist visit travel
    mimic exacerbate worsen alleviate ameliorate amplify detect diagnose inactivate incubate inoculate vaccinate
    immunize mature fuse penetrate degrade synthesize translate transcribe host isolate sequence rank spread
    """.split()
_IRREGULAR = {
    "mean": ("meant", "meant"), "blow": ("blew", "blown"), "tell": ("told", "told"), "write": ("wrote", "written"),
    "read": ("read", "read"), "ride": ("rode", "ridden"), "say": ("said", "said"), "speak": ("spoke", "spoken"),
    "choose": ("chose", "chosen"), "understand": ("understood", "understood"), "seek": ("sought", "sought"),
    "become": ("became", "become"), "begin": ("began", "begun"), "bind": ("bound", "bound"),
    "bring": ("brought", "brought"),
    "arise": ("arose", "arisen"), "come": ("came", "come"), "cost": ("cost", "cost"), "drive": ("drove", "driven"),
    "fall": ("fell", "fallen"), "find": ("found", "found"), "get": ("got", "got"), "give": ("gave", "given"),
    "go": ("went", "gone"), "hold": ("held", "held"), "keep": ("kept", "kept"), "lead": ("led", "led"),
    "lie": ("lay", "lain"), "make": ("made", "made"), "pay": ("paid", "paid"), "rise": ("rose", "risen"),
    "run": ("ran", "run"),
    "send": ("sent", "sent"), "show": ("showed", "shown"), "shut": ("shut", "shut"), "spread": ("spread", "spread"),
    "stand": ("stood", "stood"), "take": ("took", "taken"), "undergo": ("underwent", "undergone"),
}  # fmt: skip
_IRREGULAR_PARTICIPLES = frozenset(
    """
    known seen done built grown written chosen drawn thought said felt left lost meant met put read set sold told
    worn understood sought bought taught caught kept held given taken made found shown led bound sent paid
    """.split()
)
_DOUBLED = frozenset("stop drop ship plan permit refer occur transmit control".split())
_PREPOSITIONED = {
    "associated": "with", "correlated": "with", "related": "to", "linked": "to", "caused": "by", "composed": "of",
    "based": "on", "derived": "from", "known": "as", "defined": "as", "characterized": "by", "involved": "in",
    "attributed": "to", "followed": "by", "made": "of", "used": "for", "required": "for", "responsible": "for",
    "dependent": "on", "due": "to", "similar": "to", "sensitive": "to", "resistant": "to", "susceptible": "to",
    "mediated": "by", "regulated": "by", "determined": "by", "covered": "by", "limited": "to", "connected": "to",
    "capable": "of", "specific": "for", "essential": "for", "important": "for", "necessary": "for", "suitable": "for",
    "exposed": "to", "restricted": "to", "classified": "as", "decided": "by", "paid": "by", "secreted": "by",
}  # fmt: skip
"""Words after "be" and the preposition that binds their complement."""


class Verb(NamedTuple):
    """A finite lexical verb."""

    base: str
    past: bool
    singular: bool
    """Ends in the -s of the third person."""


def complement(word: str) -> str | None:
    """Return the preposition that follows a participle or adjective, as "with" does "associated"."""
    return _PREPOSITIONED.get(word)


def finite_verb(word: str) -> Verb | None:
    """Return the verb that a lower-case word may be a finite form of."""
    return _forms().get(word)


def is_participle(word: str) -> bool:
    """Tell whether a lower-case word looks like a past participle."""
    return word in _IRREGULAR_PARTICIPLES or (len(word) > 4 and word.endswith("ed") and not word.endswith("eed"))


@cache
def _forms() -> dict[str, Verb]:
    forms: dict[str, Verb] = {}
    for base in dict.fromkeys(_PLAIN):
        forms[base] = Verb(base, past=False, singular=False)
    for base in dict.fromkeys(_PLAIN):
        forms[_third_person(base)] = Verb(base, past=False, singular=True)
        past = _IRREGULAR[base][0] if base in _IRREGULAR else _regular_past(base)
        if past != base:
            forms[past] = Verb(base, past=True, singular=False)
    return forms


def _third_person(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "x", "ch", "sh", "z", "o")) else "s")


def _regular_past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + (base[-1] if base in _DOUBLED else "") + "ed"
