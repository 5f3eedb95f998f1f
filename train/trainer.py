"""The Trainer of fine-tuning: our order and learning rates, checkpoints that survive, steps that fit into memory."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import TrainOutput

from train.checkpoints import damage, drop_old, epochs_done, room_for, training_ended, write_manifest
from train.config import FinetuneConfig
from train.model import parameter_groups
from train.progress import Bar, EpochLine
from train.sampler import LengthGroupedSampler
from train.stopping import StopOnSignal
from wijha.errors import InputError


class TopicTrainer(Trainer):
    """Trains by `config`; a run that was killed or stopped goes on to the weights that it would have had."""

    def __init__(self, config: FinetuneConfig, **arguments: object) -> None:
        self.config = config
        super().__init__(**arguments)
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
        self.sampler = LengthGroupedSampler(lengths, config.batch, config.seed)
        self.micro_batch = self.args.per_device_train_batch_size
        self.stop = StopOnSignal(self.accelerator)
        for said in (PrinterCallback, ProgressCallback):
            self.remove_callback(said)
        for callback in (EpochOrder(self.sampler), EpochLine(), *([] if self.args.disable_tqdm else [Bar()])):
            self.add_callback(callback)
        self.add_callback(self.stop)

    def train(self, resume_from_checkpoint: Path | None = None) -> TrainOutput:
        """Train to the end, from a checkpoint where one is given.

        Raises SystemExit after a signal, InputError when a checkpoint finds no space.
        """
        if resume_from_checkpoint and training_ended(resume_from_checkpoint):
            self.args.num_train_epochs = round(epochs_done(resume_from_checkpoint))  # else it would train one more
        try:
            with self.stop.listening():
                result = super().train(resume_from_checkpoint and str(resume_from_checkpoint))
                self.stop.leave_if_asked(self.state)
                return result
        finally:
            self._close_bar()

    def _close_bar(self) -> None:
        """So that a sentence on why training ended stands on a line of its own."""
        for callback in self.callback_handler.callbacks:
            if bar := getattr(callback, "training_bar", None):
                bar.close()

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], cells: torch.Tensor | None = None
    ) -> torch.Tensor:
        """A step with some words masked, in micro-batches half as large from the step on that finds too little memory.

        A step is halved once; raises InputError when its halves find too little memory too.
        """
        inputs = self._mask_words(inputs)
        try:
            return self._accumulate(model, inputs, cells)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self._halve(len(inputs["labels"]), error)
        # Outside the except: the error holds the tensors that filled the memory. A step starts without gradients, so
        # those of the step that broke off can go.
        model.zero_grad()
        torch.cuda.empty_cache()
        try:
            return self._accumulate(model, inputs, cells)
        except RuntimeError as error:
            raise (self._too_small() if out_of_memory(error) else error) from error

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW over the groups of train.model.parameter_groups."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                parameter_groups(self.model, self.config), lr=self.config.learning_rate, fused=True
            )
        return self.optimizer

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return self.sampler

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        """The Trainer's checkpoint, then its manifest, and only then do older ones go."""
        checkpoint = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with room_for(checkpoint, "a checkpoint"):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()  # every process writes its random state
            if self.args.should_save:
                write_manifest(checkpoint)
                drop_old(checkpoint.parent, self.state.best_model_checkpoint)
            self.accelerator.wait_for_everyone()  # none leaves, after a signal, before the manifest is there

    def _load_best_model(self) -> None:
        if reason := damage(Path(self.state.best_model_checkpoint)):
            raise InputError(
                f"expected the best checkpoint {self.state.best_model_checkpoint} to be whole, but {reason}; "
                "run the same command again to train what is missing"
            )
        super()._load_best_model()

    def _mask_words(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Some of the words masked, of a target behind them none; the numbers come from the generator that a checkpoint
        restores."""
        if not self.config.word_dropout:
            return inputs
        ids, tokenizer = inputs["input_ids"], self.processing_class
        special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
        drop = torch.rand(ids.shape).to(ids.device) < self.config.word_dropout
        drop &= ~torch.isin(ids, special.to(ids.device)) & ((ids == tokenizer.sep_token_id).cumsum(dim=1) == 0)
        return dict(inputs) | {"input_ids": ids.masked_fill(drop, tokenizer.mask_token_id)}

    def _accumulate(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], cells: torch.Tensor | None
    ) -> torch.Tensor:
        """Gradients of a step, micro-batch by micro-batch; each loss is a share of that over all labelled `cells`."""
        losses = []
        for first in range(0, len(inputs["labels"]), self.micro_batch):
            part = {name: tensor[first : first + self.micro_batch] for name, tensor in inputs.items()}
            losses.append(super().training_step(model, part, cells))
        return torch.stack(losses).sum()

    def _halve(self, rows: int, error: RuntimeError) -> None:
        """Halve the micro-batch and say so, where that can be done."""
        rows = min(rows, self.micro_batch)
        # Processes exchange gradients within a step: one that began it again would leave the others waiting.
        if rows == 1 or self.accelerator.num_processes > 1:
            raise self._too_small() from error
        self.micro_batch = (rows + 1) // 2
        times = math.ceil(self.args.per_device_train_batch_size / self.micro_batch)
        now = f"{self.micro_batch} at once, up to {times} times a step"
        print(f"out of memory with {rows} sentences at once: from here on {now}", flush=True)

    def _too_small(self) -> InputError:
        return InputError(
            f"expected memory for {self.micro_batch} sentences of up to {self.config.length} tokens at once, "
            "found too little; set a smaller batch or length"
        )


class EpochOrder(TrainerCallback):
    """Tells the sampler the epoch: a loader that skips what is done already, shared by processes, does not reach it."""

    def __init__(self, sampler: LengthGroupedSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object
    ) -> None:
        """`state.epoch` counts the passes done, in parts."""
        self.sampler.set_epoch(int(state.epoch or 0))


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU, or the allocator of CPU tensors, had too little memory."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
