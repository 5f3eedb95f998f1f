"""Steps with masked words, and those that find too little memory: halved, with the weights of a step that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import DataCollatorWithPadding, TrainingArguments, set_seed

from train.config import FinetuneConfig
from train.data import encode, load_examples
from train.finetune import training_arguments
from train.losses import TopicLoss
from train.model import build_classifier, load_tokenizer
from train.trainer import TopicTrainer
from wijha import InputError
from wijha.schema import Schema


class SmallMemory(TopicLoss):
    """Has memory for so many sentences at once; fails forward, or backward when upper layers have their gradients."""

    def __init__(self, schema: Schema, rows: int, where: str) -> None:
        super().__init__(schema)
        self.rows, self.where = rows, where

    def __call__(self, outputs: object, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        if self.where == "forward":
            self.allocate(labels)
        return super().__call__(outputs, labels, num_items_in_batch)

    def allocate(self, tensor: torch.Tensor) -> None:
        if len(tensor) > self.rows and self.where == "cpu":
            torch.empty(2**50)  # more than any machine has: the allocator's own error
        elif len(tensor) > self.rows and self.where == "broken":
            raise RuntimeError("expected scalar type Float")
        elif len(tensor) > self.rows:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_one_process_takes_one_gpu(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two the Trainer would make a batch twice as large, and the gradients with it."""
    monkeypatch.setattr(TrainingArguments, "_setup_devices", torch.device("cpu"))
    monkeypatch.setattr(TrainingArguments, "_n_gpu", 2, raising=False)
    assert TrainingArguments(output_dir=str(tmp_path)).n_gpu == 2
    arguments = training_arguments(FinetuneConfig(**settings, output=tmp_path))  # type: ignore[arg-type]
    assert arguments.n_gpu == 1 and arguments.train_batch_size == settings["batch"]


def trainer(settings: dict[str, object], output: Path, rows: int = 99, where: str = "forward") -> TopicTrainer:
    """Ready to train an epoch with memory for `rows` sentences."""
    config = FinetuneConfig(**({"word_dropout": 0.1} | settings), output=output)  # type: ignore[arg-type]
    schema = Schema.from_yaml(config.schema)
    set_seed(config.seed)
    tokenizer, model, loss = load_tokenizer(config), build_classifier(config, schema), SmallMemory(schema, rows, where)
    arguments = training_arguments(config)
    arguments.eval_strategy = arguments.save_strategy = "no"
    arguments.load_best_model_at_end, arguments.num_train_epochs = False, 1
    if where != "forward":
        model.bert.embeddings.register_full_backward_pre_hook(lambda module, gradients: loss.allocate(gradients[0]))
    return TopicTrainer(
        config,
        model=model,
        args=arguments,
        train_dataset=encode(load_examples(config.data[0], schema), tokenizer, schema, config.length),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=loss,
    )


def trained(
    settings: dict[str, object], output: Path, rows: int = 99, where: str = "forward"
) -> dict[str, torch.Tensor]:
    """Weights after that epoch."""
    made = trainer(settings, output, rows, where)
    made.train()
    return dict(made.model.state_dict())


@pytest.mark.parametrize("where", ["forward", "backward", "cpu"])
def test_a_step_without_memory_is_halved(
    settings: dict[str, object], tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained(settings, tmp_path)
    assert "out of memory" not in capsys.readouterr().out
    halved = trained(settings, tmp_path, 4, where)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("out of memory")]
    assert said == ["out of memory with 8 sentences at once: from here on 4 at once, up to 2 times a step"]
    assert [name for name in whole if not torch.allclose(whole[name], halved[name], atol=1e-5)] == []


@pytest.mark.parametrize(("batch", "least"), [(8, 4), (1, 1)])
def test_halves_without_memory_are_said(settings: dict[str, object], tmp_path: Path, batch: int, least: int) -> None:
    expected = f"expected memory for {least} sentences of up to 32 tokens at once, found too little"
    with pytest.raises(InputError, match=expected):
        trained(settings | {"batch": batch}, tmp_path, rows=0)


def test_words_are_masked_and_nothing_else(settings: dict[str, object], tmp_path: Path) -> None:
    """Behind every other sentence stands a target."""
    made, batches = trainer(settings | {"word_dropout": 0.5}, tmp_path), list[torch.Tensor]()
    made.model.bert.embeddings.register_forward_pre_hook(
        lambda module, arguments, named: batches.append(named["input_ids"]), with_kwargs=True
    )
    tokenizer = made.processing_class
    cls, sep, pad, mask = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    target = [*tokenizer("الهدنة في حلب", add_special_tokens=False)["input_ids"], sep]

    def asked(row: dict[str, list[int]], number: int) -> dict[str, list[int]]:
        more = target if number % 2 else []
        return {"input_ids": row["input_ids"] + more, "attention_mask": row["attention_mask"] + [1] * len(more)}

    made.train_dataset = made.train_dataset.map(asked, with_indices=True)
    made.train()
    words, behind = list[int](), set[tuple[int, ...]]()
    for row in (row for batch in batches for row in batch.tolist()):
        assert row[0] == cls
        words += row[1 : row.index(sep)]
        behind.add(tuple(number for number in row[row.index(sep) + 1 :] if number != pad))
    assert behind == {(), tuple(target)} and not {cls, pad} & set(words)
    assert words.count(mask) / len(words) == pytest.approx(0.5, abs=0.08)


def test_other_errors_stay(settings: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="scalar type"):
        trained(settings, tmp_path, 4, "broken")
