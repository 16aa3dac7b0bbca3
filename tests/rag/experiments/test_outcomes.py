from datetime import UTC, datetime

import pytest

from rag.config import AnsweringConfig, GeneratorKind, Harm, Outcome
from rag.errors import ConfigError
from rag.experiments.outcomes import Seen, harm, require_answers_in_time, worth

GOOD = Seen(
    user="somebody",
    at=datetime(2026, 11, 22, tzinfo=UTC),
    treated=True,
    chance=0.5,
    failed=False,
    answered=True,
    found=True,
    support=0.8,
    total_s=0.3,
    satisfaction=1.0,
)
REFUSED = GOOD._replace(found=False, support=0.0, satisfaction=0.0)
BROKEN_OFF = GOOD._replace(found=None, support=None, total_s=9.0, satisfaction=None)
FAILED = BROKEN_OFF._replace(failed=True)
KILLED = FAILED._replace(failed=False, answered=False, total_s=None)
"""With the process that was to answer."""


@pytest.mark.parametrize(
    ("seen", "satisfaction", "found", "support"),
    [(GOOD, 1, 1, 0.8), (REFUSED, 0, 0, 0), (BROKEN_OFF, None, None, None), (FAILED, None, 0, 0), (KILLED, None, 0, 0)],
)
def test_what_an_answer_is_worth(seen, satisfaction, found, support):
    assert [worth(seen, outcome) for outcome in Outcome] == [satisfaction, found, support]


@pytest.mark.parametrize(
    ("seen", "error", "refused", "slow"),
    [(GOOD, 0, 0, 0), (REFUSED, 0, 1, 0), (BROKEN_OFF, 0, None, 1), (FAILED, 1, None, 1), (KILLED, 1, None, None)],
)
def test_what_is_wrong_with_an_answer(seen, error, refused, slow):
    assert [harm(seen, metric, slow_s=2.0) for metric in Harm] == [error, refused, slow]


def test_answers_must_end_before_they_are_looked_at():
    require_answers_in_time(AnsweringConfig())
    slow = AnsweringConfig(total_s=100)
    with pytest.raises(ConfigError, match="may take 213 s, longer than the 120 s .* lower answering.total_s"):
        require_answers_in_time(slow)
    require_answers_in_time(slow.model_copy(update={"generators": (GeneratorKind.EXTRACTIVE,)}))
