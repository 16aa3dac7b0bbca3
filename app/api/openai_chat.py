"""POST /v1/chat/completions as OpenAI's clients speak it; citations and what else is known come as further fields."""

import time
from collections.abc import AsyncGenerator, Sequence
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StrictBool, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.answering import STREAMED, Events, EventStream, answer_events, begun, sse, whole_answer
from app.api.dependencies import Reader, way_of_model
from app.api.errors import describe
from rag.answering.answer import MAX_SAID, Answer, Done, Piece, Question, Restarted, Turn, Way
from rag.answering.sampling import MOST_NEW_TOKENS, Sampling
from rag.config import ChunkingConfig
from rag.corpus.chunking import Chunker
from rag.feedback.signals import Name

routes = APIRouter(prefix="/v1", tags=["openai"])

Said = Annotated[str, Field(max_length=MAX_SAID)]
_INTERRUPTED = "\n\n[interrupted; the answer begins anew]\n\n"


class TextPart(BaseModel):
    """A part of a message."""

    type: Literal["text"]
    text: Said


class Message(BaseModel):
    """A message of the conversation. What the system or a tool says is accepted and passed over."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Said | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """What else a stream brings."""

    include_usage: StrictBool = False


class ChatRequest(BaseModel):
    """What is used of OpenAI's request; further fields are ignored."""

    model: str = Field(min_length=1, max_length=200)
    """A collection's name, `ragloop` for `default`. With `/rag` behind it, the answer comes from passages; with `/chat`
    from its chat model's memory; with `/hybrid` from both; without, as its release decides for each question."""
    messages: list[Message] = Field(min_length=1, max_length=100)
    """The last is the question, by `user`, of up to 4000 characters."""
    stream: StrictBool | None = False
    stream_options: StreamOptions | None = None
    user: Name | None = None
    """Who asks; without it, the question has no part in an experiment."""
    temperature: float | None = Field(None, strict=True, ge=0, le=2)
    top_p: float | None = Field(None, strict=True, gt=0, le=1)
    """How freely whoever draws words for the answer speaks; as configured unless given."""
    max_tokens: int | None = Field(None, strict=True, ge=1)
    """Of the answer at most; never more than 2048."""
    max_completion_tokens: int | None = Field(None, strict=True, ge=1)
    """The same under its newer name, which comes first."""

    @model_validator(mode="after")
    def _ends_in_a_question(self) -> "ChatRequest":
        last = self.messages[-1]
        if last.role != "user" or not last.text.strip() or len(last.text) > 4000:
            raise ValueError("the last message must be a question by `user`, of 1 to 4000 characters")
        return self

    def question(self, fingerprint: str) -> Question:
        """Return what is asked, with the conversation before it."""
        said = [message for message in self.messages[:-1] if message.role in ("user", "assistant") and message.text]
        history = tuple(Turn.model_validate({"role": message.role, "content": message.text}) for message in said)
        return Question(
            text=self.messages[-1].text,
            history=history,
            sampling=self._sampling,
            user_fingerprint=fingerprint,
            named=self.user is not None,
        )

    @property
    def _sampling(self) -> Sampling:
        longest = self.max_completion_tokens or self.max_tokens
        longest = min(longest, MOST_NEW_TOKENS) if longest else None
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_new_tokens=longest)


class Completion(BaseModel):
    """OpenAI's answer, as far as it is filled here."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[dict[str, Any]]
    """One; its message also has `citations`."""
    usage: dict[str, int]
    """Tokens by the bundled encoder's tokenizer: question, conversation and passages in, answer out."""
    ragloop: dict[str, Any]
    """The interaction's id for feedback, who spoke and in which way, who did not and why, how far the documents bear it
    out, and the part in an experiment, if one runs."""


@routes.post(
    "/chat/completions",
    response_model=Completion,
    responses=STREAMED,
)
async def chat(asked: ChatRequest, caller: Reader, request: Request) -> Completion | Response:
    """Answer the last message from the documents of the collection that `model` names, or by its chat model."""
    collection, way = way_of_model(caller, asked.model)
    question = asked.question(caller.fingerprint(asked.user))
    events = answer_events(caller.service, collection, question, way)
    if asked.stream:
        return EventStream(_chunks(request, asked, question, await begun(events)))
    answer = await whole_answer(request, events)
    message = {"role": "assistant", "content": answer.text, "refusal": None, "citations": _citations(answer)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    return Completion(
        id=f"chatcmpl-{answer.id}",
        created=int(time.time()),
        model=asked.model,
        choices=[choice],
        usage=await run_in_threadpool(_usage, question, answer),
        ragloop=_known(answer),
    )


async def _chunks(
    request: Request, asked: ChatRequest, question: Question, events: Events
) -> AsyncGenerator[bytes, None]:
    """Yield an answer as OpenAI's chunks; one that breaks off ends with an error, which clients raise."""
    head = {"id": f"chatcmpl-{question.id}", "object": "chat.completion.chunk", "created": int(time.time())}
    head["model"] = asked.model

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        return sse(head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]} | more)

    said = ""
    yield chunk({"role": "assistant", "content": ""})
    try:
        async for event in events:
            if isinstance(event, Piece):
                said += event.text
                yield chunk({"content": event.text})
            elif isinstance(event, Restarted) and said:
                said = ""
                yield chunk({"content": _INTERRUPTED}, ragloop={"restarted": event.silent.model_dump()})
            elif isinstance(event, Done):
                answer = event.answer
                delta = {"citations": _citations(answer)} | ({} if said else {"content": answer.text})
                yield chunk(delta, _finish(answer), ragloop=_known(answer) | {"text": answer.text})
                if asked.stream_options and asked.stream_options.include_usage:
                    usage = await run_in_threadpool(_usage, question, answer)
                    yield sse(head | {"choices": [], "usage": usage})
                yield sse("[DONE]")
    except Exception as error:
        yield sse(describe(request.scope, error))


def _citations(answer: Answer) -> list[dict[str, Any]]:
    return [citation.model_dump() for citation in answer.citations]


def _finish(answer: Answer) -> str:
    return "length" if answer.cut else "stop"


def _known(answer: Answer) -> dict[str, Any]:
    fields = {"release_id", "generator", "way", "found", "support", "cached", "silent", "timings", "variant"}
    return {"interaction_id": answer.id} | answer.model_dump(mode="json", include=fields)


def _usage(question: Question, answer: Answer) -> dict[str, int]:
    passages = () if answer.way is Way.CLOSED_BOOK else answer.hits
    read = [question.text, *(turn.content for turn in question.history), *(hit.chunk.text for hit in passages)]
    n_in, n_out = count_tokens(read), count_tokens([answer.text])
    return {"prompt_tokens": n_in, "completion_tokens": n_out, "total_tokens": n_in + n_out}


def count_tokens(texts: Sequence[str]) -> int:
    """Return how many tokens the bundled encoder's tokenizer makes of texts."""
    return sum(_tokenizer().count(text) for text in texts)


@cache
def _tokenizer() -> Chunker:
    return Chunker(ChunkingConfig())
