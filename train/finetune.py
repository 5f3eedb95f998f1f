"""Fine-tune an encoder on labelled sentences: one config in, one folder out.

    python -m train.finetune configs/default.yaml
    torchrun --nproc_per_node 2 -m train.finetune configs/default.yaml       # several GPUs, or processes of a CPU

The folder holds the model, its tokenizer, the config and metrics.json. Run it again after a kill, a full disk, SIGTERM
or Ctrl-C (which save first): it goes on from the last whole checkpoint, to the weights of a run that nothing disturbed.
It does so with the data, the schema and the encoder that it began with; others are refused.
Settings of the config can be changed on the command line: --epochs 3 --seed 7
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, EvalPrediction, TrainingArguments, set_seed
from transformers.integrations import TensorBoardCallback

from train.baselines import Baselines
from train.calibration import calibrate
from train.card import SCORED_AFTER, write_card
from train.checkpoints import alone, newest_whole, room_for, step_of
from train.command import leave_together, processes, run
from train.confidence import thresholds_of
from train.config import FinetuneConfig, as_dict, changes
from train.curves import curves
from train.data import Example, encode, learned_too, load_examples, split
from train.distill import encode_taught
from train.evaluation import score
from train.keywords import keyword_expressions
from train.losses import TopicLoss, label_weights
from train.model import build_classifier, load_tokenizer
from train.provenance import begun_with, commit_now, describe_data, provenance, run_of
from train.scores import cell_counts, evaluate_counts
from train.tables import score_table
from train.targets import Asked, calibrate_asked, check_targets, load_asked, topics_asked, with_asked, with_place
from train.tokenizer import save_tokenizer
from train.trainer import TopicTrainer
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import file_sha256, read_json, write_json
from wijha.golden import seal, unseal
from wijha.schema import Schema

CONFIG, CHECKSUMS = "config.json", "checksums.json"


def main() -> None:
    """Command line."""
    run(__doc__, FinetuneConfig, _finetune_and_say)


def _finetune_and_say(config: FinetuneConfig) -> None:
    folder = finetune(config)
    if processes().is_main_process:
        print(f"\nmodel: {folder}\nnext:  make evaluate MODEL={folder}")


def finetune(config: FinetuneConfig) -> Path:
    """Train a classifier by `config`; returns the folder of the saved model.

    Raises InputError for data, schema or encoder that are not as expected and for a run with biases of `train.biases`,
    before any training, and for a full disk; SystemExit once a checkpoint is saved after SIGTERM or Ctrl-C.
    """
    check_not_rebiased(config.output / "model")
    schema = Schema.from_yaml(config.schema)
    files = config.files()
    splits = split([example for path in files for example in load_examples(path, schema)], config.share)
    check_splits(config, schema, splits)
    keyword_expressions(schema)  # what they want is said before the training, not after it
    asked = asked_to_learn(config, schema)
    config.output.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before hours of work
    say = processes().print
    say(describe_data(files, config.optional_data, splits), flush=True)
    if leaked := learned_too(splits["development"] + splits["test"], [*splits["train"], *asked]):
        say(f"{leaked:,} sentences to score on are trained on too: give each such pair one `story`", flush=True)
    read = inputs(config)
    trained_on: dict[str, Any] = {
        "commit": commit_now(),
        "data": {str(path): read[str(path)] for path in files},
        "sentences": {name: len(rows) for name, rows in splits.items()},
    }
    for name, path in {"distilled": config.distilled, "targets": config.targets}.items():
        if path:
            trained_on[name] = {str(path): read[str(path)]}

    folder = config.output / "model"
    with alone(config.output):
        fit(config, schema, splits, read, asked)
        if processes().is_main_process:
            finish(folder, as_dict(config), splits, trained_on)
    leave_together()
    return folder


def check_not_rebiased(model: Path) -> None:
    """Raises InputError where `train.biases` fitted the biases of this model: the run's own would take their place."""
    try:
        noted = run_of(model)["config"]
    except InputError:  # no finished run
        return
    if "biases" in noted:
        raise InputError(
            f"expected no finished run in {model}, or one with its own biases, found those of train.biases; release it "
            "as it is with python -m train.release CONFIG, or remove the folder to lose them"
        )


