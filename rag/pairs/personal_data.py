"""Personal data in training text, found by Presidio's recognizers and replaced by words such as <EMAIL_1>.

What has a form is found: addresses of mail and machines, telephone, card, account and social security numbers. Names
of people have none; a model that finds them would have to be downloaded. A number that the edge of a passage cuts in
two may stay in part. Import this only where it is switched on.
"""

import re
from collections import Counter
from collections.abc import Sequence

from rag.errors import ConfigError
from rag.pairs.pair import QueryPair

try:
    from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        UsSsnRecognizer,
    )
except ImportError as error:
    raise ConfigError(
        "mask_personal_data needs the package presidio-analyzer: install ragloop[privacy], or switch it off"
    ) from error

_LEAST_SCORE = 0.4
"""Presidio's confidence: what has a checksum gets 1, the form of a telephone number .4."""
_LEAST_PHONE_DIGITS = 7
"""Shorter numbers are valid somewhere, and mostly something else."""
_CUT_ADDRESS = Pattern("an address cut by the end of a passage", r"[\w.+%-]+@[\w-]*\.?\Z", 0.5)
_MASK = re.compile(r"<([A-Z]+)_(\d+)>")


class PersonalData:
    """Finds and masks personal data."""

    def __init__(self, phone_regions: Sequence[str]) -> None:
        """Load the recognizers; telephone numbers without a country code are read as those of the regions."""
        # The recognizer of mail addresses would ask the network for the list of domains, and refuse an intranet's.
        emails = PatternRecognizer("EMAIL_ADDRESS", patterns=[*EmailRecognizer.PATTERNS, _CUT_ADDRESS])
        self._recognizers: dict[str, EntityRecognizer] = {
            "EMAIL": emails,
            "IBAN": IbanRecognizer(),
            "CARD": CreditCardRecognizer(),
            "SSN": UsSsnRecognizer(),
            "IP": IpRecognizer(),
            "PHONE": PhoneRecognizer(supported_regions=tuple(phone_regions)),
        }

    def found(self, text: str) -> list[tuple[str, str]]:
        """Return (kind, value) of what stands in a text; of overlapping finds the most certain, then the longest."""
        finds = [
            (-result.score, result.start - result.end, result.start, result.end, kind)
            for kind, recognizer in self._recognizers.items()
            for result in recognizer.analyze(text, recognizer.supported_entities, nlp_artifacts=None)
            if result.score >= _LEAST_SCORE
            and (kind != "PHONE" or sum(map(str.isdigit, text[result.start : result.end])) >= _LEAST_PHONE_DIGITS)
        ]
        taken: list[tuple[int, int, str]] = []
        for _, _, start, end, kind in sorted(finds):
            if all(end <= first or last <= start for first, last, _ in taken):
                taken.append((start, end, kind))
        return [(kind, text[start:end]) for start, end, kind in sorted(taken)]

    def masked(self, texts: Sequence[str]) -> tuple[list[str], Counter[str]]:
        """Return texts that belong together with the same mask for the same value, and how many values of each kind.

        Numbers begin after those of masks that stand there already, so that texts which join later stay apart.
        """
        numbers: Counter[str] = Counter()
        for kind, number in _MASK.findall("\n".join(texts)):
            numbers[kind] = max(numbers[kind], int(number))
        masks: dict[tuple[str, str], str] = {}
        values: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for kind, value in dict.fromkeys(find for text in texts for find in self.found(text)):
            key = kind, "".join(char for char in value.casefold() if char.isalnum())
            if key not in masks:
                counts[kind] += 1
                masks[key] = f"<{kind}_{numbers[kind] + counts[kind]}>"
            values[value] = masks[key]
        if not values:
            return list(texts), counts
        # A value that was found in one text is masked in all, also where its surroundings hide it.
        found = re.compile("|".join(re.escape(value) for value in sorted(values, key=len, reverse=True)))
        return [found.sub(lambda match: values[match.group()], text) for text in texts], counts

    def masked_pairs(self, pairs: Sequence[QueryPair], counts: Counter[str]) -> list[QueryPair]:
        """Return the pairs with all their text masked; adds to `counts` how many had which kind."""
        done: list[QueryPair] = []
        for pair in pairs:
            texts, found = self.masked([pair.anchor, pair.answer, pair.positive, *pair.negatives])
            anchor, answer, positive, *negatives = texts
            update = {"anchor": anchor, "answer": answer, "positive": positive, "negatives": tuple(negatives)}
            done.append(pair.model_copy(update=update))
            counts.update(found.keys())
        return done
