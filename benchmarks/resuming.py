"""Whether a chat model's training that was killed goes on as if nothing had happened.

    python benchmarks/resuming.py                                       # 160 steps, docs/resuming.png
    python benchmarks/resuming.py --steps 40 --picture here.png
    python benchmarks/resuming.py --tensorboard docs/tensorboard.png    # also what TensorBoard shows; needs chromium

The example's documents are ingested and made into conversations once; on copies of that home a chat model is trained
undisturbed, and once more in a process that gets SIGKILL behind its second checkpoint and is started again.
"""

import argparse
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from rag.evaluation.pictures import DPI, GAINED, GRAY, INK, LOST, RULE

ROOT = Path(__file__).parents[1]
LOSSES = {"train/loss": "training loss", "eval/loss": "validation loss"}
SHOWN = (*LOSSES, "train/learning_rate")
PATIENCE_S = 600.0
BROWSER = (
    "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --window-size=1860,620 --virtual-time-budget=20000"
).split()

Curve = dict[int, float]
"""Values by step."""


class Home(NamedTuple):
    """A home, and what is trained in it."""

    folder: Path
    data: str
    steps: int

    def start(self) -> subprocess.Popen[bytes]:
        """Train in a process of its own."""
        command = [sys.executable, __file__, "--train", self.data, "--steps", str(self.steps)]
        return subprocess.Popen(command, cwd=ROOT, env=_environment(self.folder))

    def model(self) -> Path:
        """Return the folder of what was trained."""
        (manifest,) = (self.folder / "home" / "artifacts" / "chatmodel").glob("*/manifest.json")
        return manifest.parent

    def checkpoints(self) -> set[str]:
        """Return the names of the checkpoints that are complete."""
        states = (self.folder / "home" / "artifacts" / ".scratch").glob("*/checkpoint-*/trainer_state.json")
        return {state.parent.name for state in states}


def main() -> None:
    """Train three times, print how far the results lie apart, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=160, help="of each training")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "resuming.png")
    parser.add_argument("--tensorboard", type=Path, help="where a picture of TensorBoard goes")
    parser.add_argument("--train", metavar="DATA", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.train:
        train(chosen.train, chosen.steps)
        return
    with tempfile.TemporaryDirectory(prefix="ragloop-resuming-") as name:
        template = Path(name, "template")
        data = conversations(template)
        whole, killed = (Home(Path(name, run), data, chosen.steps) for run in ("undisturbed", "killed"))
        for home in (whole, killed):
            shutil.copytree(template, home.folder)

        began = time.monotonic()
        _finish(whole.start())
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
        kill_behind_second_checkpoint(killed)
        _finish(killed.start())
        step = json.loads((killed.model() / "manifest.json").read_bytes())["facts"]["training"]["resumed_from_step"]
        print(f"killed, and started again: it went on from step {step}", flush=True)

        (expected,), (lost, resumed) = curves(whole.model()), curves(killed.model())
        report(whole.model(), killed.model(), expected, {tag: lost.get(tag, {}) | resumed[tag] for tag in resumed})
        chosen.picture.write_bytes(picture(expected, lost, resumed))
        if chosen.tensorboard:
            screenshot(whole.model() / "runs", chosen.tensorboard)


def conversations(folder: Path) -> str:
    """Ingest the example into a new home, make conversations of it, and return where they are."""
    os.environ |= _environment(folder)
    from rag.chat.data_artifact import chat_data_artifact
    from rag.corpus.ingestion import ingest_uploads, seal_uploads
    from rag.profiles import load_config
    from rag.settings import Settings
    from rag.workspace import Workspace

    few = {"chat": {"data": {"pairs_per_chunk": 1, "variations": 4}}}
    space, config = Workspace.open(Settings(), create=True), load_config("cpu", overrides=few)
    intake = seal_uploads(space.artifacts, space.database, "default", [str(ROOT / "examples" / "corpus")])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, config.chunking)
    return chat_data_artifact(space, "default", config).uri


def train(data: str, steps: int) -> None:
    """Train as `ragloop chat train` does, but so many steps."""
    from rag.chat.artifact import chat_model_artifact
    from rag.profiles import load_config
    from rag.settings import Settings
    from rag.workspace import Workspace
    from storage.artifacts import ArtifactRef

    short = {"max_steps": steps, "patience": 0, "question_encoder": {"max_steps": 8, "checkpoints": 1}}
    space, config = Workspace.open(Settings()), load_config("cpu", overrides={"chat": {"training": short}})
    chat_model_artifact(
        space.artifacts, space.settings.models, ArtifactRef.parse(data), config.chat.training, space.device
    )


def kill_behind_second_checkpoint(home: Home) -> None:
    """Start a training and kill it a second behind its second checkpoint, so that steps are lost."""
    process = home.start()
    seen: set[str] = set()
    end = time.monotonic() + PATIENCE_S
    try:
        while len(seen) < 2:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the training ended before its second checkpoint: give more --steps")
            seen |= home.checkpoints()
            time.sleep(0.02)
        time.sleep(1.0)
    finally:
        process.kill()
        process.wait()


def curves(model: Path) -> list[dict[str, Curve]]:
    """Return what each process that trained a model wrote down, by tag, in the order of their begin."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    written: list[tuple[float, dict[str, Curve]]] = []
    for file in (model / "runs").rglob("events.out.tfevents.*"):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        tags = {tag for tag in SHOWN if tag in events.Tags()["scalars"]}
        found = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in tags}
        if found:
            written.append((events.FirstEventTimestamp(), found))
    return [found for _, found in sorted(written, key=lambda each: each[0])]


