"""What fine-tuning says while it runs: a bar on a terminal, and a line an epoch everywhere."""

from __future__ import annotations

from datetime import timedelta

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback

from train.tables import HEADLINE, SCORES


class Bar(ProgressCallback):
    """The Trainer's bar without its logs."""

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        """Nothing: EpochLine says what there is to say."""


class EpochLine(TrainerCallback):
    """Prints loss and headline scores on the development split after each epoch, and at the end which one is kept."""

    def __init__(self) -> None:
        self.loss = float("nan")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: dict[str, float]
    ) -> None:
        """`logs` among the others: the training loss of an epoch, or at the end how long all of them took."""
        logs = others["logs"]
        self.loss = logs.get("loss", self.loss)
        if "train_runtime" in logs and state.is_world_process_zero:
            took, pace = timedelta(seconds=round(logs["train_runtime"])), logs["train_samples_per_second"]
            tqdm.write(f"trained in {took}, {pace:,.0f} sentences/s{kept(args, state)}")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: dict[str, float]
    ) -> None:
        """`metrics` among the others: loss and scores of an epoch on the development split."""
        metrics = others["metrics"]
        if state.is_world_process_zero:
            scores = [f"{name} {metrics[f'eval_{key}']:.3f}" for key, name in HEADLINE.items()]
            losses = f"loss {self.loss:.3f}, on the development split {metrics['eval_loss']:.3f}"
            tqdm.write(f"epoch {state.epoch or 0:.0f} of {args.num_train_epochs:.0f}: {losses}; {', '.join(scores)}")


def kept(args: TrainingArguments, state: TrainerState) -> str:
    """Which epoch's weights the model has in the end, and by which score; empty where nothing was scored."""
    key = args.metric_for_best_model.removeprefix("eval_")
    scored = {log[f"eval_{key}"]: log["epoch"] for log in reversed(state.log_history) if f"eval_{key}" in log}
    return f"; epoch {scored[state.best_metric]:.0f} is kept, the best by {SCORES.get(key, key)}" if scored else ""
