"""Refuse a faulty corpus; else write its numbers, data/report.json, and put them into its card, data/README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.corpus.numbers import corpus_numbers, tables
from train.corpus.parts import PARTS, part_file, read_corpus, read_real_news
from train.corpus.problems import all_problems, refuse
from train.data import REAL_NEWS
from train.tables import filled
from wijha.errors import InputError
from wijha.files import file_sha256, read_json, write_json, write_text
from wijha.schema import Schema

DATA = Path("data")


def check(schema: Schema, folder: Path = DATA, real_news: Path = REAL_NEWS, frozen: bool = False) -> dict[str, Any]:
    """Check every part in `folder`, bring report and card up to date, print a summary and return the report.

    Raises InputError that names every faulty row, or, when `frozen`, the files that are not up to date.
    """
    corpus, real = read_corpus(folder, schema), read_real_news(real_news, schema)
    refuse(f"a sound corpus in {folder}", all_problems(corpus, real, schema), "mend the rows:")
    report, old = corpus_numbers(corpus, schema), _json(folder / "report.json")
    report["files"] = {part: file_sha256(part_file(folder, part)) for part in report["parts"]}
    _keep_words(report, old)
    card = filled(folder / "README.md", {"numbers": f"\n{tables(report, schema)}\n"})
    changed = [
        name
        for name, same in (("report.json", report == old), ("README.md", card == _text(folder / "README.md")))
        if not same
    ]
    if frozen and changed:
        raise InputError(
            f"expected the numbers of {folder} to be up to date, found old ones in {' and '.join(changed)}; "
            "run python -m train.corpus check"
        )
    if not frozen:
        write_json(folder / "report.json", report)
        write_text(folder / "README.md", card)
    _print(report, sum(row.part == "annotated" and row.text is None for row in corpus), real_news, len(real))
    return report


def _keep_words(report: dict[str, Any], old: dict[str, Any]) -> None:
    """Lengths need the text: without all of it, those measured earlier on the same rows stay."""
    for part, value in report["parts"].items():
        if value["words"] is None and old.get("files", {}).get(part) == report["files"][part]:
            value["words"] = old["parts"][part]["words"]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


def _print(report: dict[str, Any], unhydrated: int, real_news: Path, real: int) -> None:
    for part in PARTS:
        value = report["parts"].get(part)
        print(
            f"{part}: {value['sentences']:,} sentences, {value['stories']:,} stories" if value else f"{part}: not there"
        )
    print(", ".join(f"{name} {value['sentences']:,}" for name, value in report["splits"].items()))
    print(f"{report['contrast_pairs']:,} contrast pairs")
    if unhydrated:
        print(
            f"{unhydrated:,} annotated sentences have no text here: compared by key only; run python -m train.hydrate"
        )
    print(f"none is in {real_news} ({real:,})" if real else f"{real_news} is not there: not compared with it")
