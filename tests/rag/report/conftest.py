import pytest

from tests.rag.report.parts import judged_parts


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """Made once, and only read."""
    return judged_parts(tmp_path_factory.mktemp("parts"))
