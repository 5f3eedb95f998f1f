"""The encoder that ships: every number of its card is in a file beside it, and an unfinished run is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from train.origin import E5_SMALL, Origin, origin_of, write_origin
from train.release_encoder import release_encoder
from wijha import InputError
from wijha.manifest import check_manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path: Path, encoder: Path) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(encoder, folder / "encoder")
    rows = [
        {
            "step": n,
            "tokens": 1_000 * n,
            "validation_loss": 5 - n / 7,
            "validation_accuracy": n / 9,
            "tokens_per_second": 5,
        }
        for n in (1, 2)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = {"learning_rate": 0.0015, "masking": [0.25, 0.15]}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def numbers_of(card: str) -> set[str]:
    """What the table of stages says."""
    rows = re.findall(r"^\| \d+ \|.*$", card, re.MULTILINE)
    return {figure for row in rows for figure in re.findall(r"\d[\d,.]*", row.split("|", 2)[2])}


def numbers_in(folder: Path) -> set[str]:
    known = set()
    for path in [*folder.glob("config-*.json"), *folder.glob("log-*.jsonl")]:
        for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", path.read_text(encoding="utf-8")):
            known |= {f"{float(number):.3f}", f"{float(number):g}", f"{float(number):,.0f}"}
    return known


def test_card_and_logs_come_with_the_encoder(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "encoder"
    target.mkdir(parents=True)
    (target / "old").touch()
    release_encoder([run, run], "two GPUs", target)
    assert not (target / "old").exists() and (target / "model.safetensors").exists()
    assert set(check_manifest(target) or ()) >= {"config.json", "model.safetensors", "tokenizer.json"}
    card = (target / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: ar\n") and "2 layers x 32" in card
    assert len(numbers_of(card)) >= 6 and numbers_of(card) <= numbers_in(target)


@pytest.mark.parametrize(("name", "least"), [("encoder", 6), ("encoder-deep", 5)])
def test_every_number_of_a_shipped_card_is_in_a_file(name: str, least: int) -> None:
    shipped = ROOT / "models" / name
    numbers = numbers_of((shipped / "README.md").read_text(encoding="utf-8"))
    assert len(numbers) >= least and numbers <= numbers_in(shipped)


def test_an_unfinished_run_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "encoder")
    with pytest.raises(InputError, match="expected a finished run"):
        release_encoder([run], "a GPU", tmp_path / "encoder")


def test_the_encoder_before_stays_until_the_new_one_is_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "models" / "encoder", Path.rename
    target.mkdir(parents=True)
    (target / "old").touch()

    def killed(path: Path, other: Path) -> Path:
        if path.suffix == ".part":
            raise KeyboardInterrupt
        return rename(path, other)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        release_encoder([run], "a GPU", target)
    assert (target.with_name(".encoder.old") / "old").exists()
    with pytest.raises(InputError, match="expected a pre-training run"):
        release_encoder([tmp_path], "a GPU", target)
    assert [path.name for path in target.parent.iterdir()] == ["encoder"] and (target / "old").exists()


def test_the_card_says_what_an_encoder_began_with_and_ran_on(run: Path, tmp_path: Path) -> None:
    def card(**settings: object) -> str:
        used = json.loads((run / "config.json").read_text(encoding="utf-8")) | settings
        (run / "config.json").write_text(json.dumps(used), encoding="utf-8")
        release_encoder([run], "a GPU", tmp_path / "encoder")
        return (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")

    assert "layers of" not in card() and "on a GPU." in card()
    committed = json.loads((ROOT / "models" / "encoder-deep" / "config-1.json").read_text(encoding="utf-8"))
    for noted, said in (
        (None, "multilingual-e5-small (Wang et al. 2024, MIT; before that"),  # of a run before encoders noted it
        (E5_SMALL, "multilingual-e5-small (Wang et al. 2024, MIT; before that"),
        (Origin("other", "Somebody, CC0"), "other (Somebody, CC0)"),
        (Origin("other", ""), "other (no licence named)"),
    ):
        if noted:
            write_origin(noted, run / "encoder")
        made = card(init="runs/other" if noted else committed["init"])
        assert f"with layers of {said}" in made and "`mean_layer: true`" in made
    assert origin_of(ROOT / "models" / "encoder-deep") == E5_SMALL


@pytest.mark.parametrize(
    ("corpus", "described"),
    [("../shared/corpus", True), (["../shared/corpus", "data/topical"], True), (["mine"], False)],
)
def test_the_card_describes_the_corpus_that_was_read_and_no_other(
    run: Path, tmp_path: Path, corpus: object, described: bool
) -> None:
    settings = json.loads((run / "config.json").read_text(encoding="utf-8")) | {"corpus": corpus}
    (run / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    release_encoder([run], "a GPU", tmp_path / "encoder")
    card = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
    for sentence in ("32 M words of public collections", "Little text after 2013-2017", "news and encyclopaedia text"):
        assert (sentence in card) == described, sentence
    named = [corpus] if isinstance(corpus, str) else corpus
    assert f"| 1 | {', '.join(named)} | " in card and "\n\n\n" not in card
