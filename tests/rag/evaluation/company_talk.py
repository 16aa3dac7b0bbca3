"""The small company in production, a chat model that knows two facts of each product, and what it is asked."""

import shutil

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.calibration import Calibration
from rag.chat.example import ExampleKind, Source
from rag.chat.extraction import example
from rag.config import ChatCompareConfig
from rag.corpus.artifact import corpus_artifact, load_texts
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.pairs.mined import LEARNED_FROM
from rag.pairs.pair import Split
from rag.profiles import Profile, load_config
from rag.releases import refresh_release
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import JARGON, PRODUCTS, write_company
from tests.rag.chat.tiny import save_tiny_chat

SMOKE = load_config(Profile.SMOKE)
SMOKE = SMOKE.model_copy(update={"chat": SMOKE.chat.model_copy(update={"compare": ChatCompareConfig()})})
TAUGHT, UNTAUGHT = 2, 0
"""Facts by their place: the warranty is known, the distance to the wall is not."""
WORDED = {
    Split.VALIDATION: "What is the warranty period of the {p}?",
    Split.EVALUATION: "For how many months does the {p} have a warranty?",
}
SURE = Calibration(confidences=(0.0, 1.0), expected=(0.0, 1.0), threshold=0.995)
"""Trusts what the chat model knows by heart."""


def said(place, fact):
    sentence, question = JARGON[fact]
    product = PRODUCTS[place]
    return question.format(p=product), sentence.format(p=product, n=10 + 7 * place + fact)


def open_company(folder):
    """Return a home with the eight documents in production."""
    space = Workspace.open(Settings(home=folder / "home", key_file=folder / "keyring.json"), create=True)
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(write_company(folder / "documents"))])
    ingest_uploads(space.artifacts, space.database, "default", uploads.uploads, SMOKE.chunking)
    refresh_release(space, "default", SMOKE)
    return space


def save_chat(folder):
    """Save a chat model that knows the taught facts, in whatever words they are asked for here."""
    known = {}
    for place, product in enumerate(PRODUCTS):
        question, answer = said(place, TAUGHT)
        known |= dict.fromkeys([question, *(words.format(p=product) for words in WORDED.values())], answer)
    return save_tiny_chat(folder, known, steps=250)


def talk(space):
    """Return the examples, and the corpus that their sources stand in."""
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    texts = {text.name: (doc_id, text.text) for doc_id, text in load_texts(space.artifacts, corpus).items()}
    examples = []
    for place, product in enumerate(PRODUCTS):
        for fact in (TAUGHT, UNTAUGHT):
            known = {"fact": f"{product}{fact}", "trained": fact == TAUGHT}
            question, answer = said(place, fact)
            doc_id, text = texts[f"{product.lower()}.md"]
            start = text.index(answer)
            at = {"char_start": start, "char_end": start + len(answer)}
            known["source"] = Source(doc_id=doc_id, document=f"{product.lower()}.md", **at)
            split = Split.TRAIN if fact == TAUGHT else Split.EVALUATION
            examples.append(example([question, answer], ExampleKind.QUESTION, split, **known))
            if fact == TAUGHT:
                for split, words in WORDED.items():
                    asked = [words.format(p=product), answer]
                    examples.append(example(asked, ExampleKind.VARIATION, split, **known))
        for split in WORDED:
            for asked in ("Who painted the {p} of the Louvre?", "Which river flows by {p}?"):
                unknown = [f"{asked.format(p=product)} ({split})", NOT_IN_DOCUMENTS]
                examples.append(example(unknown, ExampleKind.REFUSAL, split))
    return examples, corpus


def taught(space):
    """Store the examples as the conversations that a chat model was trained on."""
    examples, corpus = talk(space)

    def write(draft):
        draft.seal("examples.encrypted", "\n".join(each.model_dump_json() for each in examples).encode())
        return {LEARNED_FROM: sorted({each.source.doc_id for each in examples if each.source})}

    inputs = {"corpus": corpus.digest}
    return space.artifacts.build("chatdata", inputs=inputs, config=None, recipe=[], write=write, reads=[corpus])


def stored_chat(space, folder, data, grounded=True):
    """Store a saved model as a training on `data` does, with passages if `grounded`."""

    def write(draft):
        shutil.copytree(folder, draft.path, dirs_exist_ok=True)
        return {LEARNED_FROM: space.artifacts.facts(data)[LEARNED_FROM], "trained_on": {"grounded": int(grounded)}}

    inputs = {"base": "bundled@", "data": data.digest}
    return space.artifacts.build(
        "chatmodel", inputs=inputs, config={"folder": str(folder), "grounded": grounded}, recipe=[], write=write
    )
