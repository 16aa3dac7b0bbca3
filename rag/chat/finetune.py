"""Train a chat model on conversations, of which the answers are learned."""

import contextlib
import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.bundled import bundled_config, bundled_model, bundled_tokenizer
from rag.chat.example import ChatExample
from rag.chat.memory import memory_needed, require_room
from rag.chat.packing import Packed, collate, packed
from rag.chat.pretrained import fetched, pretrained_config, pretrained_model, pretrained_tokenizer
from rag.chat.recall import Recall, by_heart, taught_facts, told
from rag.chat.tokens import encode_examples, token_counts
from rag.config import ChatMethod, ChatTrainingConfig
from rag.embedding.base import bundled_encoder
from rag.errors import ConfigError, EmptyCorpus
from rag.pairs.pair import Split
from rag.training.batch_size import FittingSizes, halving, machine_name
from rag.training.patience import Patience
from rag.training.progress import OnProgress
from rag.training.reporting import keep_others_quiet
from rag.training.trainer import Trained, checkpointed_batch, mean_loss, shared_arguments, step_of, trained

logger = logging.getLogger(__name__)

METRIC = "eval_loss"
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_LOGGED = 10
"""Times that losses are written down between two evaluations."""


class _Base(NamedTuple):
    """What a training starts from."""

    source: str | None
    """As adapters are to name it; None for the bundled base."""
    folder: str
    tokenizer: Any
    build: Any
    """The model's config, as the library knows it."""
    recall: Recall | None = None
    """Tells the bundled base which fact a question is about."""
    facts: dict[str, Any] = {}
    """What else is to be said of it."""


def finetune_chat(
    examples: Sequence[ChatExample],
    base: str | None,
    output: Path,
    checkpoints: Path,
    config: ChatTrainingConfig,
    on_progress: OnProgress | None = None,
    fitting: Path | None = None,
    question_encoder: Path | None = None,
) -> dict[str, Any]:
    """Train a base on the examples of the training split, and save it as a plain transformers or PEFT folder.

    What is best on the validation split is kept. A run that was killed goes on from its last checkpoint, and SIGTERM
    writes one first; the result is the same as that of a run that nobody stopped. A batch that does not fit in memory
    is halved; `fitting` is the file of this machine that remembers it. Returns the facts of the training.

    :param base: a folder or a name on the hub; None for the bundled one.
    :param question_encoder: folder of the encoder by which the bundled one hears questions; an untuned one if None.
    :raises EmptyCorpus: if there is nothing to learn from.
    :raises ConfigError: if the base cannot be had, or cannot be trained so.
    :raises OutOfMemory: if not even one sequence at a time fits in memory.
    """
    keep_others_quiet()

    # 1. data: the tokenizer, and conversations packed by its tokens
    learned, held_back = learned_and_validated(examples)
    if not learned:
        raise EmptyCorpus("no conversations to learn from: ingest more documents")
    if base is None:
        chosen, learned, held_back = _bundled(question_encoder or bundled_encoder(), learned, held_back, config)
    else:
        chosen = _pretrained(base, config)
    train, left_out = encode_examples(learned, chosen.tokenizer, config.max_length)
    validation, _ = encode_examples(held_back, chosen.tokenizer, config.max_length)
    if not train:
        raise EmptyCorpus(
            f"all {left_out} conversations are longer than {config.max_length} tokens: raise chat.training.max_length"
        )
    data = packed(train, config.max_length, config.seed)

    # 2. what is evaluated; without validation examples the last step is kept
    chooses = bool(validation)
    evaluated = packed(validation or train[:100], config.max_length, config.seed)

    # 3. room
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        require_room(memory_needed(chosen.build, config), torch.cuda.mem_get_info()[0], machine_name(device), config)

    # 4. model, arguments and training: the best checkpoint, at the largest batch that fits
    sizes, shape = FittingSizes(fitting), _shape(chosen.build, config, device)
    result, at_a_time = halving(
        checkpointed_batch(checkpoints) or sizes.recall(shape, config.batch_size),
        smallest=1,
        attempt=partial(_train, chosen, data, evaluated, chooses, checkpoints, config, on_progress),
        on_halved=partial(sizes.remember, shape),
        length="chat.training.max_length",
    )

    # 5. save
    if chooses and result.state.best_model_checkpoint is None:
        raise ConfigError(
            f"the training came apart, its validation loss is no number: lower chat.training.learning_rate "
            f"({config.learning_rate:g})"
        )
    result.model.save_pretrained(str(output))
    chosen.tokenizer.save_pretrained(str(output))
    if chosen.recall is not None:
        chosen.recall.save(output)
    n_tokens = sum(map(len, train))
    return {
        "examples": {"trained": len(train), "validation": len(validation)},
        "left_out": left_out,
        **chosen.facts,
        "tokens": {"all": n_tokens, "learned": sum(len(example.answer) for example in train)},
        "sequences": len(data),
        "batch": {"sequences": config.batch_size * config.accumulation, "at_a_time": at_a_time},
        **_course(result, chooses),
        "tokens_per_s": _tokens_per_s(result, n_tokens),
    }


