"""Documents -> chat model."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import ArtifactUri, CollectionName, ProfileName, stage_config, stage_name
from rag.chat.serving import ChatCandidate
from tasks.chat import check_chat_training, extract_chat_data, finetune_chat_model, record_chat_candidate
from tasks.publishing import publish_chat_model


@flow(flow_run_name=stage_name)
def train_chat(
    collection: CollectionName = "default", profile: ProfileName = None, data: ArtifactUri = None
) -> ChatCandidate:
    """Teach a chat model what the documents say, and record it, with what serves, as a candidate."""
    config = stage_config(profile)
    check_chat_training(collection, config.chat.training)
    conversations = extract_chat_data(collection, data, config)
    model = finetune_chat_model(conversations, config.chat.training)
    candidate = record_chat_candidate(collection, model, config)
    publish_chat_model(candidate, collection)
    return announced(candidate)
