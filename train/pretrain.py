"""Masked language modelling: plain text -> tokenizer, shards, checkpoints, a stock BERT encoder.

    python -m train.pretrain configs/pretrain.yaml
    torchrun --nproc_per_node 2 -m train.pretrain configs/pretrain.yaml      # several GPUs, or processes of a CPU

Run it again after a kill, a full disk, SIGTERM or Ctrl-C (which save first): it goes on from the last whole checkpoint
with the same order and masks.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, TrainerState

from train.checkpoints import alone, drop_old, newest_whole, room_for, write_manifest
from train.command import leave_together, processes, run
from train.config import PretrainConfig, as_dict, changes
from train.curves import curves, draw
from train.embeddings import svd_embeddings
from train.masking import MaskedTask, WordMasker, validate
from train.model import load_stock
from train.origin import origin_of, write_origin
from train.plain_text import read_texts
from train.shards import block_batch, load_blocks, write_shards
from train.stopping import StopOnSignal
from train.tokenizer import save_tokenizer, train_tokenizer
from wijha.errors import InputError
from wijha.files import read_json, write_json, write_text

STATE = "state.pt"


def main() -> None:
    """Command line."""
    run(__doc__, PretrainConfig, pretrain)


def pretrain(config: PretrainConfig) -> Path:
    """Train an encoder by `config`; returns its folder. Resumes where an earlier call with the same config stopped.

    Raises InputError, before anything is written, for an `init` that is not there, not sound or too short for a block,
    and where another run trains there.
    """
    if config.init:
        longest = load_stock(AutoConfig, str(config.init)).max_position_embeddings
        if config.block > longest:
            raise InputError(f"expected a block of at most {longest} for {config.init}, got {config.block}; lower it")
    with alone(config.output):
        fit(config)
    leave_together()
    return config.output / "encoder"


def fit(config: PretrainConfig) -> None:
    """Data, model, the steps that are not yet done, and the encoder in its folder."""
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    with accelerator.main_process_first():
        tokenizer = prepare(config)
    train = load_blocks(config.output / "shards", "train", config.block - 1)
    held_out = load_blocks(config.output / "shards", "validation", config.block - 1)
    masker = WordMasker(tokenizer, config)

    torch.manual_seed(config.seed)
    checkpoint = newest_whole(config.output / "checkpoints", accelerator.print, lambda checkpoint: None)
    model = build_model(config, tokenizer, None if checkpoint else train).to(accelerator.device)
    optimizers = build_optimizers(model, config)
    steps = config.tokens // (config.batch * config.block)
    done = load_checkpoint(checkpoint, model, optimizers) if checkpoint else 0
    if accelerator.is_main_process:
        cut_log(config, done)
        writer = curves(config.output, done)
    task = MaskedTask(model)
    if config.compile:
        compile_layers(model)
    task = accelerator.prepare(task)

    started, stop = time.monotonic(), StopOnSignal(accelerator)
    state = TrainerState(max_steps=steps, is_world_process_zero=accelerator.is_main_process)
    with stop.listening():
        for step in range(done, steps):
            ids, targets = masker(block_batch(train, step, config), step / steps, step)
            with torch.autocast(accelerator.device.type, torch.bfloat16):
                loss = task(*slice_for(accelerator, ids, targets))
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            update(optimizers, config.learning_rate * schedule(step / steps, config))
            state.global_step = step + 1
            due = state.global_step % config.checkpoint_every == 0 or state.global_step == steps
            if not (stop.stopping() or due):
                continue
            if accelerator.is_main_process:
                rate = (state.global_step - done) * config.batch * config.block / (time.monotonic() - started)
                row = log(config, state.global_step, steps, loss, validate(model, held_out, masker, config), rate)
                draw(writer, state.global_step, row)
                save_checkpoint(config, model, optimizers, state.global_step)
            accelerator.wait_for_everyone()
            stop.leave_if_asked(state)
    if accelerator.is_main_process:
        save_encoder(config, model, tokenizer)


def prepare(config: PretrainConfig) -> PreTrainedTokenizerFast:
    """Tokenizer and token shards on disk, made once. Raises InputError for the leftovers of another config."""
    begun = load_stock(AutoTokenizer, str(config.init)) if config.init else None
    config.output.mkdir(parents=True, exist_ok=True)
    kept = config.output / "config.json"
    if kept.exists() and (other := changes(config, read_json(kept))):
        raise InputError(
            f"expected the config that started {config.output}, got another one ({'; '.join(other)}); "
            "resume with that config or choose another output"
        )
    if processes().is_main_process:
        write_json(kept, as_dict(config))
    folder = config.output / "tokenizer"
    if not (config.output / "shards" / "manifest.json").exists():
        tokenizer = (
            begun
            if config.init
            else train_tokenizer(read_texts(*config.corpus), config.vocabulary, min(config.block, config.positions))
        )
        save_tokenizer(tokenizer, folder)
        write_shards(config.corpus, tokenizer, config.output / "shards")
    return AutoTokenizer.from_pretrained(folder)


def build_model(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerFast, train: np.ndarray | None
) -> BertForMaskedLM:
    """A stock BERT without dropout: that of an earlier run, or a new one with word embeddings from the co-occurrences
    in the blocks `train`; without them a checkpoint follows, and they would be lost."""
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    if config.init:
        model, found = load_stock(
            BertForMaskedLM,
            str(config.init),
            dtype=torch.float32,
            attn_implementation=attention,
            use_safetensors=True,
            output_loading_info=True,
        )
        if "cls.predictions.transform.LayerNorm.weight" in found["missing_keys"]:
            with torch.no_grad():  # an encoder of others: its embeddings are large, and a new head should begin quietly
                model.cls.predictions.transform.LayerNorm.weight.fill_(0.3)
        return resize(model, config.layers)
    model = BertForMaskedLM._from_config(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.hidden // 64,
            intermediate_size=4 * config.hidden,
            max_position_embeddings=config.positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        ),
        attn_implementation=attention,
    )
    if config.svd_tokens and train is not None:
        words = model.bert.embeddings.word_embeddings.weight
        vectors = svd_embeddings(train, len(tokenizer), config.hidden, config.svd_tokens, config.seed)
        with torch.no_grad():
            words.copy_(vectors * (model.config.initializer_range / vectors.std()))
    return model


def resize(model: BertForMaskedLM, layers: int) -> BertForMaskedLM:
    """A model of `layers` layers: those that it has, each repeated in place as often as it takes, or evenly chosen.

    A deeper model begins so where the shallower one stands (Gong et al. 2019, Progressive stacking of BERT), a
    shallower one near the deeper (Sanh et al. 2019, DistilBERT).
    """
    had = model.bert.encoder.layer
    model.bert.encoder.layer = torch.nn.ModuleList(
        copy.deepcopy(had[place * len(had) // layers]) for place in range(layers)
    )
    model.config.num_hidden_layers = layers
    return model


def compile_layers(model: BertForMaskedLM) -> None:
    """torch.compile for each layer: they are alike and share one program, which takes seconds and fits every depth."""
    for layer in model.bert.encoder.layer:
        layer.compile(dynamic=False)


def build_optimizers(model: BertForMaskedLM, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon on the layers' matrices where asked for (Jordan 2024; its steps as large as AdamW's: Liu et al. 2025,
    arXiv 2502.16982), AdamW on all else; matrices decay, biases and layer norms do not."""
    groups: dict[str, list[torch.nn.Parameter]] = {"hidden": [], "matrix": [], "vector": []}
    for name, parameter in model.named_parameters():
        hidden = config.muon and ".layer." in name and parameter.ndim == 2
        groups["hidden" if hidden else "matrix" if parameter.ndim > 1 else "vector"].append(parameter)
    rate, decay = config.learning_rate, config.weight_decay
    adamw = torch.optim.AdamW(
        [{"params": groups["matrix"], "weight_decay": decay}, {"params": groups["vector"], "weight_decay": 0.0}],
        rate, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip
    if not config.muon:
        return [adamw]
    return [adamw, torch.optim.Muon(groups["hidden"], rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")]


def schedule(progress: float, config: PretrainConfig) -> float:
    """Share of the peak learning rate at `progress` in [0, 1): linear warm-up, plateau, linear decay to zero."""
    return min(1.0, (progress + 1e-4) / max(config.warmup, 1e-4), (1 - progress) / max(config.decay, 1e-9))


def update(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """One step of every optimizer at a learning rate, its gradients dropped."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def slice_for(accelerator: Accelerator, ids: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The rows of this process, on its device."""
    rows = slice(accelerator.process_index, None, accelerator.num_processes)
    return ids[rows].to(accelerator.device), targets[:, rows].to(accelerator.device)


def log(
    config: PretrainConfig, step: int, steps: int, loss: torch.Tensor, held_out: tuple[float, float], rate: float
) -> dict[str, float]:
    """One line on the screen and in log.jsonl; returns it."""
    row = {
        "step": step,
        "tokens": step * config.batch * config.block,
        "loss": round(loss.item(), 4),
        "validation_loss": round(held_out[0], 4),
        "validation_accuracy": round(held_out[1], 4),
        "tokens_per_second": round(rate),
    }
    left = (steps - step) * config.batch * config.block / rate / 60
    print(f"{step}/{steps} {row} {left:.0f} min left", flush=True)
    with open(config.output / "log.jsonl", "a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")
    return row


def save_checkpoint(
    config: PretrainConfig, model: BertForMaskedLM, optimizers: list[torch.optim.Optimizer], step: int
) -> None:
    """A folder whose manifest comes last; the one before stays. Raises InputError when the disk is full."""
    checkpoint = config.output / "checkpoints" / f"checkpoint-{step}"
    with room_for(checkpoint, "a checkpoint"):
        checkpoint.mkdir(parents=True, exist_ok=True)
        states = [optimizer.state_dict() for optimizer in optimizers]
        torch.save({"step": step, "model": model.state_dict(), "optimizers": states}, checkpoint / STATE)
        write_manifest(checkpoint)
    drop_old(checkpoint.parent, None)


def load_checkpoint(checkpoint: Path, model: BertForMaskedLM, optimizers: list[torch.optim.Optimizer]) -> int:
    """Restore a checkpoint; returns the steps already done."""
    state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def cut_log(config: PretrainConfig, done: int) -> None:
    """Drop what log.jsonl says of steps that will be done again, and a torn last line."""
    path = config.output / "log.jsonl"
    if path.exists():
        whole = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        write_text(path, "".join(f"{line}\n" for line in whole if json.loads(line)["step"] <= done))


def save_encoder(config: PretrainConfig, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """The encoder as a stock half-precision BERT with its tokenizer; `masked_lm` keeps the vocabulary head too. What
    `init` notes of its origin goes into both."""
    origin = origin_of(config.init) if config.init else None
    for name, part in (("masked_lm", model.half()), ("encoder", model.bert.half())):
        part.save_pretrained(config.output / name)
        save_tokenizer(tokenizer, config.output / name)
        if origin:
            write_origin(origin, config.output / name)


if __name__ == "__main__":
    main()
