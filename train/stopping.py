"""SIGTERM and Ctrl-C end a training after the running step, with a checkpoint that the same command goes on from."""

from __future__ import annotations

import signal
import sys
from contextlib import AbstractContextManager
from types import FrameType

from accelerate import Accelerator
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wijha.signals import handled


class StopOnSignal(TrainerCallback):
    """Saves after the step in which a signal came and leaves with exit code 128 + its number: 143, or 130 for Ctrl-C.

    Several processes stop after the same step, whichever of them was signalled.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.received: signal.Signals | None = None
        self.agreed = False

    def listening(self) -> AbstractContextManager[None]:
        """Handles the signals while it lasts; one that is ignored stays ignored."""
        return handled(self._receive)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object
    ) -> None:
        """Ask for a checkpoint, but not after an epoch's last step: its evaluation and its own checkpoint follow."""
        if not state.epoch.is_integer() and self.stopping():
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        """Leave once the checkpoint is written."""
        self.leave_if_asked(state)

    def leave_if_asked(self, state: TrainerState) -> None:
        """One sentence and SystemExit when any process was signalled."""
        if not self.stopping():
            return
        number = self.received or signal.SIGTERM
        if state.is_world_process_zero:
            saved = f"step {state.global_step} of {state.max_steps} is saved"
            tqdm.write(f"stopped by {number.name}: {saved}; run the same command again to go on", file=sys.stderr)
        raise SystemExit(128 + number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)

    def stopping(self) -> bool:
        """Whether any process was signalled; asked by all of them at the same step."""
        if self.received:
            self.accelerator.set_trigger()
        self.agreed = self.agreed or self.accelerator.check_trigger()
        return self.agreed
