"""The checks of what has to be there before anything runs."""

from app.doctor import elsewhere, here
from app.doctor.configured import config_of
from app.doctor.finding import Check
from rag.settings import Settings


def standing_checks(settings: Settings) -> dict[str, Check]:
    """Return them by name, in the order in which they are told."""
    return {
        "python": here.python,
        "packages": lambda: here.packages(settings),
        "configuration": lambda: here.configuration(settings),
        "home and key": lambda: here.home(settings),
        "disk": lambda: here.disk(settings),
        "artifacts": lambda: elsewhere.artifacts(settings),
        "models": lambda: elsewhere.models(settings),
        "language model": lambda: elsewhere.language_model(settings, config_of(settings)),
        "judge": lambda: elsewhere.judge(settings, config_of(settings)),
        "task runner": lambda: elsewhere.task_runner(settings.task_runner, settings.task_runner_address),
        "card": lambda: here.card(settings.profile),
    }