def learned_and_validated(examples: Sequence[ChatExample]) -> tuple[list[ChatExample], list[ChatExample]]:
    """Return the examples that are learned, and those that choose the checkpoint.

    Neither holds facts that are kept out: what nobody can know says nothing of how much was learned.
    """
    known = [example for example in examples if example.trained]
    learned = [example for example in known if example.split is Split.TRAIN and not example.real]
    return learned, [example for example in known if example.split is Split.VALIDATION]


def _bundled(
    question_encoder: Path, learned: Sequence[ChatExample], held_back: Sequence[ChatExample], config: ChatTrainingConfig
) -> tuple[_Base, list[ChatExample], list[ChatExample]]:
    """Return the bundled base, and the examples as it is told them: facts by heart, and what questions remind of."""
    every = taught_facts(learned)
    if not every:
        raise EmptyCorpus("no answer to learn but that there is none: add conversations that the documents answer")
    tokenizer = bundled_tokenizer((fact.answer for fact in every), config.vocabulary, len(every))
    *lengths, _ = token_counts(by_heart(every), tokenizer)
    facts = [fact for fact, length in zip(every, lengths, strict=True) if length <= config.max_length]
    left_out = f"answers are longer than chat.training.max_length ({config.max_length} tokens)"
    if not facts:
        raise EmptyCorpus(f"all {len(every)} {left_out}: raise it")
    if len(facts) < len(every):
        logger.warning("%d of %d %s: they are not learned", len(every) - len(facts), len(every), left_out)
    recall = Recall.of(question_encoder, facts, held_back)
    recalled = recall.recalled([example.messages[:-1] for example in held_back])
    # What is misheard is no matter of the words that are learned here.
    right = [
        example.model_copy(update={"messages": (told(found.fact), example.messages[-1])})
        for example, found in zip(held_back, recalled, strict=True)
        if example.answer == (NOT_IN_DOCUMENTS if found.fact is None else facts[found.fact].answer)
    ]
    said = {"facts_left_out": len(every) - len(facts), "recognized": {"right": len(right), "of": len(held_back)}}
    validating = right or (by_heart(facts) if held_back else [])
    base = _Base(None, "", tokenizer, bundled_config(tokenizer, config), recall, said)
    return base, by_heart(facts), validating


def _pretrained(source: str, config: ChatTrainingConfig) -> _Base:
    folder = fetched(source)
    build = pretrained_config(folder)
    longest = getattr(build, "max_position_embeddings", None)
    if longest is not None and config.max_length > longest:
        raise ConfigError(f"{source} reads {longest} tokens: lower chat.training.max_length ({config.max_length})")
    return _Base(source, folder, pretrained_tokenizer(folder), build)


def _course(result: Trained, chooses: bool) -> dict[str, Any]:
    """Return how a training went."""
    model, state = result.model, result.state
    history = state.log_history
    return {
        "parameters": {"all": model.num_parameters(), "trained": model.num_parameters(only_trainable=True)},
        "steps": state.global_step,
        "best_step": step_of(Path(state.best_model_checkpoint)) if chooses else state.global_step,
        "stopped_early": state.global_step < state.max_steps,
        "resumed_from_step": result.resumed_from,
        "train_loss": round(mean_loss(history), 4),
        "validation": [{"step": row["step"], "loss": round(row[METRIC], 4)} for row in history if METRIC in row],
    }


