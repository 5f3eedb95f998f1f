"""Make the encoder of a finished pre-training run one that ships, in models/, with its log and its card.

    python -m train.release_encoder runs/pretrain [runs/pretrain-topical ...]
    python -m train.release_encoder runs/pretrain-deep --to models/encoder-deep --hardware "one NVIDIA H200"

Of several runs each went on from the one before. The card's numbers come from the runs' config.json and log.jsonl.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from train.command import command_line, one_sentence_errors
from train.folders import replacing_folder
from train.origin import E5_SMALL, origin_of
from train.tables import markdown
from wijha.errors import InputError
from wijha.files import read_json, write_text
from wijha.manifest import write_manifest
from wijha.runtime import processor

Stage = tuple[dict[str, Any], list[dict[str, Any]]]
"""Settings and log of a run."""
SHIPPED = Path("models/encoder")
_ADOPTED = "runs/adopted"
"""`init` of the runs from multilingual-e5-small that ended before encoders noted their origin."""
_DESCRIBED = "../shared/corpus"
"""The corpus that the card describes."""
_STAGE = ("stage", "corpus", "tokens", "validation loss", "validation accuracy", "learning rate", "masking")
_CARD = """---
language: ar
license: apache-2.0
library_name: transformers
pipeline_tag: feature-extraction
tags: [arabic, news, bert]
---

# An Arabic news encoder

A stock BERT of {layers} layers x {hidden}, {vocabulary:,} pieces, half precision, {megabytes:.0f} MB,
pre-trained on {text} by masked language modelling (whole words). It needs no
download; it is made to be fine-tuned (`python -m train.finetune`). Normalisation (NFKC; marks and invisible controls
removed; alef, yeh, the seats of hamza, teh marbuta, Persian and Urdu letters, digits, punctuation
and case folded) is part of `tokenizer.json`.{origin}

## Pre-training

{stages}

Each stage goes on from the one before, with that one's layers repeated in place where it has more; its loss is on its
own held-out text. `data/topical` are the corpus's documents on the topics' world once more and the labelled training
sentences (`python -m train.topical`). The whole curves stand in `log-*.jsonl` beside this card, the settings in
`config-*.json`; configs/pretrain*.yaml repeat them.
Computing time: {hours}, on {hardware}.{corpus}

## What it does not know

{gaps} Large encoders from the hub have seen far more (`configs/arabert.yaml`). It repeats
what its sources take for granted.
"""
_ORIGIN = """

It does not begin at random but with layers of {source} ({licence}), made Arabic by
`python -m train.adopt`: its [CLS] says nothing by itself, so fine-tune it with `mean_layer: true`."""
_CORPUS = """

## Corpus

32 M words of public collections; the newspapers hold the rights to their texts, which are not in this repository.

