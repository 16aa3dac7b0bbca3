"""Train the encoder by which the bundled chat model hears questions: near to a question lies the fact it asks for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.chat.example import ChatExample, ExampleKind
from rag.chat.recall import asked, taught
from rag.config import EmbeddingConfig
from rag.embedding.base import bundled_encoder
from rag.embedding.finetune import finetune
from rag.pairs.pair import Origin, QueryPair, QuestionType
from rag.training.progress import OnProgress

_DONE = "encoder"
_REPORTED = 200
"""Validation questions by which the training is followed; what is trained last is kept, as all pairs are synthetic."""


def tuned_question_encoder(
    learned: Sequence[ChatExample],
    held_back: Sequence[ChatExample],
    scratch: Path,
    config: EmbeddingConfig,
    on_progress: OnProgress | None = None,
    fitting: Path | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the bundled encoder, trained to find taught facts by questions, and facts of that training.

    What was finished in `scratch` is not trained again; what was killed goes on.

    :raises OutOfMemory: if not even two questions at a time fit in memory.
    """
    passages = {each.fact: taught(each).passage for each in learned if _asks(each)}
    train = [_pair(each, passages[each.fact]) for each in learned if _asks(each)]
    varied = [each for each in held_back if _asks(each) and not each.real and each.fact in passages]
    validation = [_pair(each, passages[each.fact]) for each in varied]
    if len(train) < 2:
        return bundled_encoder(), {}
    done = scratch / _DONE
    if not done.exists():
        making = scratch / "making"
        trained = finetune(
            base=bundled_encoder(),
            query_prompt="",
            train=train,
            validation=validation[:_REPORTED],
            output=making,
            checkpoints=scratch,
            config=config,
            on_progress=on_progress,
            fitting=fitting,
        )
        (making / "facts.json").write_text(json.dumps(trained), encoding="utf-8")
        making.rename(done)
    return done, json.loads((done / "facts.json").read_bytes())


def _asks(example: ChatExample) -> bool:
    """Say whether an example asks for a fact by the question alone."""
    return example.kind not in (ExampleKind.REFUSAL, ExampleKind.GROUNDED)


def _pair(example: ChatExample, passage: str) -> QueryPair:
    source = example.source
    return QueryPair(
        id=example.id,
        anchor=asked(example.messages[:-1]),
        answer=example.answer,
        doc_id=source.doc_id if source else "",
        document=source.document if source else "",
        answer_start=source.char_start if source else 0,
        answer_end=source.char_end if source else 0,
        question_type=QuestionType.FACTUAL,
        origin=Origin.SYNTHETIC,
        split=example.split,
        group="",
        positive=passage,
    )
