"""Runs that are followed through the API."""

import pytest
from prefect.states import Pending

from deployments.runs import RunRefused, follow_run


def test_a_run_that_is_deleted_while_it_is_followed_is_said(client, start):
    run = start("retrain/retrain", Pending())
    following = follow_run(client, run)
    assert next(following)[1].is_pending()
    client.delete_flow_run(run.id)
    with pytest.raises(RunRefused, match=f"{run.name} is not on .* any more, somebody deleted it"):
        next(following)
