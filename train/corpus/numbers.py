"""The numbers of the corpus, and the tables of its card."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from train.corpus.agreement import agreement, percent, table
from train.corpus.parts import PARTS, Sentence
from train.corpus.problems import codes, contrast_pairs
from train.data import SPLITS
from train.tables import markdown
from wijha.schema import Schema

_COLUMNS = {"form": "forms", "line": "lines", "corpus": "corpora", "outlet": "outlets", "source": "sources"}
_YEAR = re.compile(r"(?:19|20)\d\d")
_SHOWN = 15
_READ = {
    "real": "Two readers of the same real sentence, neither knowing the other's labels, before they were settled:",
    "made": "Two readers of a sentence made from a real one; one of them may have chosen its words:",
    "written": "The writer of a sentence and one reader who did not see the writer's labels:",
}


def corpus_numbers(corpus: Sequence[Sentence], schema: Schema) -> dict[str, Any]:
    """Everything that is counted, as plain JSON."""
    by_part = {part: [row for row in corpus if row.part == part] for part in PARTS}
    by_split = {name: [row for row in corpus if row.split == name] for name in SPLITS}
    return {
        "sentences": len(corpus),
        "parts": {part: part_numbers(rows, schema) for part, rows in by_part.items() if rows},
        "splits": {name: _counts(rows, schema) for name, rows in by_split.items()},
        "contrast_pairs": len(contrast_pairs(corpus)),
        "agreement": reader_agreement(corpus, schema),
    }


def part_numbers(rows: Sequence[Sentence], schema: Schema) -> dict[str, Any]:
    """The numbers of one part; `words` is None until all of its texts are here."""
    columns = {several: _tally(row.fields.get(one) for row in rows) for one, several in _COLUMNS.items()}
    years = Counter(_year(row.fields.get("date")) for row in rows)
    return {
        **_counts(rows, schema),
        "words": word_numbers(rows),
        **{name: counts for name, counts in columns.items() if counts},
        **({"years": dict(sorted(years.items()))} if set(years) - {"unknown"} else {}),
    }


def _counts(rows: Sequence[Sentence], schema: Schema) -> dict[str, Any]:
    present = [sum(label != schema.absent for label in row.labels.values()) for row in rows]
    labels = {topic: Counter(row.labels[topic] for row in rows) for topic in schema.topic_names}
    return {
        "sentences": len(rows),
        "stories": len({row.story for row in rows}),
        "hard_negatives": present.count(0),
        "several_topics": sum(count > 1 for count in present),
        "labels": {topic: {name: labels[topic][name] for name in schema.label_names} for topic in labels},
    }


def word_numbers(rows: Sequence[Sentence]) -> dict[str, int] | None:
    """Median and 5th and 95th percentile of the sentences' words."""
    lengths = [len(row.text.split()) for row in rows if row.text]
    if len(lengths) < len(rows):
        return None
    low, median, high = np.percentile(lengths, [5, 50, 95], method="lower").astype(int).tolist()
    return {"p5": low, "median": median, "p95": high}


def _tally(values: Iterable[Any]) -> dict[str, int]:
    counts = Counter(str(value) for value in values if value)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _year(date: Any) -> str:
    found = _YEAR.search(str(date or ""))
    return found.group() if found else "unknown"


def reader_agreement(corpus: Iterable[Sentence], schema: Schema) -> dict[str, Any]:
    """Agreement of the first two readers of the sentences that have two: of real ones, of those made from them and of
    written ones, whose first reader is their writer."""
    read: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in _READ}
    for row in corpus:
        if len(row.readers) > 1:
            kind = "written" if row.part != "annotated" else "made" if row.fields.get("of") else "real"
            read[kind].append(row.readers)
    names = codes(schema)
    return {
        kind: agreement(*([[names[c] for c in row[reader]] for row in rows] for reader in (0, 1)), schema)
        for kind, rows in read.items()
        if rows
    }


def tables(numbers: dict[str, Any], schema: Schema) -> str:
    """The numbers as the Markdown tables of the data card."""
    parts, splits = numbers["parts"], numbers["splits"]
    sections = [
        _parts_table(parts),
        f"The challenge holds {numbers['contrast_pairs']:,} contrast pairs.",
        _labels_table("part", parts, schema),
        "Splits of written and annotated sentences together, by story:",
        _labels_table("split", splits, schema),
        *(_lists(part, value) for part, value in parts.items()),
    ]
    for kind, result in numbers["agreement"].items():
        sections += [_READ[kind], table(result)]
    return "\n\n".join(section for section in sections if section)


def _parts_table(parts: dict[str, Any]) -> str:
    rows = []
    for part, value in parts.items():
        words = value["words"]
        length = f"{words['median']} ({words['p5']}-{words['p95']})" if words else "-"
        cells = [f"{value[name]:,}" for name in ("sentences", "stories", "hard_negatives", "several_topics")]
        rows.append([part, *cells, length])
    return markdown(["part", "sentences", "stories", "no topic", "several topics", "words: median (5-95 %)"], rows)


def _labels_table(title: str, groups: dict[str, Any], schema: Schema) -> str:
    rows = []
    for group, value in groups.items():
        for topic, counts in value["labels"].items():
            total = max(1, value["sentences"])
            cells = [f"{counts[name]:,} ({percent(counts[name] / total)})" for name in schema.label_names]
            rows.append([f"{group} ({value['sentences']:,})", topic, *cells])
    return markdown([title, "topic", *schema.label_names], rows)


def _lists(part: str, value: dict[str, Any]) -> str:
    lines = []
    for name in (*_COLUMNS.values(), "years"):
        if counts := value.get(name):
            shown = ", ".join(
                f"{key} {count:,}" for key, count in list(counts.items())[: None if name == "years" else _SHOWN]
            )
            more = len(counts) - _SHOWN
            lines.append(f"* {part}, {name}: {shown}" + (f", and {more} more" if more > 0 and name != "years" else ""))
    return "\n".join(lines)