def check_splits(config: FinetuneConfig, schema: Schema, splits: Mapping[str, Sequence[Example]]) -> None:
    """Raises InputError where there is nothing to learn or to choose by, and where no model has taught."""
    if empty := [name for name in ("train", "development") if not splits[name]]:
        raise InputError(f"expected rows of several stories in every split, got none for {', '.join(empty)}; add data")
    if untaught := [name for name in schema.topic_names if all(row.labels[name] is None for row in splits["train"])]:
        raise InputError(
            f"expected labels of every topic in the training split, found none for {', '.join(untaught)}; "
            f"add data or take the topic out of {config.schema}"
        )
    if config.distilled and not config.distilled.is_file():
        raise InputError(
            f"expected probabilities of other models in {config.distilled}, found no such file; "
            "write it with python -m train.distill"
        )


def asked_to_learn(config: FinetuneConfig, schema: Schema) -> list[Asked]:
    """The stances of the training part of `config.targets`, none where it names no file.

    Raises InputError where there are none to learn, and for a target of any part that could not be asked for.
    """
    if not config.targets:
        return []
    if not (asked := load_asked(config.targets, schema, "train", config.share)):
        raise InputError(f"expected stances to learn in {config.targets}, found none in its training split; add rows")
    check_targets(config.targets, schema, load_tokenizer(config), config.length)
    return asked


def fit(
    config: FinetuneConfig,
    schema: Schema,
    splits: Mapping[str, Sequence[Example]],
    read: Mapping[str, str],
    asked: Sequence[Asked] = (),
) -> None:
    """Train, and save weights and tokenizer of the best epoch. `read` are the checksums of the run's `inputs`, `asked`
    the stances towards other targets to learn."""
    set_seed(config.seed)
    tokenizer = load_tokenizer(config)
    model = build_classifier(config, schema)
    weights = label_weights(splits["train"], schema, config.class_weight_power)
    if config.distilled:
        training = encode_taught(splits, config, tokenizer, schema, weights)
    else:
        training = encode(splits["train"], tokenizer, schema, config.length)
    development, learned = encode(splits["development"], tokenizer, schema, config.length), schema
    if asked:
        asked = [*topics_asked(splits["train"], schema, config.seed), *asked]
        training = with_asked(training, asked, tokenizer, schema, config.length)
        development, learned = with_place(development), schema.asked
        weights = torch.cat([weights, torch.ones(1, weights.shape[1])])
    loss = TopicLoss(learned, weights, config.label_smoothing)
    trainer = TopicTrainer(
        config,
        model=model,
        args=training_arguments(config),
        train_dataset=training,
        eval_dataset=development,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=loss,
        compute_metrics=DevelopmentScores(schema, loss),
        callbacks=[EarlyStoppingCallback(config.patience)],
    )
    with processes().main_process_first():  # one process tidies up, the others find it done
        checkpoint = resumable(config, read)
    done = step_of(checkpoint) if checkpoint else 0
    if trainer.is_world_process_zero() and (writer := curves(config.output, done)):
        trainer.add_callback(TensorBoardCallback(writer))
    trainer.train(resume_from_checkpoint=checkpoint)

    folder = config.output / "model"
    if trainer.is_world_process_zero():
        with room_for(folder, "the model"):
            unseal(folder)
            trainer.model.half().save_pretrained(folder)  # what is scored later is what ships
            save_tokenizer(tokenizer, folder)


def finish(
    folder: Path,
    settings: dict[str, Any],
    splits: Mapping[str, Sequence[Example]],
    trained_on: Mapping[str, Any],
) -> None:
    """What a folder of weights and tokenizer gets last: temperatures, scores beside the baselines, card, manifest.

    `trained_on`: the code and the data that training began with (`train.provenance.begun_with`). Raises InputError for
    a full disk; the folder is removed then.
    """
    with room_for(folder, "the model"):
        calibrate(folder, splits["development"])
        if settings.get("targets") and Path(settings["targets"]).is_file():
            calibrate_asked(folder, Path(settings["targets"]))
        classifier = Classifier.load(folder)
        baselines = Baselines(splits["train"], classifier.schema)
        results = {"development": score(classifier, splits["development"], baselines)}
        if splits["test"]:
            chosen = thresholds_of(results["development"]["confidence"])
            results["test"] = score(classifier, splits["test"], baselines, chosen)
        write_json(folder / "metrics.json", {"run": provenance(settings, trained_on), **results})
        write_card(folder)
        seal(folder)
    last = list(results)[-1]
    print(score_table(results[last], f"{folder} on the {last} split ({len(splits[last]):,} sentences)"))