| collection | repository | era | licence of the repository |
|---|---|---|---|
| NewsCredibility-2013 | ibraaaa/news-credibility | January to March 2013 | Apache-2.0 |
| ComparableWiki-ar | motazsaad/comparableWikiCoprus | Wikipedia, January 2017 | CC BY-SA 4.0 |
| AlMayadeen | hadialshaer/DataScience-NewsAnalytics | 2023-01 to 2024-08 | none stated |
| ANT-v1.1 | antcorpus/antcorpus.data | 2013 to 2017, Tunisia | Apache-2.0, asks for citation |
| CNN-Arabic-titles | motazsaad/NLP-ICTS6361 | to April 2019 | Apache-2.0 |
| ArabicFC(Baly2018)-dev | Fatima-Haouari/AuSTR | 2016 to January 2018, Syria | none stated |
| ASND-AlJazeera-social | shammur/Arabic_news_text_classification_datasets | 2017 to 2019 | CC BY 4.0 |
| WANLP-RSS-2025, ARCD-wiki | hamdi-ramdane/S8-WANLP-PROJECT, husseinmozannar/SOQAL | 2025; 2019 | none stated; MIT |"""
_GAPS = """Little text after 2013-2017 but one outlet's of 2023-2024 and a few hundred documents of 2025; no dialect
beyond what newspapers quote; no other language."""


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="folder to replace (default: %(default)s)")
    parser.add_argument("--hardware", default=processor(), help="what the runs were on (default: %(default)s)")
    arguments = parser.parse_args()
    with one_sentence_errors():
        release_encoder(arguments.runs, arguments.hardware, arguments.to)


def release_encoder(runs: list[Path], hardware: str, target: Path = SHIPPED) -> None:
    """Replace `target` by the last run's encoder, with every run's log and settings, a card and a manifest.

    Raises InputError for an unfinished run.
    """
    with replacing_folder(target) as fresh:
        _make(runs, [_stage(run) for run in runs], hardware, fresh)
    print(f"{runs[-1]}/encoder -> {target}")


def _make(runs: list[Path], stages: list[Stage], hardware: str, fresh: Path) -> None:
    shutil.copytree(runs[-1] / "encoder", fresh)
    for number, run in enumerate(runs, 1):
        shutil.copy(run / "log.jsonl", fresh / f"log-{number}.jsonl")
        shutil.copy(run / "config.json", fresh / f"config-{number}.json")
    shape, described = read_json(fresh / "config.json"), any(_DESCRIBED in _corpora(used) for used, _ in stages)
    card = _CARD.format(
        layers=shape["num_hidden_layers"],
        hidden=shape["hidden_size"],
        vocabulary=shape["vocab_size"],
        megabytes=(fresh / "model.safetensors").stat().st_size / 1e6,
        text="Arabic news and encyclopaedia text" if described else "Arabic text",
        origin=_origin(runs[-1] / "encoder", stages[0][0]),
        stages=markdown(_STAGE, [_row(number, *stage) for number, stage in enumerate(stages, 1)]),
        hours=_hours(stages),
        hardware=hardware,
        corpus=_CORPUS if described else "",
        gaps=_GAPS if described else "What its corpus lacks.",
    )
    write_text(fresh / "README.md", card)
    write_manifest(fresh)


def _stage(run: Path) -> Stage:
    """Settings and log of a finished run."""
    try:
        config = read_json(run / "config.json")
        log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise InputError(
            f"expected a pre-training run in {run}, found no {error.filename}; run make pretrain"
        ) from error
    if not (run / "encoder").is_dir() or not log:
        raise InputError(f"expected a finished run in {run}, found no encoder; run it to the end")
    return config, log


def _origin(encoder: Path, config: dict[str, Any]) -> str:
    """What the card says of the layers that the first run began with, where they were somebody else's."""
    origin = origin_of(encoder) or (E5_SMALL if config.get("init") == _ADOPTED else None)
    return _ORIGIN.format(source=origin.source, licence=origin.licence or "no licence named") if origin else ""


def _corpora(config: dict[str, Any]) -> list[str]:
    """Folders of a run's corpus; older runs noted one as a text."""
    corpora = config.get("corpus", [])
    return [corpora] if isinstance(corpora, str) else list(corpora)


def _row(number: int, config: dict[str, Any], log: list[dict[str, Any]]) -> list[str]:
    last, masking = log[-1], " to ".join(f"{rate:g}" for rate in config["masking"])
    corpus = ", ".join(_corpora(config))
    scores = [f"{last[name]:.3f}" for name in ("validation_loss", "validation_accuracy")]
    return [str(number), corpus, f"{last['tokens']:,}", *scores, f"{config['learning_rate']:g}", masking]


def _hours(stages: list[Stage]) -> str:
    """Computing time by the logged rates."""
    hours = sum(log[-1]["tokens"] / log[-1]["tokens_per_second"] for _, log in stages) / 3600
    return f"{hours:.2g} hours in all at the rates of the logs"


if __name__ == "__main__":
    main()
