"""The doctor's checks of this machine: the Python, the packages, the home, the disk, the card."""

import os
import platform
import shlex
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from app.doctor.configured import config_of
from app.doctor.finding import Finding, State
from rag.profiles import Profile, detect_profile
from rag.settings import Settings

NEEDED_MB = 3 * 1024
"""What a retraining of embedder and chat model needs on the disk, with its checkpoints."""
_OTHER_HOME = "make room or give write access, or choose another home with RAGLOOP_HOME"
_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def python() -> Finding:
    """Look whether this Python is one that the package takes."""
    from packaging.specifiers import SpecifierSet

    needed = metadata.metadata("ragloop")["Requires-Python"]
    if platform.python_version() not in SpecifierSet(needed):
        return Finding(
            State.MISSING, f"{platform.python_version()}, needed is {needed}", "make setup PYTHON=python3.11"
        )
    return Finding(State.OK, platform.python_version())


def packages(settings: Settings) -> Finding:
    """Look for each package that is needed, in a version that fits."""
    from packaging.requirements import Requirement

    extras, wrong = {"", *_extras(settings)}, {}
    for needed in map(Requirement, metadata.requires("ragloop") or ()):
        if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        try:
            there = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            there = None
        if there is None or not needed.specifier.contains(there, prereleases=True):
            which = f"{needed.name}{f'[{extra}]' if (extra := ','.join(needed.extras)) else ''}{needed.specifier}"
            wrong[which] = f"{needed.name} {there or 'is missing'}"
    if wrong:
        pins = ["-c", str(_CONSTRAINTS)] if _CONSTRAINTS.is_file() else []
        mend = shlex.join([sys.executable, "-m", "pip", "install", *pins, *wrong])
        return Finding(State.MISSING, "; ".join(wrong.values()), mend)
    return Finding(State.OK, "all there, in versions that fit")


def _extras(settings: Settings) -> set[str]:
    """Return the extras of the package that the settings ask for."""
    wanted = {
        "postgres": (settings.database_url or "").startswith("postgres"),
        "s3": (settings.artifact_root or "").startswith("s3://"),
        settings.task_runner.value: True,
    }
    return {extra for extra, asked in wanted.items() if asked}


def configuration(settings: Settings) -> Finding:
    """Look whether a run here would have all that its configuration asks for."""
    from rag.preflight import require_means

    require_means(settings, config_of(settings))
    profile = settings.profile or f"{detect_profile()}, fitted to the machine"
    file = f"{settings.config} over it" if settings.config else "no file over it"
    return Finding(State.OK, f"profile {profile}; {file}")


def home(settings: Settings) -> Finding:
    """Look whether the home and its key can be used, or a home be made."""
    from rag.workspace import Workspace
    from storage.migrations import HEAD

    home = settings.home.expanduser().absolute()
    if settings.database_url is None and not (home / "home.json").exists():  # to open it would be to make it
        folder = next(each for each in (home, *home.parents) if os.path.lexists(each))
        what = f"no home yet at {home}"
        if reason := unwritable(folder):
            return Finding(State.MISSING, f"{what}, and {folder} cannot be written ({reason})", _OTHER_HOME)
        return Finding(State.NOTE, f"{what}; {folder} can be written", "ragloop ingest PATH")
    space = Workspace.open(settings)
    if reason := unwritable(space.home):
        return Finding(State.MISSING, f"{space.home} cannot be written ({reason})", _OTHER_HOME)
    key = "RAGLOOP_KEYRING" if settings.keyring else f"{settings.key_file}, for its owner alone"
    return Finding(State.OK, f"{space.home} can be written; tables at revision {HEAD}; key in {key}")


def unwritable(folder: Path) -> str | None:
    """Say why nothing can be written in a folder; None if something can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"ragloop doctor")
    except OSError as error:
        return error.strerror
    return None


def disk(settings: Settings) -> Finding:
    """Look whether a retraining has room in the home."""
    home = settings.home.expanduser().absolute()
    folder = next(each for each in (home, *home.parents) if each.is_dir())
    free_mb = shutil.disk_usage(folder).free // 2**20
    what = f"{free_mb / 1024:.1f} GB free at {folder}, {NEEDED_MB / 1024:.1f} needed"
    if free_mb < NEEDED_MB:
        return Finding(State.MISSING, what, "make room, or choose another home with RAGLOOP_HOME")
    return Finding(State.OK, what)


def card(profile: Profile | None) -> Finding:
    """Look for a card as `detect_profile` does; only where there is one is torch imported, which may not fit it."""
    cores = f"{os.cpu_count()} cores"
    if detect_profile() is Profile.CPU:
        without = f"none: trainings run on {cores}; models in 4 bit are slow"
        if profile in (Profile.GPU_6GB, Profile.GPU_16GB):
            return Finding(
                State.NOTE, f"{without}; RAGLOOP_PROFILE={profile} is made for a card", "unset RAGLOOP_PROFILE"
            )
        return Finding(State.NOTE, without)
    import torch

    if not torch.cuda.is_available():
        what = f"the driver shows one, and torch {torch.__version__} cannot use it: trainings run on {cores}"
        return Finding(State.NOTE, what, "install the build of torch for your driver: https://pytorch.org/get-started")
    free, total = (size / 2**30 for size in torch.cuda.mem_get_info())
    what = f"{torch.cuda.get_device_name()}: {free:.1f} of {total:.1f} GB free"
    try:
        import bitsandbytes

        bitsandbytes.functional.quantize_4bit(torch.zeros(64, device="cuda"))
    except Exception as error:  # its library for this card is loaded by hand, and fails in ways of its own
        mend = shlex.join([sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps", "bitsandbytes"])
        return Finding(
            State.NOTE, f"{what}; no models in 4 bit, since bitsandbytes fails ({type(error).__name__})", mend
        )
    return Finding(State.OK, f"{what}; models in 4 bit work")
