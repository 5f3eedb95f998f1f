"""How far two readers of the same sentences agree: percent and Cohen's kappa (Cohen 1960)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from train.data import Example, load_examples
from train.tables import markdown
from wijha.errors import InputError
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import write_rows

Labels = Sequence[str | None]
"""One label a topic, in the order of the schema; None where nobody gave one."""
Pair = tuple[str, str]


def agreement(first: Sequence[Labels], second: Sequence[Labels], schema: Schema) -> dict[str, Any]:
    """What two readers of the same rows share.

    `topics` has for each topic, of the rows in which both gave it a label, whether it is there (`presence`) and, where
    both saw it, `stance`; `labels` counts every such label of every topic; `rows` are those in which both labelled
    every topic, `rows_equal` the share of them with all equal.
    """
    columns = [
        _read_by_both([one[index] for one in first], [one[index] for one in second])
        for index in range(len(schema.topics))
    ]
    topics = {}
    for topic, pairs in zip(schema.topic_names, columns, strict=True):
        topics[topic] = {
            "presence": measure([(str(a != schema.absent), str(b != schema.absent)) for a, b in pairs]),
            "stance": measure([pair for pair in pairs if schema.absent not in pair]),
        }
    whole = [(one, other) for one, other in zip(first, second, strict=True) if None not in (*one, *other)]
    equal = sum(list(one) == list(other) for one, other in whole)
    return {
        "rows": len(whole),
        "rows_equal": _rounded(equal / len(whole)) if whole else None,
        "labels": measure([pair for pairs in columns for pair in pairs]),
        "topics": topics,
    }


def _read_by_both(first: Labels, second: Labels) -> list[Pair]:
    return [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]


def measure(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Number, share equal, and kappa of paired choices."""
    equal = _rounded(sum(a == b for a, b in pairs) / len(pairs)) if pairs else None
    value = kappa(pairs)
    return {"count": len(pairs), "equal": equal, "kappa": value if value is None else _rounded(value)}


def kappa(pairs: Sequence[Pair]) -> float | None:
    """Cohen's kappa; None where it is not defined: no pairs, or only one choice ever made."""
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[choice] * second[choice] for choice in first)  # times the square of the number of pairs
    if chance == len(pairs) ** 2:
        return None
    equal = sum(a == b for a, b in pairs)
    return (equal * len(pairs) - chance) / (len(pairs) ** 2 - chance)


def _rounded(value: float) -> float:
    return round(value, 4)


def compare_files(
    first: Path, second: Path, schema: Schema, output: Path | None, missing_is_absent: bool = False
) -> dict[str, Any]:
    """Print the agreement of two readers' files, matched by id; their disagreements go to `output`. A topic that one
    of them left open in a row is passed over there, or is absent beside another label where `missing_is_absent`.

    Raises InputError when the files share no id, when a shared one is of two texts, and when `output` is one of them.
    """
    if output and output.resolve() in (first.resolve(), second.resolve()):
        raise InputError(f"expected another --output than {output}, which is one of the two files; name another")
    one, other = (_by_id(path, schema, missing_is_absent) for path in (first, second))
    if not (both := [name for name in one if name in other]):
        raise InputError(f"expected rows with the same ids in {first} and {second}, found none; check the id columns")
    if others := [name for name in both if key(one[name].text) != key(other[name].text)]:
        raise InputError(
            f"expected the same sentences under the same ids in {first} and {second}, found others under "
            f"{len(others):,} of them, {others[0]} the first; compare two readings of one sample"
        )
    rows = [[[file[name].labels[topic] for topic in schema.topic_names] for name in both] for file in (one, other)]
    result = agreement(*rows, schema)
    print(table(result))
    one_alone = sum(not any(one[name].labels.values()) or not any(other[name].labels.values()) for name in both)
    if one_alone:
        print(f"{one_alone:,} rows have labels of one of the two at most: they count for nothing")
    if part := len(both) - result["rows"] - one_alone:
        print(f"{part:,} rows have a topic that one of the two left open: they count for their other topics")
    print(f"{len(one) - len(both):,} rows only in {first.name}, {len(other) - len(both):,} only in {second.name}")
    if output:
        differ = [row for row in (_disagreement(one[name], other[name]) for name in both) if row["differ"]]
        write_rows(differ, output)
        print(f"{len(differ):,} disagreements -> {output}")
    return result


def _by_id(path: Path, schema: Schema, fill: bool) -> dict[str, Example]:
    rows: dict[str, Example] = {}
    for row in load_examples(path, schema, unlabelled=True):
        if row.id in rows:
            raise InputError(f"expected each id once in {path}, found {row.id} again; keep one of its rows")
        if fill and any(row.labels.values()):
            row = replace(row, labels={topic: label or schema.absent for topic, label in row.labels.items()})
        rows[row.id] = row
    return rows


def _disagreement(one: Example, other: Example) -> dict[str, Any]:
    differ = {
        topic: [label, other.labels[topic]]
        for topic, label in one.labels.items()
        if None not in (label, other.labels[topic]) and label != other.labels[topic]
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