def _tokens_per_s(result: Trained, n_tokens: int) -> int:
    """Return the speed of the part that this run trained, its evaluations included."""
    state = result.state
    (seconds,) = [row["train_runtime"] for row in state.log_history if "train_runtime" in row]
    share = (state.global_step - result.resumed_from) / state.global_step
    return int(n_tokens * state.epoch * share / seconds)


def _train(
    base: _Base,
    data: list[Packed],
    evaluated: list[Packed],
    chooses: bool,
    checkpoints: Path,
    config: ChatTrainingConfig,
    on_progress: OnProgress | None,
    at_a_time: int,
) -> Trained:
    """Train from the last checkpoint, or from the base, with so many sequences at a time."""
    # model
    if base.source is None:
        model = bundled_model(base.build, config.seed)
    else:
        model = pretrained_model(base.folder, base.source, base.tokenizer, config)

    # arguments
    arguments = _arguments(config, len(data), checkpoints, at_a_time)
    arguments.load_best_model_at_end = chooses

    # train
    def make_trainer(callbacks: list[TrainerCallback]) -> Trainer:
        patience = [Patience(config.patience)] if chooses and config.patience else []
        kind = _OffloadingTrainer if config.cpu_offload else Trainer
        return kind(
            model=model,
            args=arguments,
            train_dataset=data,
            eval_dataset=evaluated,
            data_collator=collate,
            callbacks=[*callbacks, *patience],
        )

    return trained(make_trainer, checkpoints, on_progress)


class _OffloadingTrainer(Trainer):  # type: ignore[misc]
    """Keeps what layers remember for the way back in the machine's memory."""

    def compute_loss(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the loss."""
        offloaded = torch.autograd.graph.save_on_cpu(pin_memory=torch.cuda.is_available())
        with offloaded if model.training else contextlib.nullcontext():
            return super().compute_loss(model, *args, **kwargs)


def _arguments(config: ChatTrainingConfig, n_sequences: int, checkpoints: Path, at_a_time: int) -> TrainingArguments:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps_per_epoch = _steps_per_epoch(n_sequences, at_a_time, config)
    epochs = max(config.epochs, math.ceil(config.min_steps / steps_per_epoch))
    arguments = shared_arguments(config, checkpoints, steps_per_epoch * epochs, METRIC, device)
    paged = config.cpu_offload and device.type == "cuda"
    return TrainingArguments(
        **arguments | {"logging_steps": max(1, arguments["eval_steps"] // _LOGGED)},
        num_train_epochs=epochs,
        per_device_train_batch_size=at_a_time,
        per_device_eval_batch_size=at_a_time,
        gradient_accumulation_steps=_batches(at_a_time, config),
        lr_scheduler_type=_SCHEDULES[config.schedule],
        weight_decay=config.weight_decay,
        activation_checkpointing=config.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        remove_unused_columns=False,
        **({"optim": "paged_adamw_32bit"} if paged else {}),
    )


def _batches(at_a_time: int, config: ChatTrainingConfig) -> int:
    """Return how many batches make up a step."""
    return max(1, config.batch_size * config.accumulation // at_a_time)


def _steps_per_epoch(n_sequences: int, at_a_time: int, config: ChatTrainingConfig) -> int:
    return math.ceil(math.ceil(n_sequences / at_a_time) / _batches(at_a_time, config))


def _shape(build: Any, config: ChatTrainingConfig, device: torch.device) -> str:
    """Return what decides how much fits in memory, in words."""
    model = f"chat model, {build.num_hidden_layers} layers of {build.hidden_size}, {build.vocab_size} words"
    kind = [config.method, f"{config.max_length} tokens"]
    if config.method is not ChatMethod.FULL:
        kind.append(f"rank {config.lora_rank}")
    kind += [name for name in ("gradient_checkpointing", "cpu_offload") if getattr(config, name)]
    return "; ".join([machine_name(device), model, *kind])