def report(whole: Path, resumed: Path, expected: dict[str, Curve], got: dict[str, Curve]) -> None:
    """Print the largest difference of each loss, and of any weight."""
    from safetensors.numpy import load_file

    for tag, name in LOSSES.items():
        assert expected[tag].keys() == got[tag].keys(), f"{name}: not the same steps"
        apart = max(abs(value - got[tag][step]) for step, value in expected[tag].items())
        print(f"{name}: {len(expected[tag])} points, largest difference {apart:.2g}")
    apart = max(
        float(np.abs(ours - load_file(resumed / file.relative_to(whole))[name]).max())
        for file in whole.rglob("*.safetensors")
        for name, ours in load_file(file).items()
    )
    print(f"weights: largest difference {apart:.2g}")


def picture(expected: dict[str, Curve], lost: dict[str, Curve], resumed: dict[str, Curve]) -> bytes:
    """Return a PNG: both losses of the undisturbed run, and over them those of the one that was killed."""
    room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(9.6, 4.2), dpi=DPI, facecolor="white", layout=room)
    figure.suptitle("A training that was killed goes on", x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    killed_at, goes_on_at = max(lost["train/loss"]), min(resumed["train/loss"])
    for axes, (tag, name) in zip(figure.subplots(1, 2), LOSSES.items(), strict=True):
        for curve, label, style in (
            (expected, "undisturbed", {"color": GRAY, "linewidth": 6, "alpha": 0.45}),
            (lost, "until SIGKILL", {"color": LOST, "linewidth": 2, "linestyle": "--", "marker": "."}),
            (resumed, "started again", {"color": GAINED, "linewidth": 1.5, "marker": "."}),
        ):
            axes.plot([*curve.get(tag, {})], [*curve.get(tag, {}).values()], label=label, **style)
        axes.axvspan(goes_on_at, killed_at, color=RULE, zorder=0)
        axes.set_title(name, loc="left", fontsize=10, color=INK)
        axes.set_xlabel("step", color=INK)
        axes.grid(axis="y", color=RULE)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelsize=9.5, colors=INK)
        axes.spines[:].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def screenshot(runs: Path, target: Path) -> None:
    """Save what TensorBoard shows of a training, in a browser without a window."""
    pinned = ",".join(f'{{"plugin":"scalars","tag":"{tag}"}}' for tag in SHOWN)
    with tensorboard(runs) as url, tempfile.TemporaryDirectory() as profile:
        page = httpx.URL(url, params={"pinnedCards": f"[{pinned}]", "smoothing": "0", "darkMode": "false"})
        shot = [f"--user-data-dir={profile}", f"--screenshot={target.absolute()}", f"{page}#timeseries"]
        try:
            subprocess.run([*BROWSER, *shot], check=True, capture_output=True, timeout=120)
        except FileNotFoundError:
            raise SystemExit("no chromium: install the Debian package of that name") from None


@contextmanager
def tensorboard(runs: Path) -> Iterator[str]:
    """Serve a training's curves on a free port of this machine; yields the address once they are read."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--load_fast", "false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + 120
        while not _has_read(url):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit("TensorBoard did not start")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait()


def _has_read(url: str) -> bool:
    try:
        tags = httpx.get(f"{url}data/plugin/scalars/tags", timeout=30).json()
    except (httpx.TransportError, ValueError):
        return False
    return {*SHOWN} <= {tag for run in tags.values() for tag in run}


def _environment(folder: Path) -> dict[str, str]:
    own = {"HOME": folder / "home", "KEY_FILE": folder / "keyring.json", "DEVICE_LOCK": folder / "device.lock"}
    return os.environ | {f"RAGLOOP_{name}": str(path) for name, path in own.items()} | {"RAGLOOP_MODELS": "bundled"}


def _finish(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.wait(PATIENCE_S):
            raise SystemExit("the training failed")
    finally:
        process.kill()


if __name__ == "__main__":
    main()
