"""Documents -> chat model -> verdict."""

from prefect import flow

from flows.compare_chat import judge_chat
from flows.dispatch import announced
from flows.outcome import ChatOutcome, completed
from flows.parameters import ArtifactUri, CollectionName, ProfileName, stage_config, stage_name
from tasks.chat import (
    calibrate_chat_model,
    chat_already_settled,
    check_chat_training,
    choose_questions,
    extract_chat_data,
    finetune_chat_model,
    record_chat_candidate,
)
from tasks.evaluation import production_release, release_documents
from tasks.publishing import publish_chat_model


@flow(flow_run_name=stage_name)
def train_chat(
    collection: CollectionName = "default", profile: ProfileName = None, data: ArtifactUri = None
) -> ChatOutcome:
    """Teach a chat model what the documents say, and let it serve only if answers are proven better with it."""
    config = stage_config(profile)
    check_chat_training(collection, data, config.chat.training)

    # Learn what the documents say, and how far what was learned can be trusted.
    conversations = extract_chat_data(collection, data, config)
    model = finetune_chat_model(collection, conversations, config.chat.training)
    questions = choose_questions(collection, conversations, config)
    base = production_release(collection)
    router = calibrate_chat_model(base, model, questions, config)
    candidate = record_chat_candidate(base, model, router, config)
    publish_chat_model(candidate, model)

    # Only what is proven better, on the same questions, may serve; then also with what was ingested meanwhile.
    nothing_new = chat_already_settled(collection, candidate, questions, config)
    verdict = None if nothing_new else judge_chat(collection, candidate, questions, config)
    release_documents(collection, config)
    outcome = ChatOutcome(release_id=candidate.id, verdict=verdict, nothing_new=nothing_new, model=model)
    return completed(announced(outcome))
