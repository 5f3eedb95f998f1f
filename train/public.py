"""The public stance sets ANS and Mawqif as labelled files of ours, so that the same code trains and scores on them.

    python -m train.public ../shared/benchmarks          # folders ans/ and mawqif/ of CSV files, as published
    python -m train.finetune configs/public/ans.yaml     # or configs/public/mawqif.yaml
    python -m train.evaluation runs/ans/model data/public/ans-test.local.jsonl

ANS (Khouja 2020, arXiv 2005.10410): pairs of titles become one text, joined by [SEP]. Mawqif (Alturayeif et al. 2022,
2022.wanlp-1.16): each target is a topic, and a tweet labels only its own; a tenth of its training rows are for
development, by the hash of their text.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from train.command import command_line, one_sentence_errors
from train.data import split_of
from wijha.errors import InputError
from wijha.text import key
from wijha.writing import write_rows

OUTPUT = Path("data/public")
_TARGETS = {
    "Covid Vaccine": "covid_vaccine",
    "Digital Transformation": "digital_transformation",
    "Women empowerment": "women_empowerment",
}


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="folder that holds ans/ and mawqif/")
    arguments = parser.parse_args()
    with one_sentence_errors():
        for name, rows in {**ans(arguments.folder / "ans"), **mawqif(arguments.folder / "mawqif")}.items():
            count = write_rows(iter(rows), OUTPUT / f"{name}.local.jsonl")
            print(f"{count:,} rows -> {OUTPUT}/{name}.local.jsonl")


def ans(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Training and development rows in one file with their published split, test rows in another."""
    made: dict[str, list[dict[str, Any]]] = {"ans": [], "ans-test": []}
    for name, split in (("train", "train"), ("dev", "development"), ("test", "test")):
        for number, row in enumerate(_rows(folder / f"{name}.csv", "s1", "s2", "stance"), 1):
            text = f"{row['s1']} [SEP] {row['s2']}"
            entry = {"id": f"ans-{name}-{number}", "text": text, "claim": row["stance"], "split": split}
            made["ans-test" if split == "test" else "ans"].append(entry)
    return made


def mawqif(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The same for Mawqif; a target that a tweet says nothing of stays unlabelled."""
    made: dict[str, list[dict[str, Any]]] = {"mawqif": [], "mawqif-test": []}
    for name in ("train", "test"):
        for number, row in enumerate(_rows(folder / f"{name}.csv", "text", "target", "stance"), 1):
            stances = dict.fromkeys(_TARGETS.values(), "")
            stances[_TARGETS[row["target"]]] = row["stance"].lower() or "none"
            split = "test" if name == "test" else "development" if split_of(key(row["text"])) == "test" else "train"
            entry = {"id": f"mawqif-{name}-{number}", "text": row["text"].strip(), **stances, "split": split}
            made["mawqif-test" if name == "test" else "mawqif"].append(entry)
    return made


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"expected {path}, found none; give the folder of the published sets") from error
    if not rows or not set(columns) <= set(rows[0]):
        raise InputError(f"expected the columns {', '.join(columns)} in {path}, found others; give the published file")
    return [{name: "" if row[name] in (None, "None") else row[name] for name in row} for row in rows]


if __name__ == "__main__":
    main()
