import pytest


@pytest.fixture(scope="session", autouse=True)
def prefect():
    """One temporary Prefect server for all tests of flows."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
