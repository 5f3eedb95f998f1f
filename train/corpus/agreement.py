"""How far two readers of the same sentences agree: percent and Cohen's kappa (Cohen 1960)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.data import Example, load_examples
from train.tables import markdown
from wijha.errors import InputError
from wijha.schema import Schema
from wijha.writing import write_rows

Labels = Sequence[str]
"""One label a topic, in the order of the schema."""


def agreement(first: Sequence[Labels], second: Sequence[Labels], schema: Schema) -> dict[str, Any]:
    """What two readers of the same rows share.

    `topics` has for each topic whether it is there (`presence`, over all rows) and, where both saw it, `stance`;
    `rows_equal` is the share of rows with all topics equal, `labels` counts every label of every topic.
    """
    rows = list(zip(first, second, strict=True))
    cells = [pair for one, other in rows for pair in zip(one, other, strict=True)]
    topics = {}
    for index, topic in enumerate(schema.topic_names):
        read = [(one[index], other[index]) for one, other in rows]
        presence = [(str(a != schema.absent), str(b != schema.absent)) for a, b in read]
        topics[topic] = {
            "presence": measure(presence),
            "stance": measure([(a, b) for a, b in read if schema.absent not in (a, b)]),
        }
    equal = sum(list(one) == list(other) for one, other in rows)
    return {
        "rows": len(rows),
        "rows_equal": _rounded(equal / len(rows)) if rows else None,
        "labels": measure(cells),
        "topics": topics,
    }


def measure(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Number, share equal, and kappa of paired choices."""
    equal = _rounded(sum(a == b for a, b in pairs) / len(pairs)) if pairs else None
    value = kappa(pairs)
    return {"count": len(pairs), "equal": equal, "kappa": value if value is None else _rounded(value)}


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa; None where it is not defined: no pairs, or only one choice ever made."""
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[choice] * second[choice] for choice in first)  # times the square of the number of pairs
    if chance == len(pairs) ** 2:
        return None
    equal = sum(a == b for a, b in pairs)
    return (equal * len(pairs) - chance) / (len(pairs) ** 2 - chance)


def _rounded(value: float) -> float:
    return round(value, 4)


def compare_files(first: Path, second: Path, schema: Schema, output: Path | None) -> dict[str, Any]:
    """Print the agreement of two annotators' files, matched by id; their disagreements go to `output`.

    Raises InputError when a label is missing or the files share no id.
    """
    one, other = _by_id(first, schema), _by_id(second, schema)
    if not (both := [name for name in one if name in other]):
        raise InputError(f"expected rows with the same ids in {first} and {second}, found none; check the id columns")
    rows = [[_labels(file[name], schema, path) for name in both] for file, path in ((one, first), (other, second))]
    result = agreement(*rows, schema)
    print(table(result))
    print(f"{len(one) - len(both):,} rows only in {first.name}, {len(other) - len(both):,} only in {second.name}")
    if output:
        differ = [_disagreement(one[name], other[name]) for name in both if one[name].labels != other[name].labels]
        write_rows(differ, output)
        print(f"{len(differ):,} disagreements -> {output}")
    return result


def _by_id(path: Path, schema: Schema) -> dict[str, Example]:
    rows: dict[str, Example] = {}
    for row in load_examples(path, schema, unlabelled=True):
        if row.id in rows:
            raise InputError(f"expected each id once in {path}, found {row.id} again; keep one of its rows")
        rows[row.id] = row
    return rows


def _labels(row: Example, schema: Schema, path: Path) -> list[str]:
    if missing := [topic for topic in schema.topic_names if row.labels[topic] is None]:
        raise InputError(
            f"expected a label for every topic in {path}, found none for {', '.join(missing)} of {row.id}; "
            "label it or drop the row"
        )
    return [str(row.labels[topic]) for topic in schema.topic_names]


def _disagreement(one: Example, other: Example) -> dict[str, Any]:
    differ = {
        topic: [label, other.labels[topic]] for topic, label in one.labels.items() if label != other.labels[topic]
    }
    return {"id": one.id, "text": one.text, "differ": differ, "first": one.labels, "second": other.labels}


def table(result: dict[str, Any]) -> str:
    """An agreement as Markdown."""
    head = [f"{result['rows']:,} rows", "presence equal", "kappa", "both saw it", "stance equal", "kappa"]
    rows = []
    for topic, value in result["topics"].items():
        presence, stance = value["presence"], value["stance"]
        cells = [percent(presence["equal"]), number(presence["kappa"]), f"{stance['count']:,}"]
        rows.append([topic, *cells, percent(stance["equal"]), number(stance["kappa"])])
    labels = result["labels"]
    words = f"{percent(result['rows_equal'])} of the rows and {percent(labels['equal'])} of the labels are equal"
    return f"{markdown(head, rows)}\n\n{words}; Cohen's kappa over all labels {number(labels['kappa'])}."


def percent(share: float | None) -> str:
    """A share to read; a dash where there is none."""
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def number(value: float | None) -> str:
    """A kappa to read; a dash where it is not defined."""
    return "-" if value is None else f"{value:.3f}"
