"""An embedder exported to OpenVINO, which encodes several times as fast on a CPU; refused if it is not faithful."""

import hashlib
import importlib.util
import json
import logging
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rag.config import EncodingConfig
from rag.embedding.encoder import OUTPUTS, Batch, Encoder, Unit, load_sentence_transformer, plain_tokenizer
from rag.embedding.vectors import Vectors
from rag.errors import ConfigError, UnfaithfulEncoder
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

KIND = "encoder"
BATCH_TOKENS = 512
"""Few texts at a time: what a layer makes of them stays in a core's cache, and little of a batch is padding."""
NEIGHBOURS = 10

_NETWORK, _TOKENIZER = "network.xml", "tokenizer.json"
_beginning = Lock()


class Fidelity(NamedTuple):
    """How near an exported encoder is to the same encoder in fp32."""

    cosine: float
    """Mean over the sample texts."""
    overlap: float
    """Mean share of a text's ten nearest neighbours that stay."""


class OpenvinoNetwork:
    """The layers of an exported embedder, run by OpenVINO on all cores."""

    def __init__(self, folder: Path, precision: str = "bf16") -> None:
        """Open an export; `precision`, bf16 or f32, is what is not quantized is computed in.

        :raises ConfigError: if OpenVINO is not installed.
        """
        core = _core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            precision = "f32"
            logger.warning("this CPU has no bfloat16: encoding in float32")
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
        self._compiled = core.compile_model(folder / _NETWORK, "CPU", options)
        self._streams = self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self.dim: int = self._compiled.output(OUTPUTS["text"]).get_partial_shape()[1].get_length()

    def batch_size(self, n_tokens: int) -> int:
        """Return as many texts as have `BATCH_TOKENS` tokens together."""
        return max(1, BATCH_TOKENS // n_tokens)

    def run(self, batches: Iterable[Batch], units: Sequence[Unit]) -> Iterator[tuple[NDArray[np.float32], ...]]:
        """Yield as `Network` says; one batch on each stream at a time."""
        idle = [self._compiled.create_infer_request() for _ in range(self._streams)]
        busy: deque[Any] = deque()
        for batch in batches:
            if not idle:
                yield self._finished(busy[0], units)
                idle.append(busy.popleft())
            request = idle.pop()
            request.start_async({"input_ids": batch.ids, "attention_mask": batch.mask})
            busy.append(request)
        for request in busy:
            yield self._finished(request, units)

    def _finished(self, request: Any, units: Sequence[Unit]) -> tuple[NDArray[np.float32], ...]:
        request.wait()
        return tuple(np.array(request.get_tensor(OUTPUTS[unit]).data, dtype=np.float32) for unit in units)


def exported_encoder(store: ArtifactStore, embedder: ArtifactRef, config: EncodingConfig) -> ArtifactRef:
    """Return an embedder's export, checked against the embedder on sample passages.

    :raises ConfigError: if OpenVINO or, for int8, NNCF is not installed.
    :raises UnfaithfulEncoder: if the export's vectors are too far from the embedder's.
    """

    def write(draft: Draft) -> dict[str, Any]:
        fidelity = export(store.path(embedder), draft.path, config, sample_passages())
        return {"cosine": round(fidelity.cosine, 5), "top10_overlap": round(fidelity.overlap, 4)}

    return store.build(
        KIND,
        inputs={"embedder": embedder.digest, "samples": _digest(sample_passages())},
        config=config,
        recipe=["rag.embedding.openvino"],
        write=write,
        quietly=True,
    )


def export(embedder: Path, target: Path, config: EncodingConfig, samples: Sequence[str]) -> Fidelity:
    """Write an embedder's network and tokenizer to the folder `target`; return its fidelity on the samples.

    :raises ConfigError: as `exported_encoder`.
    :raises UnfaithfulEncoder: if cosine or overlap is below its bound.
    """
    openvino = _openvino()
    if config.engine == "openvino-int8":
        _require("nncf")
    network, tokenizer = _traced(embedder)
    tokenizer.save(str(target / _TOKENIZER))
    if config.engine == "openvino-int8":
        network = _quantized(network, tokenizer, samples)
    openvino.save_model(network, target / _NETWORK, compress_to_fp16=False)
    found = fidelity(reference_vectors(embedder, samples), _vectors(target, samples))
    if found.cosine < config.min_cosine or found.overlap < config.min_overlap:
        raise UnfaithfulEncoder(
            f"{config.engine} changes this embedder too much: cosine {found.cosine:.5f} (bound {config.min_cosine}), "
            f"top-10 overlap {found.overlap:.3f} (bound {config.min_overlap}): set encoding.engine to torch"
        )
    logger.info("exported to %s: cosine %.5f, top-10 overlap %.3f", config.engine, *found)
    return found


def fidelity(reference: Vectors, vectors: Vectors) -> Fidelity:
    """Compare two encodings, float32 (n, dim), of the same texts, each a query against all the others."""
    near, other = (_neighbours(each) for each in (reference, vectors))
    shared = [len(set(a) & set(b)) / len(a) for a, b in zip(near, other, strict=True)]
    return Fidelity(float(np.sum(reference * vectors, axis=1).mean()), float(np.mean(shared)))


def reference_vectors(embedder: Path, texts: Sequence[str]) -> Vectors:
    """Return float32 (len(texts), dim), L2-normalized: sentence-transformers in fp32 on the CPU, with its defaults."""
    model: Any = load_sentence_transformer(embedder, query_prompt="").to("cpu")
    vectors: Vectors = model.encode(list(texts), show_progress_bar=False, normalize_embeddings=True)
    return vectors


@cache
def sample_passages() -> list[str]:
    """Return the passages of the general set that ships with the package."""
    lines = (Path(__file__).parents[1] / "evaluation" / "general.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["passage"] for line in lines]


def _traced(embedder: Path) -> tuple[Any, Tokenizer]:
    """Return an embedder, pooling and all, as an OpenVINO model with named outputs, and its tokenizer."""
    import torch

    model: Any = load_sentence_transformer(embedder, query_prompt="").to("cpu").eval()

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: "torch.Tensor", attention_mask: "torch.Tensor") -> tuple["torch.Tensor", ...]:
            out = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return tuple(out[name] for name in OUTPUTS.values())

    padded = model.tokenizer(["one text", "and a longer one beside it"], padding=True, return_tensors="pt")
    example = {name: padded[name] for name in ("input_ids", "attention_mask")}
    with warnings.catch_warnings(), _transformers_silent():
        warnings.simplefilter("ignore")  # tracing warns of branches on shapes; what they do to vectors is checked after
        network = _openvino().convert_model(Layers(), example_input=example)
    for output, name in zip(network.outputs, OUTPUTS.values(), strict=True):
        output.get_tensor().set_names({name})
    return network, plain_tokenizer(model)


@contextmanager
def _transformers_silent() -> Iterator[None]:
    """Keep the library from warning of a loss that the tracer looks at and nobody asks for."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _quantized(network: Any, tokenizer: Tokenizer, samples: Sequence[str]) -> Any:
    """Return the network in int8 with smoothed activations (Xiao et al. 2023).

    The second layer of each feed-forward block stays as it is: its few large inputs cost most of the overlap.
    """
    import nncf

    def features(text: str) -> dict[str, NDArray[np.int64]]:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    logging.getLogger("nncf").setLevel(logging.WARNING)
    with redirect_stdout(sys.stderr):
        return nncf.quantize(
            network,
            nncf.Dataset(list(samples), features),
            subset_size=len(samples),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(patterns=[r".*layer\.\d+\.output\.dense.*"], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=0.5)
            ),
        )


def _vectors(export: Path, texts: Sequence[str]) -> Vectors:
    return Encoder(export, network=OpenvinoNetwork(export)).encode_passages(texts)


def _neighbours(vectors: Vectors) -> NDArray[np.int64]:
    """Return int64 (n, at most 10), the nearest others of each row."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    return np.argsort(-similar, axis=1)[:, : min(NEIGHBOURS, len(vectors) - 1)]


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        name = "ragloop[int8]" if package == "nncf" else package
        raise ConfigError(f"encoding.engine needs {package}, which is not installed: pip install '{name}'")


def _core() -> Any:
    """Return the process's engine, the only one, which is never freed.

    It gives the thread that it begins in a signal stack. Freed in another thread (garbage is collected in any), it
    would take the memory away and leave the stack in use, and the next signal would kill the process.
    """
    with _beginning:
        return _begun()


@cache
def _begun() -> Any:
    return _openvino().Core()


def _openvino() -> Any:
    _require("openvino")
    # Without this the import alone reports itself to its makers; both libraries have stubs for its absence.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
