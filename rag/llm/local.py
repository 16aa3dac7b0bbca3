"""A language model on this machine: any chat model of the transformers library."""

import hashlib
import logging
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from rag.errors import ConfigError
from rag.llm.protocol import Completion, Outcome, Prompt, TooLarge, Transient

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "Qwen/Qwen2.5-1.5B-Instruct"
_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
_ASKED, _ANSWERED = "Instruct: ", "Output: "
"""How turns are told apart for a model without a chat template, as Phi-2 has learned it."""
_HEAD_BYTES = 1 << 20
"""Of each file of a folder so much is read to know the model again."""


class LocalProvider:
    """Answers batches of prompts. The model is loaded when it is first asked: in 4 bit on a card, plain on a CPU."""

    name = "local"

    def __init__(
        self,
        model: str | None,
        at_once: int,
        turn_s: float | None = None,
        setting: str = "synthesis.llm",
        instead: str = "set synthesis.writer to extractive",
    ) -> None:
        """Take a model by its name on the hub, or by its folder.

        :param turn_s: longest wait of a stream for the one before it; without end unless given.
        :param setting: where the config says what is asked, for the remedies, and what to do `instead`.
        """
        folder = Path(model or DEFAULT_MODEL).expanduser()
        self._source = str(folder) if folder.is_dir() else model or DEFAULT_MODEL
        self.model = f"{folder.name}@{_fingerprint(folder)}" if folder.is_dir() else self._source
        self.at_once = at_once
        self.tokens_per_minute: int | None = None
        self._turn, self._turn_s, self._setting, self._instead = Lock(), turn_s, setting, instead

    @property
    def context_tokens(self) -> int | None:
        """See `Provider`. Loads the model.

        :raises ConfigError: if it cannot be loaded.
        """
        longest: int | None = getattr(self._model.config, "max_position_embeddings", None)
        return longest

    def count_tokens(self, prompt: Prompt) -> int:
        """See `Provider`.

        :raises ConfigError: if the tokenizer cannot be loaded.
        """
        return len(self._tokenizer(self._text(prompt), add_special_tokens=False)["input_ids"])

    def complete(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Outcome]]:
        """See `Provider`.

        :raises ConfigError: if the model cannot be loaded.
        """
        texts = [self._text(prompt) for prompt in prompts]
        fitting = [place for place, text in enumerate(texts) if self._fits(text, prompts[place].max_tokens)]
        for place in set(range(len(prompts))) - set(fitting):
            yield place, self._too_large(prompts[place])
        for group in _alike(fitting, prompts):
            yield from self._generate(group, texts, prompts)

    def stream(self, prompt: Prompt) -> Generator[str, None, Completion]:
        """See `Provider`. One at a time: two would not be faster than one after the other.

        :raises ConfigError: if the model cannot be loaded.
        """
        text = self._text(prompt)
        if not self._fits(text, prompt.max_tokens):
            raise self._too_large(prompt)
        if not self._turn.acquire(timeout=-1 if self._turn_s is None else self._turn_s):
            raise Transient("it is busy with another answer")
        try:
            return (yield from self._streamed(text, prompt))
        finally:
            self._turn.release()

    def _streamed(self, text: str, prompt: Prompt) -> Generator[str, None, Completion]:
        """Generate in a thread that ends with its next token once nobody listens."""
        encoded = self._tokenizer(text, return_tensors="pt", add_special_tokens=False).to(self._model.device)
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        said: list[torch.Tensor] = []
        ends = Event()
        options = _options(prompt) | {"streamer": streamer, "stopping_criteria": StoppingCriteriaList([_Ends(ends)])}

        def generate() -> None:
            try:
                said.append(self._model.generate(**encoded, **options))
            finally:
                streamer.end()

        worker = Thread(target=generate, daemon=True)
        worker.start()
        pieces: list[str] = []
        asks_itself = False
        try:
            for piece in streamer:
                # Text that was only ever continued goes on with a question of its own.
                asks_itself = not self._tokenizer.chat_template and piece.startswith(_ASKED.strip())
                if asks_itself:
                    break
                if piece:
                    pieces.append(piece)
                    yield piece
        finally:
            ends.set()
            worker.join()
        if not said:
            raise Transient("the local model broke off: see the log")
        n_in = int(encoded["input_ids"].shape[1])
        tokens = said[0][0, n_in:].tolist()
        cut = not asks_itself and not self._has_ended(tokens)
        return Completion(text="".join(pieces), tokens_in=n_in, tokens_out=len(tokens), truncated=cut)

    def load(self) -> None:
        """Load the model now, so that the first who asks does not wait for it.

        :raises ConfigError: if it cannot be loaded.
        """
        _ = self._tokenizer, self._model

    def close(self) -> None:
        """Give the model's memory back."""
        self.__dict__.pop("_model", None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = self._load(AutoTokenizer, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        if torch.cuda.is_available():
            compute = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
            four_bit = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=compute,
            )
            model = self._load(AutoModelForCausalLM, quantization_config=four_bit, dtype=compute, device_map={"": 0})
        else:
            model = self._load(AutoModelForCausalLM, dtype="auto")
        logger.info("loaded %s on %s", self._source, model.device)
        return model.eval()

    @cached_property
    def _folder(self) -> str:
        """The folder of the model's files, fetched from the hub if they are not on this machine yet."""
        from huggingface_hub import snapshot_download

        if Path(self._source).is_dir():
            return self._source
        try:
            return str(snapshot_download(self._source, allow_patterns=_FILES))
        except (OSError, ValueError) as error:
            raise self._cannot_load(error) from error

    def _load(self, kind: Any, **options: Any) -> Any:
        try:
            return kind.from_pretrained(self._folder, local_files_only=True, **options)
        except (OSError, ValueError, ImportError, torch.OutOfMemoryError) as error:
            raise self._cannot_load(error) from error

    def _cannot_load(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"cannot load the language model {self._source} ({type(error).__name__}): check the network, or give a "
            f"folder with a chat model in {self._setting}.model, or {self._instead}"
        )

    def _text(self, prompt: Prompt) -> str:
        """Return the prompt as the model reads it."""
        turns = [message._asdict() for message in prompt.messages]
        if self._tokenizer.chat_template:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        heads = {"user": _ASKED, "assistant": _ANSWERED}
        said = [heads.get(message.role, "") + message.content for message in prompt.messages]
        return "\n".join([*said, _ANSWERED.strip()])

    def _fits(self, text: str, max_tokens: int) -> bool:
        longest = self.context_tokens
        return (
            longest is None or len(self._tokenizer(text, add_special_tokens=False)["input_ids"]) + max_tokens <= longest
        )

    def _too_large(self, prompt: Prompt) -> TooLarge:
        exceed = f"exceed the model's {self.context_tokens} tokens"
        return TooLarge(f"a prompt and its {prompt.max_tokens} tokens of answer {exceed}")

    def _generate(
        self, places: list[int], texts: Sequence[str], prompts: Sequence[Prompt]
    ) -> Iterator[tuple[int, Outcome]]:
        """Answer prompts of one temperature together, in halves if the card's memory is too small for all."""
        try:
            outcomes = self._generated([texts[place] for place in places], prompts[places[0]], places, prompts)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(places) == 1:
                yield places[0], TooLarge("the card's memory is too small for the prompt")
                return
            half = len(places) // 2
            yield from self._generate(places[:half], texts, prompts)
            yield from self._generate(places[half:], texts, prompts)
            return
        yield from zip(places, outcomes, strict=True)

    def _generated(
        self, texts: list[str], like: Prompt, places: list[int], prompts: Sequence[Prompt]
    ) -> list[Completion]:
        encoded = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        encoded = encoded.to(self._model.device)
        options = _options(like) | {"max_new_tokens": max(prompts[place].max_tokens for place in places)}
        with torch.inference_mode():
            said = self._model.generate(**encoded, pad_token_id=self._tokenizer.pad_token_id, **options)
        completions = []
        for row, mask, place in zip(said, encoded["attention_mask"], places, strict=True):
            tokens = self._until_end(row[mask.shape[0] :].tolist()[: prompts[place].max_tokens])
            completions.append(
                Completion(
                    text=self._tokenizer.decode(tokens, skip_special_tokens=True),
                    tokens_in=int(mask.sum()),
                    tokens_out=len(tokens),
                    truncated=not self._has_ended(tokens),
                )
            )
        return completions

    @cached_property
    def _ends(self) -> frozenset[int]:
        configured = self._model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return frozenset(end for end in (*ends, self._tokenizer.eos_token_id) if end is not None)

    def _until_end(self, tokens: list[int]) -> list[int]:
        """Return the tokens up to the first that ends the answer, with it."""
        return tokens[: next((place + 1 for place, token in enumerate(tokens) if token in self._ends), len(tokens))]

    def _has_ended(self, tokens: list[int]) -> bool:
        return bool(tokens) and tokens[-1] in self._ends


class _Ends(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation behind its next token, once told."""

    def __init__(self, told: Event) -> None:
        self._told = told

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._told.is_set(), dtype=torch.bool, device=input_ids.device)


def _alike(places: Sequence[int], prompts: Sequence[Prompt]) -> list[list[int]]:
    """Group prompts that can be answered in one batch: those of one temperature."""
    groups: dict[float, list[int]] = {}
    for place in places:
        groups.setdefault(prompts[place].temperature, []).append(place)
    return list(groups.values())


def _options(prompt: Prompt) -> dict[str, Any]:
    if prompt.temperature == 0:
        return {"max_new_tokens": prompt.max_tokens, "do_sample": False}
    return {"max_new_tokens": prompt.max_tokens, "do_sample": True, "temperature": prompt.temperature}


def _fingerprint(folder: Path) -> str:
    """Return 12 hex digits for the files of a folder: their names, sizes and beginnings."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + file.read(_HEAD_BYTES))
    return digest.hexdigest()[:12]
