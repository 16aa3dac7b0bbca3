"""A judge by simple rules: reads the prompts of ragas, and answers them in the JSON that they ask for."""

import json
import re
from threading import Lock

_TITLE = re.compile(r'"title": "(\w+)",\s*"type": "object"\s*}\s*Make sure')
_FILLERS = {"a", "an", "the", "is", "are", "of", "in", "to", "and", "for", "it", "by", "on", "with"}
Messages = list[dict[str, str]]


def asked(messages: Messages) -> tuple[str, dict]:
    """Return the name of the wanted answer, and the input that is to be judged."""
    (wanted,) = _TITLE.findall(messages[0]["content"])
    given = messages[-1]["content"].rsplit("\ninput: ", 1)[1].removesuffix("Output: ")
    return wanted, json.loads(given)


def judged(messages: Messages) -> str:
    """Return what a good judge answers: a statement holds where the passage has all its words."""
    wanted, given = asked(messages)
    return json.dumps(_RULES[wanted](given))


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower())) - _FILLERS


def holds(statement: str, text: str) -> int:
    return int(words(statement) <= words(text))


_RULES = {
    "StatementGeneratorOutput": lambda given: {"statements": sentences(given["answer"])},
    "ClaimDecompositionOutput": lambda given: {"claims": sentences(given["response"])},
    "NLIStatementOutput": lambda given: {
        "statements": [
            {"statement": each, "reason": "its words", "verdict": holds(each, given["context"])}
            for each in given["statements"]
        ]
    },
    "AnswerRelevanceOutput": lambda given: {
        "question": f"What is said of this: {given['response']}?",
        "noncommittal": int("not say" in given["response"]),
    },
    "ContextPrecisionOutput": lambda given: {
        "reason": "its words",
        "verdict": int(any(holds(each, given["context"]) for each in sentences(given["answer"]))),
    },
    "ContextRecallOutput": lambda given: {
        "classifications": [
            {"statement": each, "reason": "its words", "attributed": holds(each, given["context"])}
            for each in sentences(given["answer"])
        ]
    },
}


class MoodyJudge:
    """Finds every other statement true, whatever it says, and begins anew with the other mood each time."""

    def __init__(self) -> None:
        self._lock, self._n = Lock(), 0

    def __call__(self, messages: Messages) -> str:
        with self._lock:
            self._n += 1
        answer = json.loads(judged(messages))
        for row in answer.get("classifications", ()):
            row["attributed"] = self._n % 2
        return json.dumps(answer)
