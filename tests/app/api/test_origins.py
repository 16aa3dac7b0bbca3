"""Whose pages may use the API from a browser."""

import httpx
import pytest

from tests.app.api.conftest import client, open_space, serving

OURS, OTHER = "https://intranet.example", "https://elsewhere.example"


@pytest.fixture(scope="module")
def open_to_ours(tmp_path_factory):
    """A server without documents, for the pages of one origin."""
    space = open_space(tmp_path_factory.mktemp("origins"), requests_per_minute=5, api_origins=f"{OURS}, http://a:5173")
    with serving(space) as running:
        yield running


def preflight(server, origin, method="POST", headers="authorization,content-type"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx.options(f"{server.url}/ask", headers=asked)


@pytest.mark.parametrize("origin", [OURS, "http://a:5173"])
def test_a_browser_may_send_a_key_and_json_from_a_named_origin(open_to_ours, origin):
    answer = preflight(open_to_ours, origin)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [OTHER, f"{OURS}.evil.example", "http://intranet.example", "null", "http://a"])
def test_a_browser_may_not_from_any_other(open_to_ours, origin):
    assert "access-control-allow-origin" not in preflight(open_to_ours, origin).headers
    answer = httpx.get(f"{open_to_ours.url}/healthz", headers={"Origin": origin}, timeout=60)
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_a_page_can_also_read_what_is_refused(open_to_ours):
    with client(open_to_ours) as reader:
        reader.headers["Origin"] = OURS
        refused = [
            reader.get("/v1/models", headers={"Authorization": "Bearer rk_wrong"}),
            reader.get("/nowhere"),
            reader.post("/ask", content=b"x" * (2**20 + 1)),
            reader.post("/ask", json={"question": " "}),
            reader.post("/ask", json={"question": "Is anything here?", "stream": True}),
            *(reader.get("/v1/models") for _ in range(5)),
        ]
    assert [answer.status_code for answer in refused] == [401, 404, 413, 422, 404, 200, 200, 200, 429, 429]
    assert {answer.headers["access-control-allow-origin"] for answer in refused} == {OURS}
    assert "Retry-After" in refused[-1].headers["access-control-expose-headers"]
    assert int(refused[-1].headers["retry-after"]) >= 1


def test_without_a_named_origin_no_page_of_another_may(server):
    assert "access-control-allow-origin" not in preflight(server, OURS).headers
    answer = httpx.get(f"{server.url}/healthz", headers={"Origin": OURS}, timeout=60)
    assert "access-control-allow-origin" not in answer.headers
