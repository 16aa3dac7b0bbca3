"""A causal language model of the transformers library: loaded, then text in, text out, in batches or piece by piece."""

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)
from transformers.utils import logging as transformers_logging

from rag.llm.protocol import TooLarge, Transient
from rag.loading import one_at_a_time

logger = logging.getLogger(__name__)

_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
_OLDER_FILES = ["pytorch_model*.bin"]
"""Weights of models that nobody has converted on the hub."""
UNLOADABLE = (OSError, ValueError, ImportError, RuntimeError, SafetensorError)
"""What the library raises for files or weights that cannot be loaded; memory that runs out among them."""


@dataclass(frozen=True)
class Continuation:
    """What a model said after a text."""

    text: str
    tokens_in: int
    tokens_out: int
    ended: bool
    """It came to an end by itself, not because it was as long as allowed."""
    confidence: float
    """Geometric mean of the probabilities that the model gave to the tokens it said, from 0 to 1."""


def model_folder(source: str) -> str:
    """Return the folder of a model; one that is named as on the hub is fetched if it is not on this machine yet.

    :raises OSError, ValueError: if it cannot be had.
    """
    from huggingface_hub import snapshot_download

    if Path(source).is_dir():
        return source
    folder = snapshot_download(source, allow_patterns=_FILES)
    if not any(Path(folder).glob("*.safetensors")):
        folder = snapshot_download(source, allow_patterns=_OLDER_FILES)
    return str(folder)


def load_tokenizer(folder: str) -> Any:
    """Return the tokenizer of a folder, which pads on the left.

    :raises OSError, ValueError, ImportError: if there is none that can be used.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@one_at_a_time
def load_weights(folder: str, in_4_bit: bool = True) -> Any:
    """Return the model of a folder, ready to generate: on a card, there `in_4_bit` (nf4) if wanted; plain on a CPU.

    :raises OSError, ValueError, ImportError: if there is none that can be used.
    :raises torch.OutOfMemoryError: if the card is too small.
    """
    transformers_logging.disable_progress_bar()  # it would stand in the middle of a conversation
    options: dict[str, Any] = {"dtype": "auto"}
    if torch.cuda.is_available():
        options["device_map"] = {"": 0}
        if in_4_bit:
            compute = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
            options["dtype"] = compute
            options["quantization_config"] = nf4(compute)
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **options).eval()


def nf4(compute: torch.dtype) -> BitsAndBytesConfig:
    """Return how linear layers are kept in 4 bit, for the library to load: as QLoRA has them, computed in `compute`."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


