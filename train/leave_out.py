"""How well a recipe travels: for each outlet, or year, a model that saw none of its sentences, scored on them.

    python -m train.leave_out configs/release.yaml --by outlet --groups 5
    python -m train.leave_out configs/release.yaml --by year --groups 4 --epochs 2

The groups are those with the most sentences that carry a topic. Each model is a whole fine-tuning run in
runs/leave-out/BY/GROUP, which goes on where it was stopped; the scores, beside the TF-IDF baseline that saw as little,
go into configs/results/leave-out/NAME-BY.json, NAME that of the config's output, and, as a table, onto the screen;
`python -m train.documents` puts it into configs/README.md.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.command import run
from train.config import FinetuneConfig, as_dict
from train.evaluation import evaluate_model
from train.finetune import finetune
from train.provenance import begun_with, run_of
from train.tables import HEADLINE, between, markdown
from wijha.arguments import positive
from wijha.errors import InputError
from wijha.files import write_json
from wijha.records import read_rows
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import Row, write_rows

OUTPUT, RESULTS = Path("runs/leave-out"), Path("configs/results/leave-out")
_YEARS = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def main() -> None:
    """Command line."""
    by = {"choices": ("outlet", "year"), "default": "outlet"}
    run(__doc__, FinetuneConfig, report, by=by, groups={"type": positive, "default": 5})


def report(config: FinetuneConfig, by: str, groups: int) -> None:
    """Train without each group, keep the scores in configs/results/leave-out and print them."""
    scored = leave_out(config, by, groups, OUTPUT / by)
    write_json(RESULTS / f"{config.output.name}-{by}.json", {"config": as_dict(config), "groups": scored})
    print(table(scored))


def leave_out(config: FinetuneConfig, by: str, groups: int, folder: Path) -> dict[str, Any]:
    """Group -> scores and intervals of the model and the baselines on its sentences, none of which they saw.

    Raises InputError when the data names fewer groups than asked for, for a config with `distilled` or `targets`, and
    what fine-tuning raises.
    """
    if named := config.distilled or config.targets:  # whose rows name no group
        raise InputError(f"expected a config without distilled and targets, found {named}; choose one of labels alone")
    schema = Schema.from_yaml(config.schema)
    files = config.files()
    rows = [row for path in files for _, row in read_rows(path)]
    results = {}
    for group in largest(rows, by, groups, schema):
        home = folder / f"{re.sub(r'[^0-9A-Za-z]+', '-', group)}-{key(group)[:8]}"
        kept, left = home / "train.local.jsonl", home / "left-out.local.jsonl"
        write_rows((row for row in rows if group_of(row, by) != group), kept)
        write_rows((row for row in rows if group_of(row, by) == group), left)
        model = finetune(dataclasses.replace(config, data=(kept,), optional_data=(), output=home))
        scored = evaluate_model(model, left)
        kept_of = {name: scored[name] for name in ("sentences", "systems")}
        results[group] = kept_of | {"trained_on": begun_with(run_of(model))}
    return results


def largest(rows: Sequence[Row], by: str, groups: int, schema: Schema) -> list[str]:
    """The groups with the most sentences that carry a topic."""
    counts = Counter(
        group_of(row, by)
        for row in rows
        if any(row.get(topic) not in (None, "", schema.absent) for topic in schema.topic_names)
    )
    names = [name for name, _ in counts.most_common() if name]
    if len(names) < max(groups, 1):
        raise InputError(f"expected data of {groups} groups by {by}, found {len(names)}; lower --groups")
    return names[:groups]


def group_of(row: Row, by: str) -> str:
    """Outlet or year of a row; empty where it has none, or no single one."""
    if by == "outlet":
        return str(row.get("outlet") or "")
    date = str(row.get("date") or "")
    found = _YEARS.findall(date)
    return found[0] if len(found) == 1 and not date.startswith(("<", ">")) else ""  # "<=2019-04" and ranges are none


def table(results: dict[str, Any]) -> str:
    """The headline scores of every system on every group, as Markdown."""
    rows = []
    for group, result in results.items():
        for name, system in result["systems"].items():
            cells = [between(system["scores"][key], system["intervals"][key]) for key in HEADLINE]
            rows.append([group, f"{result['sentences']:,}", name, *cells])
    return markdown(["left out", "sentences", "system", *HEADLINE.values()], rows)


if __name__ == "__main__":
    main()
