"""A training that can be told to end: behind its step it writes a checkpoint, from which the next run goes on.

The training runs in a thread and the main thread waits for it. So every signal handler stays in place (Prefect
acknowledges a cancellation only while the SIGTERM handler is its own), and whatever one raises in the waiting thread (a
termination, Ctrl-C, a time limit) ends the training between two steps and never within one.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from transformers import TrainerCallback

logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Left(Exception):
    """An evaluation was left because the training is to end."""


class _Terminated(BaseException):
    """SIGTERM reached a process that has no handler for it."""


def train_interruptibly(trainer: Any, resume: Path | None) -> Any:
    """Train from the checkpoint `resume`, or from the start; return the trainer's output.

    What is raised in the main thread meanwhile ends the training: a complete checkpoint of the step reached is written,
    then it is raised on. SIGTERM without a handler ends the process likewise. Called in another thread than the main
    one, nothing is intercepted.
    """
    ending = threading.Event()
    trainer.add_callback(_EndAtStep(trainer, ending))
    leave = trainer.model.register_forward_pre_hook(lambda model, _: _leave_evaluation(model, ending))

    def train() -> Any:
        try:
            return trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except _Left:
            if resume is None or resume.name != f"checkpoint-{trainer.state.global_step}":
                trainer._save_checkpoint(trainer.model, trial=None)
            return None

    try:
        return _beside_main(train, ending)
    finally:
        leave.remove()


class _EndAtStep(TrainerCallback):  # type: ignore[misc]
    """Saves and stops behind the step in which the end was asked for."""

    def __init__(self, trainer: Any, ending: threading.Event) -> None:
        self._trainer = trainer
        self._ending = ending

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Make up for the evaluation that an interrupted run left, so that the best step is found all the same."""
        step = state.global_step
        due = step > 0 and (step % state.eval_steps == 0 or step == state.max_steps)
        if not due or any(row["step"] == step and args.metric_for_best_model in row for row in state.log_history):
            return
        if self._trainer._determine_best_metric(self._trainer.evaluate(), trial=None):
            state.best_model_checkpoint = str(Path(args.output_dir, f"checkpoint-{step}"))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop if the end was asked for; log with every save, so that a resumed run's losses have no gap.

        An evaluation that is due still begins: it draws a random number, and is left at its first batch.
        """
        if self._ending.is_set():
            control.should_save = control.should_training_stop = True
        if control.should_save:
            control.should_log = True


def _leave_evaluation(model: Any, ending: threading.Event) -> None:
    if ending.is_set() and not model.training:
        raise _Left


def _beside_main(work: Callable[[], T], ending: threading.Event) -> T:
    """Return what `work` does in a thread; what is raised in this one sets `ending`, and goes on behind its end."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome: Future[T] = Future()
    ended: SimpleQueue[None] = SimpleQueue()  # Thread.join forgets a running thread when a signal handler raises
    with _sigterm_raises():
        threading.Thread(
            target=copy_context().run, args=(_settle, work, outcome, ended), name="training", daemon=True
        ).start()
        if interruption := _await_end(outcome, ended, ending):
            if error := outcome.exception():
                logger.warning("the training ended without a checkpoint of its last step: %s", error)
            raise interruption
    return outcome.result()


def _settle(work: Callable[[], T], outcome: "Future[T]", ended: "SimpleQueue[None]") -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:
        outcome.set_exception(error)
    ended.put(None)


def _await_end(outcome: "Future[T]", ended: "SimpleQueue[None]", ending: threading.Event) -> BaseException | None:
    """Wait for the outcome; return what was raised here meanwhile and told the training to end, if anything.

    A second signal to end changes nothing wherever it strikes, hence all that follows the first is done within the
    same `try`; but Ctrl-C then leaves at once.
    """
    first: BaseException | None = None
    while True:
        try:
            if first is not None:
                ending.set()
                logger.info("told to end (%s): writing a checkpoint first", type(first).__name__.lstrip("_"))
            while not outcome.done():
                ended.get()
            return first
        except BaseException as interruption:
            if first is not None and isinstance(interruption, KeyboardInterrupt):
                raise
            first = first or interruption


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise where it would kill at once, and kill at the end."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    told = False

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:  # a second one could strike just where the first is dealt with
            told = True
            raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
