"""What dies in the middle of a retraining, and how long it takes until the release is there all the same.

    python benchmarks/recovery.py [process worker both server]

Runs the example's retraining once undisturbed, in this process's own way, then once for each kind of death under
`ragloop up`, each on a copy of the same home, and compares what was promoted.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deployments.processes import marked_processes
from rag.device import Device

ROOT = Path(__file__).parents[1]
DEATHS = ("process", "worker", "both", "server")
PATIENCE_S = 1200.0


class Home:
    """One home, and the command that works on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.lock = folder, folder / "home", folder / "device.lock"
        self.environment = os.environ | {
            "RAGLOOP_HOME": str(self.home),
            "RAGLOOP_KEY_FILE": str(folder.parent / "keyring.json"),
            "RAGLOOP_DEVICE_LOCK": str(self.lock),
            "RAGLOOP_PROFILE": "cpu",
        }
        self.environment.pop("PREFECT_API_URL", None)

    def run(self, *arguments: str) -> str:
        """Run the command and return what it printed."""
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, check=True, text=True
        ).stdout

    def up(self) -> subprocess.Popen[str]:
        """Start `ragloop up` and wait until it is ready."""
        command = [sys.executable, "-m", "app.cli", "up"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if not any(line == "ready\n" for line in process.stdout):
            raise SystemExit("`ragloop up` did not become ready")
        return process

    def promoted(self) -> dict[str, Any]:
        """Return what serves: the digests of its parts, and its learned weight."""
        release = json.loads(self.run("releases", "show", "production", "--json"))
        parts = {name: release[name]["digest"] for name in ("embedder", "index")}
        return parts | release["answering"] | {"decision": release["verdict"] and release["verdict"]["verdict"]}


def survive(home: Home, death: str) -> dict[str, Any]:
    """Kill what `death` names at the first checkpoint; return the times, in seconds after the kill, and the result."""
    up = home.up()
    try:
        api = json.loads((home.home / "up.json").read_text())["api_url"]
        run_id = json.loads(home.run("retrain", "--remote", "--json"))["id"]
        _await(lambda: next(home.home.rglob("checkpoint-*/trainer_state.json"), None))
        holder = Device(home.lock).holder()
        parts = {each.part: each.process.pid for each in marked_processes(home.home) if each.flow_run is None}
        assert holder is not None
        victims = {"process": [holder.pid], "worker": [parts["gpu"]], "both": [parts["gpu"], holder.pid]}
        killed_at = time.time()
        for pid in victims.get(death, [parts["server"]]):
            os.kill(pid, signal.SIGKILL)
        run = _await(lambda: _ended(api, run_id))
        trained = _runs(api, "train-embedder")
        return {
            "killed": death,
            "attempts": len(trained),
            "trains again after s": round(_time(trained[-1]["start_time"]) - killed_at) if len(trained) > 1 else "-",
            "finished after s": round(_time(run["end_time"]) - killed_at),
            "ended": run["state"]["name"],
        }
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(120)


def main(deaths: list[str]) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory(prefix="ragloop-recovery-") as name:
        folder = Path(name)
        template = Home(folder / "undisturbed")
        template.folder.mkdir()
        template.run("ingest", str(ROOT / "examples" / "corpus"))
        template.run("pairs", "import", str(ROOT / "examples" / "chat_log.jsonl"))
        homes = {death: Home(folder / death) for death in deaths}
        for home in homes.values():
            shutil.copytree(template.folder, home.folder)
        began = time.monotonic()
        template.run("retrain")
        expected = template.promoted()
        print(f"undisturbed, without a server: {time.monotonic() - began:.0f} s; serves {expected}", flush=True)
        for death, home in homes.items():
            row = survive(home, death)
            row["same release"] = home.promoted() == expected
            print(json.dumps(row), flush=True)


def _ended(api: str, run_id: str) -> dict[str, Any] | None:
    run = httpx.get(f"{api}/flow_runs/{run_id}", timeout=30).json()
    return run if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None


def _runs(api: str, flow: str) -> list[dict[str, Any]]:
    found = httpx.post(f"{api}/flow_runs/filter", json={"flows": {"name": {"any_": [flow]}}}, timeout=30).json()
    return sorted(found, key=lambda run: str(run["created"]))


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _await(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("gave up waiting")


if __name__ == "__main__":
    main(sys.argv[1:] or list(DEATHS))