class CausalModel:
    """A tokenizer and its model. Not for several threads at once."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        """Take what `load_tokenizer` and `load_weights` return."""
        self.tokenizer, self.model = tokenizer, model

    @property
    def context_tokens(self) -> int | None:
        """Tokens of a text and what is said after it together at most, if the model tells."""
        longest: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return longest

    def fits(self, text: str, max_tokens: int) -> bool:
        """Say whether there is room behind a text for so many tokens."""
        longest = self.context_tokens
        return longest is None or count_tokens(self.tokenizer, text) + max_tokens <= longest

    def stream(
        self,
        text: str,
        max_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        is_over: Callable[[str], bool] = lambda piece: False,
    ) -> Generator[str, None, Continuation]:
        """Yield what follows a text as it comes; 0 as `temperature` takes the likeliest token each time.

        Above that a token is drawn among the likeliest that have `top_p` of the probability together.
        The thread that generates ends with its next token once nobody listens, or with a piece that says it `is_over`.

        :raises Transient: if it breaks off.
        """
        encoded = self._encoded([text])
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        said: list[torch.Tensor] = []
        ends, likely = Event(), _Likelihood()
        criteria = StoppingCriteriaList([_Ends(ends)])

        def generate() -> None:
            try:
                said.append(self._said(encoded, max_tokens, (temperature, top_p), likely, streamer, criteria))
            except Exception:  # whoever listens hears of it
                logger.exception("the local model broke off")
            finally:
                streamer.end()

        worker = Thread(target=generate, daemon=True)
        worker.start()
        pieces: list[str] = []
        stopped = False
        try:
            for piece in streamer:
                if stopped := is_over(piece):
                    break
                if piece:
                    pieces.append(piece)
                    yield piece
        finally:
            ends.set()
            worker.join()
        if not said:
            raise Transient("the local model broke off: see the log")
        tokens = said[0][0].tolist()
        ended = stopped or self._has_ended(tokens)
        n_in = int(encoded["input_ids"].shape[1])
        return Continuation("".join(pieces), n_in, len(tokens), ended, likely.mean(said[0], 0, len(tokens)))

    def complete(
        self, texts: Sequence[str], max_tokens: Sequence[int], temperature: float = 0.0, top_p: float = 1.0
    ) -> list[Continuation | TooLarge]:
        """Return what follows each text, all in one batch; in halves if the card's memory is too small for all."""
        try:
            return list(self._completed(texts, max_tokens, (temperature, top_p)))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        if len(texts) == 1:
            return [TooLarge("the card's memory is too small for the prompt")]
        half = len(texts) // 2
        first = self.complete(texts[:half], max_tokens[:half], temperature, top_p)
        return first + self.complete(texts[half:], max_tokens[half:], temperature, top_p)

    def _completed(
        self, texts: Sequence[str], max_tokens: Sequence[int], drawn: tuple[float, float]
    ) -> Generator[Continuation, None, None]:
        encoded, likely = self._encoded(texts), _Likelihood()
        said = self._said(encoded, max(max_tokens), drawn, likely)
        for row, (mask, longest) in enumerate(zip(encoded["attention_mask"], max_tokens, strict=True)):
            tokens = self._until_end(said[row].tolist()[:longest])
            text = self.tokenizer.decode(tokens, skip_special_tokens=True)
            confidence = likely.mean(said, row, len(tokens))
            yield Continuation(text, int(mask.sum()), len(tokens), self._has_ended(tokens), confidence)

    def _encoded(self, texts: Sequence[str]) -> Any:
        """Return token ids and attention masks (len(texts), longest), padded on the left."""
        encoded = self.tokenizer(list(texts), return_tensors="pt", padding=True, add_special_tokens=False)
        return encoded.to(self.model.device)

    def _said(
        self,
        encoded: Any,
        max_tokens: int,
        drawn: tuple[float, float],
        likely: "_Likelihood",
        streamer: TextIteratorStreamer | None = None,
        criteria: StoppingCriteriaList | None = None,
    ) -> torch.Tensor:
        """Return the tokens that follow, (n, up to max_tokens); behind an end stands padding."""
        temperature, top_p = drawn
        sampling: dict[str, Any] = {"do_sample": temperature > 0}
        if temperature > 0:
            sampling |= {"temperature": temperature, "top_p": top_p}
        with torch.inference_mode():
            said: torch.Tensor = self.model.generate(
                **encoded,
                **sampling,
                max_new_tokens=max_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=sorted(self._ends),
                logits_processor=LogitsProcessorList([likely]),
                streamer=streamer,
                stopping_criteria=criteria,
            )
        return said[:, encoded["input_ids"].shape[1] :]

    @cached_property
    def _ends(self) -> frozenset[int]:
        configured = self.model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return frozenset(end for end in (*ends, self.tokenizer.eos_token_id) if end is not None)

    def _until_end(self, tokens: list[int]) -> list[int]:
        """Return the tokens up to the first that ends the answer, with it."""
        return tokens[: next((place + 1 for place, token in enumerate(tokens) if token in self._ends), len(tokens))]

    def _has_ended(self, tokens: list[int]) -> bool:
        return bool(tokens) and tokens[-1] in self._ends


def count_tokens(tokenizer: Any, text: str) -> int:
    """Return how many tokens a text has as a model reads it."""
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


class _Ends(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation behind its next token, once told."""

    def __init__(self, told: Event) -> None:
        self._told = told

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._told.is_set(), dtype=torch.bool, device=input_ids.device)


class _Likelihood(LogitsProcessor):  # type: ignore[misc]
    """Notes how likely the chosen tokens were, before any temperature; holds the logits of one step alone."""

    def __init__(self) -> None:
        self._latest: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._note(input_ids[:, -1])
        self._latest = scores.float().log_softmax(-1)
        return scores

    def mean(self, said: torch.Tensor, row: int, n_tokens: int) -> float:
        """Return the geometric mean probability of the first tokens of a row, from 0 to 1."""
        self._note(said[:, -1])
        self._latest = None
        chosen = torch.stack([step[row] for step in self._chosen[:n_tokens]])
        return float(chosen.mean().exp())

    def _note(self, tokens: torch.Tensor) -> None:
        if self._latest is not None:
            self._chosen.append(self._latest.gather(-1, tokens[:, None])[:, 0])
