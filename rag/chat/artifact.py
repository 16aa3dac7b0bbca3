"""Chat models in the artifact store."""

from collections import Counter
from pathlib import Path
from typing import Any

from rag.chat.base import chat_base
from rag.chat.data_artifact import load_examples
from rag.chat.example import ExampleKind
from rag.chat.model_card import model_card, recipe
from rag.config import ChatTrainingConfig
from rag.device import Device
from rag.embedding.artifact import TRAINING_RECIPE as ENCODER_RECIPE
from rag.pairs.mined import LEARNED_FROM
from rag.training.held import held_for_training
from rag.training.progress import OnProgress
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

KIND = "chatmodel"
_RECIPE = (
    *(
        f"rag.chat.{part}"
        for part in "finetune bundled recall question_encoder pretrained quantized tokens packing model_card".split()
    ),
    "rag.llm.chat_template",
    "rag.retrieval.lexical",
    "rag.training.trainer",
    "rag.training.patience",
)


def chat_model_artifact(
    store: ArtifactStore,
    models: str,
    data: ArtifactRef,
    config: ChatTrainingConfig,
    device: Device,
    on_progress: OnProgress | None = None,
) -> ArtifactRef:
    """Return the chat model trained on those examples: a plain transformers or PEFT folder with a model card.

    A killed run goes on from its checkpoint. Only a run that has to train waits for the device.

    :param models: where base models come from, `bundled` or `hub`.
    :raises ConfigError: if the base cannot be had.
    :raises EmptyCorpus: if there is nothing to learn from.
    :raises OutOfMemory: if the training does not fit this machine.
    """
    base = chat_base(config.base, models)

    def write(draft: Draft) -> dict[str, Any]:
        from rag.chat.finetune import finetune_chat, learned_and_validated

        examples = load_examples(store, data)
        learned, held_back = learned_and_validated(examples)
        fitting = store.scratch("fitting") / "batch_sizes.json"
        if base.source is not None:
            from rag.chat.pretrained import fetched

            fetched(base.source)  # nobody waits for the device while that is on its way
        with held_for_training(device, "training the chat model", draft) as held:
            encoder: Path | None = None
            heard: dict[str, Any] = {}
            if base.source is None:
                from rag.chat.question_encoder import tuned_question_encoder

                encoder, heard = tuned_question_encoder(
                    learned, held_back, draft.scratch / "questions", config.question_encoder, on_progress, fitting
                )
            trained = finetune_chat(
                examples=examples,
                base=base.source,
                output=draft.path,
                checkpoints=draft.scratch,
                config=config,
                on_progress=on_progress,
                fitting=fitting,
                question_encoder=encoder,
            )
        kinds = Counter(str(example.kind) for example in learned)
        counts = {str(kind): kinds.get(str(kind), 0) for kind in ExampleKind}
        card = model_card(base, data.digest, counts, trained, config)
        (draft.path / "README.md").write_text(card, encoding="utf-8")
        return {
            "base": base.name,
            "method": config.method,
            "training": trained | held | {"question_encoder": heard},
            "trained_on": counts,
            "passages": max(len(example.messages[-2].passages) for example in learned),
            LEARNED_FROM: store.facts(data)[LEARNED_FROM],
        }

    return store.build(
        KIND,
        inputs={"data": data.digest, "base": f"{base.name}@{base.version}"},
        config=recipe(config),
        recipe=_RECIPE if base.source is not None else (*_RECIPE, *ENCODER_RECIPE),
        write=write,
        reads=[data],
    )
