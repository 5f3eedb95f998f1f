"""Fine-tuning in sentences/s: train.finetune against a plain Trainer that pads to 128, same encoder, data and batch.

python -m benchmarks.training [--config configs/default.yaml] [--steps 600]

Both learn at the config's rate without warm-up, one rate for all layers, no masked words and the encoder's own dropout:
what the recipe does there changes how well it ends, not how fast it goes. The scores tell whether both learn the same.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from benchmarks.common import TEXT, report
from train.command import command_line, one_sentence_errors
from train.config import FinetuneConfig, load_config
from train.data import Example, encode, label_numbers, load_examples, split
from train.finetune import DevelopmentScores, training_arguments
from train.losses import TopicLoss
from train.model import build_classifier, load_tokenizer, shape
from train.trainer import TopicTrainer
from wijha.arguments import positive
from wijha.schema import Schema

_HELD_OUT = 2_000


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/default.yaml"))
    parser.add_argument(
        "--steps", type=positive, default=600, help="optimiser steps a way, after one that does not count"
    )
    arguments = parser.parse_args()
    with one_sentence_errors(), tempfile.TemporaryDirectory() as folder:
        config = load_config(FinetuneConfig, arguments.config, output=folder)
        run(config, arguments.steps)


def run(config: FinetuneConfig, steps: int) -> None:
    """Time both ways and report."""
    schema = Schema.from_yaml(config.schema)
    parts = split(load_examples(TEXT, schema))
    sample, held_out = parts["train"][: steps * config.batch], parts["development"][:_HELD_OUT]
    rows: list[dict[str, Any]] = []
    for name, trainer in (
        (f"plain Trainer, padded to {config.length}", plain_trainer(config, schema, sample, held_out)),
        ("train.finetune", our_trainer(config, schema, sample, held_out)),
    ):
        rate = timed(trainer, config, steps)
        scores = trainer.evaluate()
        rows.append({"way": name, "sentences/s": rate, **{key: scores[f"eval_{key}"] for key in ("loss", "favg3")}})
        print(f"{name}: {rows[-1]['sentences/s']:,.0f} sentences/s", flush=True)
    title = f"Fine-tuning {config.encoder}, batch {config.batch}, {steps} steps"
    unit = f"sentences/s; loss and Favg3 on {len(held_out)} held-out sentences after these steps"
    report("training", title, unit, rows, lambda row, first: row["sentences/s"] / first["sentences/s"])


def timed(trainer: Trainer, config: FinetuneConfig, steps: int) -> float:
    """Sentences/s over `steps` steps; one before them, which sets things up, does not count."""
    trainer.args.max_steps = 1
    trainer.train()
    trainer.args.max_steps = steps
    begin = time.perf_counter()
    trainer.train()
    return steps * config.batch / (time.perf_counter() - begin)


def our_trainer(config: FinetuneConfig, schema: Schema, examples: list[Example], held_out: list[Example]) -> Trainer:
    """The trainer of train.finetune without its evaluations and checkpoints."""
    set_seed(config.seed)
    dropout = AutoConfig.from_pretrained(config.encoder).hidden_dropout_prob
    even = {"layer_decay": 1.0, "warmup": 0.0, "weight_decay": 0.0, "word_dropout": 0.0, "dropout": dropout}
    config = dataclasses.replace(config, **even, targets=None)
    tokenizer = load_tokenizer(config)
    arguments = training_arguments(config)
    arguments.eval_strategy = arguments.save_strategy = "no"
    arguments.load_best_model_at_end = False
    arguments.disable_tqdm = True
    return TopicTrainer(
        config,
        model=build_classifier(config, schema),
        args=arguments,
        train_dataset=encode(examples, tokenizer, schema, config.length),
        eval_dataset=encode(held_out, tokenizer, schema, config.length),
        compute_metrics=DevelopmentScores(schema, TopicLoss(schema)),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=TopicLoss(schema),
    )


def plain_trainer(config: FinetuneConfig, schema: Schema, examples: list[Example], held_out: list[Example]) -> Trainer:
    """What a tutorial shows: every row padded to the longest allowed, the Trainer's own order, precision, attention."""
    set_seed(config.seed)
    tokenizer = load_tokenizer(config)
    options = {"truncation": True, "max_length": config.length, "padding": "max_length"}
    datasets = []
    for part in (examples, held_out):
        encoded = tokenizer([row.text for row in part], **options)
        columns = {key: encoded[key] for key in ("input_ids", "attention_mask")}
        datasets.append(Dataset.from_dict(columns | {"labels": label_numbers(part, schema).tolist()}))
    model = AutoModelForSequenceClassification.from_pretrained(
        config.encoder, num_labels=len(schema.id2label), dtype=torch.float32
    )
    shape(model, config)
    arguments = TrainingArguments(
        output_dir=str(config.output / "plain"),
        per_device_train_batch_size=config.batch,
        learning_rate=config.learning_rate,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=datasets[0],
        eval_dataset=datasets[1],
        compute_metrics=DevelopmentScores(schema, TopicLoss(schema)),
        data_collator=default_data_collator,
        compute_loss_func=TopicLoss(schema),
    )


if __name__ == "__main__":
    main()