def finish_again(
    folder: Path,
    splits: Mapping[str, Sequence[Example]],
    read: Mapping[str, Mapping[str, str]] | None = None,
    **changed: str,
) -> None:
    """As `finish`, of a finished run's folder that was unsealed and changed since. `changed` goes into its config, the
    checksums of what was `read` for that beside those of the run's data."""
    for scored in (path for name in SCORED_AFTER for path in folder.glob(name)):
        scored.unlink()  # of what it was before
    run = run_of(folder)
    finish(folder, run["config"] | changed, splits, begun_with(run) | dict(read or {}))


class DevelopmentScores:
    """Scores and loss of an evaluation during training, from the Trainer's logits."""

    def __init__(self, schema: Schema, loss: TopicLoss) -> None:
        self.schema, self.loss = schema, loss

    def __call__(self, outputs: EvalPrediction) -> dict[str, float]:
        """Logits and label numbers -> the pooled scores, and the loss over all cells: the Trainer's own is the mean of
        its batches, whatever they hold."""
        topics, labels = len(self.schema.topics), len(self.schema.labels)
        predicted = outputs.predictions.reshape(len(outputs.predictions), -1, labels).argmax(axis=-1)
        counts = cell_counts(predicted[:, :topics], outputs.label_ids[:, :topics], labels)
        scores = evaluate_counts(counts, self.schema)
        logits, labels_of = map(torch.from_numpy, (outputs.predictions, outputs.label_ids))
        loss = self.loss(SimpleNamespace(logits=logits), labels_of).item()
        return {"loss": loss, **{name: value for name, value in scores.items() if "." not in name}}


def training_arguments(config: FinetuneConfig) -> TrainingArguments:
    """The Trainer's arguments for `config`; the batch is that of an optimiser step over all processes."""
    shared = processes().num_processes
    if config.batch % shared:
        raise InputError(f"expected a batch that {shared} processes can share, got {config.batch}; change it")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and computes_bf16())
    arguments = TrainingArguments(
        output_dir=str(config.output / "checkpoints"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch // shared,
        per_device_eval_batch_size=4 * config.batch,
        dataloader_num_workers=2 if torch.cuda.is_available() else 0,  # padding a batch would hold back a GPU
        warmup_steps=config.warmup,
        lr_scheduler_type="linear",
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,  # there are none
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # the epochs that early stopping has counted
        metric_for_best_model=config.metric,
        logging_strategy="epoch",
        seed=config.seed,
        data_seed=config.seed,
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),  # a bar on a terminal, however quiet the logging; none in a log file
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # of several GPUs the Trainer would make one larger batch; see torchrun
    return arguments


def computes_bf16() -> bool:
    """Whether the GPU, or else the processor, computes in bf16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def resumable(config: FinetuneConfig, read: Mapping[str, str]) -> Path | None:
    """The last whole checkpoint of an interrupted run with the same config and the same files, if any.

    Raises InputError when the output folder holds a run of another config, or of other files of the names in `read`,
    and for a full disk.
    """
    kept, state = config.output / CONFIG, processes()
    if another := difference(config, read):
        raise InputError(
            f"expected a new or an interrupted run of this config in {config.output}, found a run of another "
            f"{another}; go back to it or choose another output"
        )
    if state.is_main_process:
        with room_for(kept, "the settings"):
            write_json(kept, as_dict(config))
            write_json(config.output / CHECKSUMS, dict(read))
    return newest_whole(config.output / "checkpoints", say=state.print)


def difference(config: FinetuneConfig, read: Mapping[str, str]) -> str:
    """What of the run that has begun in the output folder is not as it is now: nothing where none has."""
    kept, sums = config.output / CONFIG, config.output / CHECKSUMS
    if kept.exists() and (other := changes(config, read_json(kept))):
        return f"config ({'; '.join(other)})"
    if sums.exists():
        return ", ".join(sorted({name for name, _ in read_json(sums).items() ^ read.items()}))
    return ""


def inputs(config: FinetuneConfig) -> dict[str, str]:
    """What a run reads, weights and tokenizer of the encoder too where that is a folder: file -> sha256."""
    files = [config.schema, *config.files(), *filter(None, [config.distilled, config.targets])]
    encoder = [path for name in ("*.safetensors", "tokenizer.json") for path in sorted(Path(config.encoder).glob(name))]
    return {str(path): file_sha256(path) for path in [*files, *encoder]}


if __name__ == "__main__":
    main()
