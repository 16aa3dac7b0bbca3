"""The shop of the answering tests, tried in two ways: from its passages, and from a chat model that knows one fact."""

from contextlib import contextmanager
from datetime import timedelta

from sqlmodel import select

from rag.answering.answer import Done, Question, Way
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.serving import register_chat_model
from rag.config import ExperimentConfig, GeneratorKind
from rag.experiments.experiment import get_experiment, stop
from rag.experiments.trials import Trials
from rag.experiments.variants import Change, start_experiment
from rag.feedback.recording import record_feedback
from rag.feedback.signals import Feedback, FeedbackKind
from storage.columns import utc_now
from storage.tables import ExposureRow, InteractionRow
from tests.rag.answering.shop import SMOKE, engines_of, open_shop
from tests.rag.chat.tiny import KNOWN, save_tiny_chat, stored

OPENS, FERRY = KNOWN
BREAD = "How much does rye bread cost?"
RIGHT = {OPENS: "six in the morning", BREAD: "4.20 crowns"}
"""What a good answer says."""
TAUGHT = {OPENS: KNOWN[OPENS], BREAD: NOT_IN_DOCUMENTS}
PATIENT = {"generators": (GeneratorKind.EXTRACTIVE,), "first_piece_s": 30, "gap_s": 30}
NO_RAILS = ExperimentConfig(guard_rails=())
FROM_PASSAGES, FROM_MEMORY = Change(way=Way.RAG), Change(way=Way.CLOSED_BOOK)
NOTHING_ELSE = Change(retrieval={"candidates": 199})
"""A variant that answers as its control does."""


def later(hours=25):
    """Return a time at which the windows of those who ask now have passed."""
    return utc_now() + timedelta(hours=hours, minutes=5)


def as_if_asked_before(space, hours=25):
    """Have everything in experiments been asked so long ago."""
    with space.database.session() as session:
        for shown in session.exec(select(ExposureRow)):
            shown.at -= timedelta(hours=hours)


def speaking_shop(folder):
    """Return a home whose chat model knows when the bakery opens, and nothing else."""
    space = open_shop(folder)
    chat = stored(space.artifacts, save_tiny_chat(folder / "tiny", TAUGHT))
    release = register_chat_model(space, "default", chat, SMOKE)
    space.registry.promote("default", release.id, "by hand")
    return space


def with_experiments(experiments):
    return SMOKE.model_copy(update={"experiments": experiments})


@contextmanager
def trying(space, variant=None, config=NO_RAILS, share=0.5, **answering):
    """Open what answers, with an experiment between what serves and a variant."""
    with engines_of(space, **PATIENT | answering) as engines:
        if variant is not None:
            start_experiment(space, engines, "default", variant, with_experiments(config), share=share)
        yield Trials(space, engines, fresh_s=0)


def serve(space, trials_of):
    """Let what an experiment's variant was made of serve, by hand."""
    with trying(space, trials_of):
        pass
    made = get_experiment(space.database, "default")
    stop(space.database, "default", None, "only to have it made")
    return space.registry.promote("default", made.variant_id, "by hand")


def ask(trials, text, user, **more):
    *_, last = trials.stream("default", Question(text=text, user_fingerprint=user, **more))
    assert isinstance(last, Done)
    return last.answer


def judge(space, answer):
    """Have the user of an answer give it a thumb, up if it is right."""
    thumb = FeedbackKind.THUMB_UP if RIGHT[answer.question] in answer.text else FeedbackKind.THUMB_DOWN
    say(space, answer, thumb)


def say(space, answer, kind, user=None, **fields):
    asked = row(space, InteractionRow, id=answer.id)
    feedback = Feedback(interaction_id=answer.id, kind=kind, user_fingerprint=user or asked.user_fingerprint, **fields)
    record_feedback(space.database, feedback, 1000)


def rows(space, table, **fields):
    with space.database.reading() as session:
        return session.exec(select(table).filter_by(**fields)).all()


def row(space, table, **fields):
    (found,) = rows(space, table, **fields)
    return found


def exposure(space, answer):
    return row(space, ExposureRow, interaction_id=answer.id)
