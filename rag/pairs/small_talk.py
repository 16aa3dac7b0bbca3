"""What people say to a chat besides asking: greetings, thanks, agreement."""

import re

_GREETING = (
    r"(?:hi|hello|hey|hiya|howdy|greetings|dear \w+|good (?:morning|afternoon|evening|day)|"
    r"nice to meet you|how are you(?: doing)?(?: today)?)(?: (?:there|all|everyone|team|again|bot))?"
)
_THANKS = (
    r"(?:(?:many )?thanks|thank you|thx|ty|cheers|much appreciated)"
    r"(?: (?:a lot|so much|very much|again|in advance|for (?:your|the) (?:help|answer|reply)))?"
)
_OTHER = (
    r"(?:ok(?:ay)?|great|perfect|cool|nice|awesome|alright|all right|sure|fine|good|wow|lol|haha|oh|ah|well|right|"
    r"yes|no|yep|nope|yeah|please|sorry|got it|i see|understood|makes sense|never mind|you(?:'re| are) welcome|"
    r"that(?:'s| is| was)? (?:all|good|great|helpful|helped|clear|it)|(?:very |so )?helpful|good to know|"
    r"(?:good)?bye|see you(?: later)?|have a (?:nice|good|great) (?:day|evening|weekend)|"
    r"who are you|what(?:'s| is) your name|are you (?:a )?(?:bot|human|robot|real)|what can you do|"
    r"can you help(?: me)?|i have a question|one (?:more|last) question|is anyone there|you there)"
)
_GAP = r"[^\w]*"
_ANY = re.compile(rf"(?:{_GREETING}|{_THANKS}|{_OTHER})\b", re.IGNORECASE)
_OPENING = re.compile(rf"^{_GAP}(?:(?:{_GREETING}|{_THANKS})\b[\s,.!:;–-]+)+(?=\w)", re.IGNORECASE)
_CLOSING = re.compile(rf"(?<=[?.!])\s+(?:{_THANKS})\b{_GAP}$", re.IGNORECASE)


def is_small_talk(text: str) -> bool:
    """Say whether nothing is asked or told: no word is left without greetings, thanks and agreement."""
    return not re.search(r"\w", _ANY.sub("", text.replace("’", "'")))


def without_greeting(text: str) -> str:
    """Return a question without what is said before and after it out of politeness."""
    return _CLOSING.sub("", _OPENING.sub("", text)).strip()
