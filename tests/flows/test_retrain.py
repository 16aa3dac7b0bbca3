"""What a retraining does that has nothing to do."""

import pytest

from flows.parameters import Reason
from flows.retrain import retrain
from rag.errors import EmptyCorpus
from rag.profiles import Profile


@pytest.mark.usefixtures("space")
def test_without_documents_the_night_is_skipped_and_who_asks_is_refused():
    asked = {"collection": "empty", "profile": Profile.SMOKE}
    skipped = retrain(**asked, reason=Reason.NIGHTLY, return_state=True)
    assert skipped.is_completed() and skipped.name == "Skipped"
    assert "no documents in the collection 'empty'" in skipped.message
    assert "parameters of the deployment retrain/retrain" in skipped.message
    for reason in (Reason.MANUAL, Reason.API):
        with pytest.raises(EmptyCorpus, match="ragloop ingest"):
            retrain(**asked, reason=reason)
