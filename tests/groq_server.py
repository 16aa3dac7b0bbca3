"""A server on the loopback that speaks Groq's protocol: it answers out of the prompt, or fails as told."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

PASSAGE = re.compile(r"<<<\n(.*?)\n>>>", re.DOTALL)
NUMBERED = re.compile(r'<passage-(\w+) number="(\d+)"[^>]*>\n(.*?)\n</passage-\1>', re.DOTALL)
WANTED = re.compile(r"(\d+) (factual|analytical|comparative)")
DRAFT = re.compile(r"^(\d+)\. Question: .*?\n   Evidence: (.*?)\n", re.MULTILINE)


def written(messages: list[dict[str, str]]) -> str:
    """Return what a good model would answer: cited sentences, questions with quotes, or numbered answers."""
    asked = messages[-1]["content"]
    if numbered := NUMBERED.findall(asked):
        firsts = [(number, sentences(text)[:1]) for _, number, text in numbered[:2]]
        return " ".join(f"{sentence.rstrip('.')} [{number}]." for number, found in firsts for sentence in found)
    if "Answer so far:" in asked:
        return "\n".join(f"{number}. Surely, {evidence}" for number, evidence in DRAFT.findall(asked))
    passages = [sentences(text) for text in PASSAGE.findall(asked)]
    fresh = [sentence for sentence in passages[0] if sentence[:24] not in asked.split(">>>")[-1]]
    questions = []
    for n, kind in WANTED.findall(asked.split("\n")[0]):
        for _ in range(int(n)):
            if not fresh:
                break
            quote = fresh.pop(0)
            question = {"type": kind, "question": f"Who says, {kind}: {quote[:24]} and so on?", "quote": quote}
            question |= {"answer": quote, "other_quote": passages[-1][0]}
            questions.append(question)
    return json.dumps({"questions": questions})


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.])\s+", text) if len(part) > 30]


class GroqServer:
    """Keeps what was asked, and what it would charge for. `faults` are carried out first, one a request."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.tokens_in = self.tokens_out = 0
        self.faults: list[Fault] = []
        self.headers: dict[str, str] = {}
        self.write: Callable[[list[dict[str, str]]], str] = written
        self.first_s = self.piece_s = 0.0
        """Of a stream: the wait for its first piece, and before each further one."""
        self.url = ""
        self.lock = Lock()

    @property
    def prompts(self) -> list[str]:
        """All that was asked, in order."""
        return [json.dumps(request["messages"]) for request in self.requests]

    def charge(self, messages: list[dict[str, str]], text: str) -> dict[str, int]:
        n_in, n_out = sum(len(m["content"]) for m in messages) // 4, len(text) // 4 + 1
        with self.lock:
            self.tokens_in += n_in
            self.tokens_out += n_out
        return {"prompt_tokens": n_in, "completion_tokens": n_out, "total_tokens": n_in + n_out}


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    groq: GroqServer

    def do_POST(self) -> None:  # noqa: N802
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/openai/v1/chat/completions", self.path
        with self.groq.lock:
            self.groq.requests.append(request)
            fault = self.groq.faults.pop(0) if self.groq.faults else None
        with suppress(BrokenPipeError):  # whoever asked need not wait for the end
            (fault or answered)(self, request)

    def send(
        self, status: int, body: str, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **self.groq.headers, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def stream(self, events: list[dict], done: bool) -> None:
        """Send events, and end the stream or the connection."""
        self.send_response(200)
        for name, value in {"content-type": "text/event-stream", **self.groq.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for place, event in enumerate(events):
            time.sleep(self.groq.piece_s if place else self.groq.first_s)
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if done:
            self.wfile.write(b"data: [DONE]\n\n")
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Fault = Callable[[Exchange, dict], None]


def answered(exchange: Exchange, request: dict, text: str | None = None, finish: str = "stop") -> None:
    """Answer well, or with `text`."""
    text = exchange.groq.write(request["messages"]) if text is None else text
    usage = exchange.groq.charge(request["messages"], text)
    if not request.get("stream"):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": request["model"]}
        exchange.send(200, json.dumps({**body, "choices": [choice], "usage": usage}))
        return
    events = [chunk(request, {"content": piece}) for piece in re.findall(r".{1,20}", text, re.DOTALL)]
    last = chunk(request, {}, finish) | {"x_groq": {"id": "req_1", "usage": usage}}
    exchange.stream([*events, last], done=True)


def chunk(request: dict, delta: dict, finish: str | None = None) -> dict:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
    return {**body, "choices": [choice]}


def says(text: str, finish: str = "stop") -> Fault:
    """Answer with this text."""
    return lambda exchange, request: answered(exchange, request, text, finish)


def refuses(status: int, message: str = "no", code: str = "", headers: dict[str, str] | None = None) -> Fault:
    """Answer with an error."""
    body = json.dumps({"error": {"message": message, "type": "x", "code": code}})
    return lambda exchange, request: exchange.send(status, body, headers)


def sends(body: str) -> Fault:
    """Answer 200 with this body, whatever it is."""
    return lambda exchange, request: exchange.send(200, body)


def stalls(seconds: float) -> Fault:
    """Answer nothing for so long, then close."""

    def stall(exchange: Exchange, request: dict) -> None:
        time.sleep(seconds)
        exchange.close_connection = True

    return stall


def freezes(text: str, seconds: float) -> Fault:
    """Stream a part of an answer, then nothing for so long, then close."""

    def freeze(exchange: Exchange, request: dict) -> None:
        exchange.stream([chunk(request, {"content": text})], done=False)
        time.sleep(seconds)

    return freeze


def streams(*events: str) -> Fault:
    """Send these events as they are."""

    def send(exchange: Exchange, request: dict) -> None:
        lines = "".join(f"data: {event}\n\n" for event in events)
        exchange.send(200, lines, kind="text/event-stream")

    return send


def cuts(text: str) -> Fault:
    """Stream a part of an answer, then close; or send half a body where no stream was asked for."""

    def cut(exchange: Exchange, request: dict) -> None:
        if request.get("stream"):
            exchange.stream([chunk(request, {"content": text})], done=False)
            return
        exchange.send_response(200)
        exchange.send_header("content-type", "application/json")
        exchange.send_header("content-length", "1000")
        exchange.end_headers()
        exchange.wfile.write(b'{"choices": [')
        exchange.close_connection = True

    return cut


@contextmanager
def serving() -> Iterator[GroqServer]:
    """Serve on a free port."""
    groq = GroqServer()
    handler = type("Handler", (Exchange,), {"groq": groq})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    groq.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield groq
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
