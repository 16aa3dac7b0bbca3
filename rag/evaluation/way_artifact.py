"""What each way to answer made of a set of questions, in the artifact store, sealed: it holds questions and answers."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

from rag.answering.answer import Way
from rag.config import Config
from rag.corpus.artifact import load_texts
from rag.errors import NoChatModel
from rag.evaluation.asked import Sample, load_sample
from rag.evaluation.asking import ANSWERING, answering_plan, decided_way, measuring_engines
from rag.evaluation.way_report import ROUTED, WayReport
from rag.releases import search_models
from rag.retrieval.artifact import load_index
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.release import Release

if TYPE_CHECKING:
    from rag.chat.example import ChatExample
    from rag.evaluation.asked import Group
    from rag.evaluation.ways import Said

KIND = "chatanswers"
_FILE = "report.encrypted"
_RECIPE = (
    *(f"rag.evaluation.{part}" for part in "agreement asked footprint way_artifact way_report ways".split()),
    *ANSWERING,
)


def way_artifact(space: Workspace, release: Release, way: Way | None, sample: Sample, config: Config) -> ArtifactRef:
    """Return what a release answers to the questions in one way; as it decides for each if that is None.

    Nothing is recorded as asked. A release that trusts no chat model answers from passages whatever it decides, so
    these answers are the same.

    :raises NoChatModel: if the way needs a chat model, and the release has none.
    :raises NoGenerator: if nobody answers from passages.
    """
    store, way = space.artifacts, decided_way(release, way, config)
    if way in (Way.CLOSED_BOOK, Way.HYBRID) and release.chat_model is None:
        raise NoChatModel(f"release {release.id} has no chat model: train one with `ragloop chat train`")

    def write(draft: Draft) -> dict[str, Any]:
        examples = load_sample(store, sample)
        report = _asked(space, release, way, sample, examples, config)
        draft.seal(_FILE, report.model_dump_json().encode())
        return {"way": report.way, "evaluation_set": sample.digest, "questions": len(examples), **report.means()}

    return store.build(
        KIND,
        inputs=_inputs(release, way, sample),
        config={
            "sample": sample.model_dump(mode="json", exclude={"data"}),
            "timed": config.chat.compare.timed,
            **answering_plan(space, release, way, config),
        },
        recipe=_RECIPE,
        write=write,
        quietly=True,  # one of several, which are looked up more than once
        reads=[sample.data],
    )


def load_way_report(store: ArtifactStore, ref: ArtifactRef) -> WayReport:
    """Open what a way made of its questions."""
    return WayReport.model_validate_json(store.unseal(ref, _FILE))


def _inputs(release: Release, way: Way | None, sample: Sample) -> dict[str, str]:
    """Return what is asked, and of whom."""
    inputs = {"data": sample.data.digest, **search_models(release).digests}
    if way is not Way.RAG and release.chat_model is not None:
        inputs["chat_model"] = release.chat_model.digest
    return inputs


def _asked(
    space: Workspace,
    release: Release,
    way: Way | None,
    sample: Sample,
    examples: "list[tuple[Group, ChatExample]]",
    config: Config,
) -> WayReport:
    from rag.answering.rarity import Rarity
    from rag.answering.support import Support
    from rag.evaluation.footprint import footprint
    from rag.evaluation.ways import scored

    store = space.artifacts
    with footprint() as taken:
        said = _said(space, release, way, [example for _, example in examples], config) if examples else []
    corpus = ArtifactRef.of("corpus", store.manifest(sample.data).inputs["corpus"])
    answers = scored(examples, said, load_texts(store, corpus), Support(Rarity(load_index(store, release.index))))
    return WayReport(
        way=way or ROUTED,
        evaluation_set=sample.digest,
        answers=answers,
        memory_bytes=taken.memory_bytes,
        serving_bytes=_serving_bytes(store, release, way),
        card_bytes=taken.card_bytes,
    )


def _serving_bytes(store: ArtifactStore, release: Release, way: Way | None) -> int:
    chat = store.manifest(release.chat_model).n_bytes if way is not Way.RAG and release.chat_model else 0
    return chat if way is Way.CLOSED_BOOK else chat + search_models(release).n_bytes(store)


def _said(
    space: Workspace, release: Release, way: Way | None, examples: "list[ChatExample]", config: Config
) -> "list[Said]":
    """Open what answers, ask it, and let it go."""
    from rag.chat.model import ChatModel
    from rag.evaluation.ways import ask_chat_model, ask_engine

    if way is Way.CLOSED_BOOK and release.chat_model is not None:
        with space.device.held_for_card("asking the chat model"):
            model = ChatModel.load(space.artifacts.path(release.chat_model))
            return ask_chat_model(model, examples, config.chat.generation, config.chat.compare.timed)
    with measuring_engines(space, way, config) as engines, closing(engines.open(release, way)) as engine:
        return ask_engine(engine, examples)
