"""The HTTP API as the page uses it: a method for each thing asked, and one kind of error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx

_BROKEN = "the answer broke off: ask again"
_TIMEOUT = httpx.Timeout(120, connect=5)
_NO_PROXY = dict.fromkeys(("all://127.0.0.1", "all://[::1]", "all://localhost"))
"""An API on this machine is asked directly: a proxy of the environment cannot reach it, and would see the key."""

T = TypeVar("T")

Json = dict[str, Any]
Ways = dict[str, bool]
"""Ways to ask by the names of /v1/models, empty for what the release decides; and whether model settings tell there."""


class ApiError(Exception):
    """What the API refused or could not do, in a line that says what to do about it."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None if the API did not answer."""


class PagePicture(NamedTuple):
    """A page of a PDF."""

    png: bytes
    marked: bool
    """Whether any of the passage is marked on it; it is not where the PDF's text reads otherwise here."""
    pages: list[int]
    """All that hold some of the passage."""


class Api:
    """One person's connection to the API. Every method raises ApiError."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url, self.key = url.rstrip("/"), key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT, mounts=_NO_PROXY)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError) as error:
            raise ApiError(f"the address {url!r} or the key cannot be used ({error}): check them") from error

    def ways(self) -> dict[str, Ways]:
        """Return the collections that serve, each with the ways in which it can be asked."""
        found: dict[str, Ways] = {}
        for model in self._get("/v1/models")["data"]:
            collection, _, way = model["id"].partition("/")
            if collection == model["root"]:  # else it is another name of `default`, for OpenAI's clients
                found.setdefault(collection, {})[way] = bool(model.get("sampling"))
        return found

    @cached_property
    def role(self) -> str:
        """What the key may do: `reader`, `trainer` or `admin`; asked for once."""
        return str(self._get("/keys/self").get("role"))

    def max_upload_mb(self) -> int | None:
        """Return how large a file may be, in MiB, if the API says so."""
        size: int | None = self._get("/healthz").get("max_upload_mb")
        return size

    def documents(self, collection: str) -> list[Json]:
        """Return the documents of a collection, by name."""
        return self._list(f"{_at(collection)}/documents")

    def upload(self, collection: str, name: str, data: bytes) -> Json:
        """Send a file; it is read afterwards, as `uploaded` says."""
        return self._post(f"{_at(collection)}/documents", files={"file": (name, data)})

    def uploaded(self, upload_id: str) -> Json:
        """Return what became of a file: its state is `waiting`, `reading`, `done` or `refused`."""
        return self._get(f"/uploads/{upload_id}")

    def ask(self, asked: Json) -> Iterator[tuple[str, Any]]:
        """Yield an answer's events as they come, name and data; the last is `done`, with the whole answer.

        :param asked: the body of POST /ask.
        """
        with self._errors(), self._http.stream("POST", "/ask", json=asked | {"stream": True}) as answer:
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            for name, text in _events(answer.iter_lines()):
                data = _parsed(text)
                if name == "error":
                    raise ApiError(data["message"])
                yield name, data
                if name == "done":
                    return
        raise ApiError(_BROKEN)

    def explain(self, asked: Json) -> Json:
        """Return why a question is answered as it is."""
        return self._post("/explain", json=asked)

    def react(self, reaction: Json) -> None:
        """Send what a person makes of an answer: the body of POST /feedback."""
        self._post("/feedback", json=reaction)

    def page_picture(self, collection: str, doc_id: str, page_no: int, start: int, end: int) -> PagePicture:
        """Return a page of a PDF, with the characters from `start` to `end` marked as far as it holds them."""
        path = f"{_at(collection)}/documents/{quote(doc_id)}/pages/{page_no}.png"
        answer = self._send("GET", path, params={"start": start, "end": end, "scale": 2})
        pages = [int(each) for each in answer.headers.get("X-Passage-Pages", "").split(",") if each.isdecimal()]
        return PagePicture(answer.content, answer.headers.get("X-Passage-Marked") == "true", pages or [page_no])

    def passage(self, collection: str, doc_id: str, start: int, end: int) -> Json:
        """Return a passage in its place: `before`, `passage`, `after`."""
        path = f"{_at(collection)}/documents/{quote(doc_id)}/text"
        return self._get(path, start=start, end=end, around=600)

    def learning(self, collection: str) -> Json:
        """Return what the collection has learned: feedback that waits, releases, quality."""
        return self._get(f"{_at(collection)}/learning")

    def monitoring(self, collection: str) -> Json:
        """Return how the collection is used, and what its documents do not answer."""
        return self._get(f"{_at(collection)}/monitoring")

    def experiments(self, collection: str) -> list[Json]:
        """Return the experiments, newest first."""
        return self._list(f"{_at(collection)}/experiments")

    def retrain(self, collection: str) -> str:
        """Start a retraining and return its run's id."""
        return str(self._post(f"{_at(collection)}/retrainings")["run"])

    def retrainings(self, collection: str) -> list[Json]:
        """Return the last retrainings, newest first."""
        return self._list(f"{_at(collection)}/retrainings")

    def promote(self, collection: str, release_id: int) -> Json:
        """Put a release into production."""
        return self._post(f"{_at(collection)}/releases/{release_id}/promote", json={"reason": "on the page"})

    def roll_back(self, collection: str) -> Json:
        """Put the models that served before back into production."""
        return self._post(f"{_at(collection)}/releases/rollback", json={"reason": "on the page"})

    def _get(self, path: str, **parameters: Any) -> Json:
        return self._told(dict, "GET", path, params=parameters)

    def _list(self, path: str) -> list[Json]:
        return self._told(list, "GET", path)

    def _post(self, path: str, **content: Any) -> Json:
        return self._told(dict, "POST", path, **content)

    def _told(self, kind: type[T], method: str, path: str, **content: Any) -> T:
        answer = self._send(method, path, **content)
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, kind):
            raise ApiError(f"{self.url} does not speak as ragloop's API does: check the address")
        return told

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        with self._errors():
            answer = self._http.request(method, path, **content)
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise ApiError(f"the API at {self.url} takes too long: try again in a while") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise ApiError(
                f"the API at {self.url} does not answer: start it with `ragloop up` or `ragloop serve`, then try again"
            ) from error


def _at(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the API answered {answer.status_code} {answer.reason_phrase}: try again, or look at its log"
    return ApiError(message, answer.status_code)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield name and data of server-sent events."""
    name, data = "message", ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value.removeprefix(" ")
        elif not line and data:
            yield name, data
            name, data = "message", ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError(_BROKEN) from error
