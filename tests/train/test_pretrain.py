"""Pre-training on a tiny corpus: a kill loses nothing, a bad corpus or another config is said."""

from __future__ import annotations

import dataclasses
import errno
import json
import lzma
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

import train.pretrain as recipe
from train.checkpoints import alone
from train.config import PretrainConfig
from train.embeddings import svd_embeddings
from train.masking import WordMasker
from train.origin import Origin, origin_of, write_origin
from train.plain_text import read_texts
from train.pretrain import pretrain
from train.shards import block_batch, load_blocks, write_shards
from train.tokenizer import train_tokenizer
from wijha import InputError
from wijha.manifest import write_manifest


@pytest.fixture
def config(tmp_path: Path) -> PretrainConfig:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    words = ["قال", "الوزير", "إن", "الحل", "السياسي", "في", "سوريا", "ممكن", "والهدنة", "باقية", "والقدس", "عاصمة"]
    texts = [" ".join([*words[i % 7 :], *words[: i % 5], str(i)]) for i in range(450)]
    with lzma.open(corpus / "a.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    (corpus / "b.txt").write_text("سطر أول من نص\nسطر ثان\n", encoding="utf-8")
    return PretrainConfig(
        corpus=(corpus,), output=tmp_path / "run", vocabulary=100, layers=1, hidden=64, block=16, positions=32, batch=4,
        tokens=4 * 16 * 12, svd_tokens=1_000, checkpoint_every=4,
    )  # fmt: skip


def test_gives_a_stock_encoder_and_resumes_bit_for_bit(
    config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pretrain(config)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert model(**tokenizer("قال الوزير", return_tensors="pt")).last_hidden_state.shape[-1] == 64
    rows = [json.loads(line) for line in (config.output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(row["validation_loss"] > 0 for row in rows)

    again, saved = dataclasses.replace(config, output=tmp_path / "again"), []
    for part in ("tokenizer", "shards"):  # ties in WordPiece training are broken anew each time
        shutil.copytree(config.output / part, again.output / part)
    save = recipe.save_checkpoint

    def save_then_die(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        saved.append(arguments[-1])
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "save_checkpoint", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        pretrain(again)
    resumed = pretrain(again)
    assert saved == [4, 8, 12]
    first, second = load_file(folder / "model.safetensors"), load_file(resumed / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_sigterm_saves_the_running_step_and_the_same_command_goes_on(
    config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_file(pretrain(config) / "model.safetensors")
    again, update = dataclasses.replace(config, output=tmp_path / "again"), recipe.update
    for part in ("tokenizer", "shards"):
        shutil.copytree(config.output / part, again.output / part)
    steps: list[int] = []

    def update_then_signal(*arguments: object) -> None:
        update(*arguments)  # type: ignore[arg-type]
        steps.append(1)
        if len(steps) == 6:
            handler = signal.getsignal(signal.SIGTERM)
            assert callable(handler)
            handler(signal.SIGTERM, None)  # the system's own, after OpenVINO in one process, is a segmentation fault

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(recipe, "update", update_then_signal)
        pretrain(again)
    assert ended.value.code == 143 and "step 6 of 12 is saved" in capsys.readouterr().err
    second = load_file(pretrain(again) / "model.safetensors")
    assert "going on from" in capsys.readouterr().out
    assert all(torch.equal(whole[name], second[name]) for name in whole)


def test_a_spoiled_checkpoint_is_passed_over_and_the_log_tells_no_step_twice(
    config: PretrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_file(pretrain(config) / "model.safetensors")
    saved = sorted((config.output / "checkpoints").iterdir())
    assert [path.name for path in saved] == ["checkpoint-12", "checkpoint-8"]
    state = saved[0] / recipe.STATE
    state.write_bytes(state.read_bytes()[:-100])
    with open(config.output / "log.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 16, "lo')
    again = load_file(pretrain(config) / "model.safetensors")
    said = capsys.readouterr().out
    assert "passed over" in said and f"going on from {saved[1]}" in said
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = [json.loads(line) for line in (config.output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12]


def test_a_full_disk_is_said_and_the_checkpoint_before_stays(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def save_until_full(state: dict[str, object], path: Path) -> None:
        if state["step"] == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(state, path)

    with monkeypatch.context() as patch, pytest.raises(InputError, match="expected space for a checkpoint"):
        patch.setattr(torch, "save", save_until_full)
        pretrain(config)
    assert [path.name for path in (config.output / "checkpoints").iterdir()] == ["checkpoint-4"]
    assert pretrain(config).exists()


def test_a_run_begins_with_counted_words_and_follows_its_schedules(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, slice_for = recipe.update, recipe.slice_for
    begun, rates, norms, masked = list[torch.Tensor](), list[float](), list[float](), list[int]()

    def noted(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
        parameters = [each for optimizer in optimizers for group in optimizer.param_groups for each in group["params"]]
        begun.append(parameters[0].detach().clone())
        norms.append(torch.cat([each.grad.flatten() for each in parameters if each.grad is not None]).norm().item())
        rates.append(rate)
        update(optimizers, rate)

    def counted(accelerator: Any, ids: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, ...]:
        masked.append(targets.shape[-1])
        return slice_for(accelerator, ids, targets)

    monkeypatch.setattr(recipe, "update", noted)
    monkeypatch.setattr(recipe, "slice_for", counted)
    pretrain(dataclasses.replace(config, learning_rate=0.01, warmup=0.25, decay=0.5))
    rise, fall = [0, 1 / 3, 2 / 3], [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert [100 * rate for rate in rates] == pytest.approx([*rise, 1, 1, 1, 1, *fall], abs=1e-3)
    assert masked == [5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3]  # of 16: 30 % at first, then less and less
    assert max(norms) == pytest.approx(1, abs=1e-3)  # clipped: unclipped the first ones are larger
    blocks = load_blocks(config.output / "shards", "train", 15)
    vectors = svd_embeddings(blocks, len(begun[0]), config.hidden, config.svd_tokens, config.seed)
    assert begun[0].std().item() == pytest.approx(0.02, rel=1e-3)
    assert torch.allclose(begun[0], vectors * 0.02 / vectors.std(), atol=1e-4)


def test_each_time_round_every_block_comes_once_in_another_order(config: PretrainConfig) -> None:
    blocks = np.arange(8, dtype=np.uint16).repeat(15).reshape(8, 15)
    steps = [block_batch(blocks, step, config)[:, 0].tolist() for step in range(6)]  # four blocks a step
    turns = [tuple(steps[first] + steps[first + 1]) for first in (0, 2, 4)]
    assert [sorted(turn) for turn in turns] == [list(range(8))] * 3 and len(set(turns)) == 3


def test_muon_takes_the_matrices_of_the_layers_and_no_vector_decays(config: PretrainConfig) -> None:
    tokenizer = recipe.prepare(config)
    model = recipe.build_model(config, tokenizer, None)
    for muon in (False, True):
        optimizers = recipe.build_optimizers(model, dataclasses.replace(config, muon=muon, weight_decay=0.3))
        found = {
            id(parameter): (type(optimizer), group["weight_decay"])
            for optimizer in optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for name, parameter in model.named_parameters():
            kind = torch.optim.Muon if muon and ".layer." in name and parameter.ndim == 2 else torch.optim.AdamW
            assert found.pop(id(parameter)) == (kind, 0.3 if parameter.ndim > 1 else 0.0), name
        assert not found


def test_of_ten_chosen_words_eight_are_masked_and_one_is_another(config: PretrainConfig) -> None:
    class Words:
        cls_token_id, sep_token_id, mask_token_id = 2, 3, 4

        def __len__(self) -> int:
            return 1_000

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return ["\u2581كلمة"] * len(ids)

    blocks = torch.randint(5, 1_000, (40, 127), generator=torch.Generator().manual_seed(0))
    ids, (positions, truth) = WordMasker(Words(), config)(blocks, 0.0, 3)  # type: ignore[arg-type]
    shown = ids.gather(1, positions)
    shares = [(shown == 4).float().mean().item(), (shown == truth).float().mean().item()]
    assert shares == pytest.approx([0.8, 0.1], abs=0.03)
    assert truth.shape == (40, round(0.3 * 128)) and shown.unique().numel() > 100
    assert torch.equal(ids.scatter(1, positions, truth)[:, 1:], blocks)


def test_masks_are_whole_words_and_known_from_the_step(config: PretrainConfig) -> None:
    pretrain(dataclasses.replace(config, tokens=4 * 16))
    tokenizer = AutoTokenizer.from_pretrained(config.output / "tokenizer")
    masker = WordMasker(tokenizer, config)
    blocks = torch.from_numpy(load_blocks(config.output / "shards", "train", 15)[:8].astype("int64"))
    ids, (positions, truth) = masker(blocks, 0.0, 3)
    again, _ = masker(blocks, 0.0, 3)
    other, _ = masker(blocks, 0.0, 4)
    assert torch.equal(ids, again) and not torch.equal(ids, other)
    original = torch.cat([torch.full((8, 1), tokenizer.cls_token_id), blocks], dim=1)
    assert torch.equal(original.gather(1, positions), truth)
    assert positions.shape[1] == round(0.3 * 16)
    assert not ((truth == tokenizer.sep_token_id) | (truth == tokenizer.cls_token_id)).any()


def test_words_of_sentencepiece_are_masked_whole_too(config: PretrainConfig) -> None:
    class Pieces:
        cls_token_id, sep_token_id, mask_token_id = 2, 3, 4

        def __len__(self) -> int:
            return 8

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581ال", "قدس", "\u2581في"]
            return [pieces[number] for number in ids]

    masker = WordMasker(Pieces(), config)  # type: ignore[arg-type]
    _, (positions, truth) = masker(torch.tensor([[7, 5, 6, 7, 5, 6, 7]] * 64), 0.0, 3)  # two of eight are chosen
    pairs = [tuple(places) for places, ids in zip(positions.tolist(), truth.tolist(), strict=True) if 5 in ids[:1]]
    assert pairs and all(second == first + 1 for first, second in pairs)


def test_an_encoder_without_a_head_gets_one_that_begins_quietly(config: PretrainConfig, tmp_path: Path) -> None:
    first = dataclasses.replace(config, tokens=4 * 16)
    folder = pretrain(first)
    on = dataclasses.replace(first, init=folder, output=tmp_path / "on")
    known = dataclasses.replace(on, init=first.output / "masked_lm")
    tokenizer, blocks = AutoTokenizer.from_pretrained(folder), load_blocks(first.output / "shards", "train", 15)
    new, old = (
        recipe.build_model(one, tokenizer, blocks).cls.predictions.transform.LayerNorm.weight for one in (on, known)
    )
    assert torch.equal(new, torch.full_like(new, 0.3)) and not torch.equal(old, new)
    assert len([json.loads(line) for line in (pretrain(on).parent / "log.jsonl").open()]) == 1


def test_an_encoder_keeps_the_note_of_whose_layers_it_began_with(
    config: PretrainConfig, encoder: Path, tmp_path: Path
) -> None:
    adopted, origin = Path(shutil.copytree(encoder, tmp_path / "adopted")), Origin("other", "MIT")
    write_origin(origin, adopted)
    first = dataclasses.replace(config, init=adopted, tokens=4 * 16)
    pretrain(first)
    second = dataclasses.replace(first, init=first.output / "masked_lm", output=tmp_path / "second")
    assert origin_of(pretrain(second)) == origin and origin_of(encoder) is None


def test_an_encoder_to_go_on_from_is_checked_before_anything_is_written(
    config: PretrainConfig, encoder: Path, tmp_path: Path
) -> None:
    missing = dataclasses.replace(config, init=tmp_path / "gone")
    with pytest.raises(InputError, match=f"expected an encoder folder at {missing.init}, found none; make it as"):
        pretrain(missing)
    spoilt = Path(shutil.copytree(encoder, tmp_path / "spoilt"))
    weights = load_file(encoder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][0] = torch.nan
    save_file(weights, spoilt / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"expected finite weights in .*, embeddings\.LayerNorm\.bias has NaN"):
        pretrain(dataclasses.replace(config, init=spoilt))
    write_manifest(spoilt)
    shutil.copy(encoder / "model.safetensors", spoilt)
    with pytest.raises(
        InputError, match=r"expected .*model\.safetensors as manifest\.json lists it, got other content"
    ):
        pretrain(dataclasses.replace(config, init=spoilt))
    most = AutoConfig.from_pretrained(encoder).max_position_embeddings
    with pytest.raises(InputError, match=f"expected a block of at most {most} for {encoder}, got {most + 1}; lower it"):
        pretrain(dataclasses.replace(config, init=encoder, block=most + 1, positions=most + 1))
    assert not config.output.exists()


def test_another_config_is_refused(config: PretrainConfig) -> None:
    pretrain(dataclasses.replace(config, tokens=4 * 16))
    said = rf"expected the config that started .*, got another one \(tokens {config.tokens}, not 64\); resume"
    with pytest.raises(InputError, match=said):
        pretrain(config)


def test_two_runs_do_not_train_into_one_folder(config: PretrainConfig) -> None:
    with alone(config.output), pytest.raises(InputError, match=f"expected {config.output} at rest, another run trains"):
        pretrain(config)
    assert [path.name for path in config.output.iterdir()] == ["lock"]


def test_a_setting_that_is_newer_than_a_run_stood_at_its_default(config: PretrainConfig) -> None:
    recipe.prepare(config)
    path = config.output / "config.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: value for name, value in kept.items() if name != "muon"}), encoding="utf-8")
    with pytest.raises(InputError, match="got another one"):
        recipe.prepare(dataclasses.replace(config, muon=True))
    recipe.prepare(config)
    assert json.loads(path.read_text(encoding="utf-8")) == kept
    path.write_text(json.dumps(kept | {"bag_of_words": 0.0}), encoding="utf-8")  # a setting of older runs alone
    recipe.prepare(config)
    assert json.loads(path.read_text(encoding="utf-8")) == kept


def test_a_shard_cut_short_is_noticed(config: PretrainConfig) -> None:
    pretrain(dataclasses.replace(config, tokens=4 * 16))
    shard = config.output / "shards" / "train.u16"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(InputError, match="delete it and rerun"):
        load_blocks(config.output / "shards", "train", 15)


def test_a_corpus_without_a_held_out_document_is_called_too_small(config: PretrainConfig, tmp_path: Path) -> None:
    small = dataclasses.replace(config, corpus=(tmp_path / "small",))
    small.corpus[0].mkdir()
    (small.corpus[0] / "a.txt").write_text("قال الوزير إن الحل ممكن\n" * 9, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"expected at least 15 tokens of validation text, got 0; give a larger corpus"
    ):
        pretrain(small)
    shutil.copytree(config.corpus[0], small.corpus[0], dirs_exist_ok=True)
    shutil.rmtree(small.output / "shards")
    assert pretrain(small).exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"latin only\n", "expected Arabic text, found none"),
        ("a.txt", b"\xff\xfe\x00", "expected UTF-8 in .*a.txt, found UTF-16"),
        ("a.jsonl", b'{"title": 1}\n', 'expected a "text" in .*a.jsonl line 1'),
        ("a.jsonl", b'{"text": null}\n', 'expected a "text" in .*a.jsonl line 1'),
        ("a.jsonl", b"[1]\n", "expected a JSON object in .*a.jsonl line 1"),
        ("a.jsonl.xz", lzma.compress(b'{"text": "a"}\n' * 99)[:-9], "expected a whole .jsonl.xz file"),
        ("a.pdf", b"", "expected a folder with .txt, .jsonl, .jsonl.xz files, found none"),
    ],
)
def test_bad_corpora(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        list(read_texts(tmp_path))


@pytest.mark.parametrize(("has", "layers", "sources"), [(2, 3, (0, 0, 1)), (3, 2, (0, 1)), (4, 2, (0, 2))])
def test_another_depth_begins_with_layers_repeated_or_evenly_chosen(
    config: PretrainConfig, has: int, layers: int, sources: tuple[int, ...]
) -> None:
    start = dataclasses.replace(config, layers=has, tokens=4 * 16)
    pretrain(start)
    other = dataclasses.replace(start, layers=layers, init=start.output / "masked_lm")
    tokenizer = AutoTokenizer.from_pretrained(start.output / "tokenizer")
    blocks = load_blocks(start.output / "shards", "train", 15)
    had = recipe.build_model(dataclasses.replace(other, layers=has), tokenizer, blocks).bert.encoder.layer
    made = recipe.build_model(other, tokenizer, blocks)
    assert made.config.num_hidden_layers == layers
    for layer, source in zip(made.bert.encoder.layer, sources, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), had[source].parameters(), strict=True))
    assert len({id(layer) for layer in made.bert.encoder.layer}) == layers


def test_a_copy_with_other_spaces_is_held_out_with_its_document(config: PretrainConfig, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(read_texts(*config.corpus), 100, 16)
    texts = list(read_texts(*config.corpus))
    shards = []
    for name, space in (("as it is", " "), ("spaced", " \n ")):
        (tmp_path / name).mkdir()
        rows = [json.dumps({"text": text.replace(" ", space)}) for text in texts]
        (tmp_path / name / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
        write_shards([tmp_path / name], tokenizer, tmp_path / name)
        shards.append((tmp_path / name / "validation.u16").read_bytes())
    assert shards[0] == shards[1] != b""


def test_what_is_held_out_of_one_corpus_is_held_out_of_all(config: PretrainConfig, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(read_texts(*config.corpus), 100, 16)
    sizes = []
    for times in (1, 2):
        write_shards(config.corpus * times, tokenizer, tmp_path / str(times))
        sizes.append(json.loads((tmp_path / str(times) / "manifest.json").read_text(encoding="utf-8"))["tokens"])
    assert sizes[0]["validation"] > 0
    assert sizes[1] == {split: 2 * tokens for split, tokens in sizes[0].items()}
