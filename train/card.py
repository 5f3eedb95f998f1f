"""The model card: README.md of a model folder, every number in it from the JSON files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.calibration import ENOUGH
from train.data import HYDRATED, TARGETS_HYDRATED, WRITTEN
from train.robustness import table as robustness_table
from train.tables import HEADLINE, between, markdown, remarks
from train.targets import RESULT as ASKED
from train.targets import table as asked_table
from wijha.classifier import read_settings
from wijha.estimate import COLUMNS, PRESENT, shown_figures
from wijha.files import read_json, write_text
from wijha.manifest import FIRST
from wijha.records import read_rows
from wijha.schema import ANY, Schema

_HEAD = """---
language: ar
{licence}library_name: transformers
pipeline_tag: text-classification
tags: [arabic, news, stance-detection, topic-classification]
---

# Topics and stances of Arabic news sentences

For each of {topics} topics this model gives one of {labels} labels: {names}. It is a stock
`BertForSequenceClassification`; schema and calibration temperatures stand in `config.json` under `wijha`.{pair}

```python
from wijha import Classifier

classifier = Classifier.load("{folder}")
for prediction in classifier.classify(["أكد المبعوث الأممي أن لا حل عسكريا للأزمة في سوريا"]):
    print(prediction.labels)
```

## Topics

| topic | Arabic name | target: the proposition that a stance is about |
|---|---|---|
{topic_rows}
"""

_PAIR = """

These are two models. `wijha` lets the faster one in `first/` ({fast}) read every text, and this
one ({slow}) only those in which that one does not rule out every topic; the answer is then the
mean of their probabilities. The scores here are those of the two. Other tools load this folder or `first/`, each a
stock model, and get what it says alone."""

_ORIGIN = """ This one's encoder began with layers of multilingual-e5-small (MIT; see
models/encoder-deep/README.md and NOTICE), the faster one's at random."""

_BLIND = "-blind"
_WHAT = {
    "challenge": "Contrast pairs: two written sentences that differ in few words and in one label. Never trained on.",
    "validation": "Real news, found by search, that no training saw.",
}
_WHAT_BLIND = "The same sentences with the words masked by which their topics are searched: what hangs on single words."

_SPELLING = """## Other spellings and typing errors

Share of {sentences:,} sentences{split} whose labels stay (`python -m train.robustness`), with 95 % intervals.

{table}
"""

_ARCHIVE = """## In an archive as it comes

Few sentences of an archive have a topic. How many are said to have it, how many have it, and how right the model is
there, with 95 % intervals, from a sample that was read (`wijha estimate`; data/README.md).

{table}
"""

_ASKED = """## Asked for any target

With a target as `text_pair` the outputs `target/...` say the stance towards it (`wijha predict --towards TARGET`). On
real sentences and targets that no training saw, with 95 % intervals (`python -m train.targets`; data/README.md):

{table}
"""

_TAIL = """## How it was made

Fine-tuned from `{encoder}` on {train:,} sentences ({development:,} for development, {test:,} for test, split by
story) with the settings in `metrics.json`, seed {seed}, on {machine}.{taught}{averaged} {data} Intervals of scores are
95 % percentile bootstrap over stories, their ends good to about two digits.

Temperatures fitted on the development split, where a topic is there or seen, so that stances are no surer than they are
right (over all labels, most of them `{absent}`, or over topics that it sees alone, the error may rise){unfitted}:
{temperatures}.

## Limits

It judges one sentence alone, in Modern Standard Arabic news; dialect, poetry and irony without a cue are out of its
reach. {rare}The labels follow one guideline; another reader may draw the
line elsewhere. Do not act on a single sentence's label: aggregate, and read what stands behind a figure. Shares counted
from labels are biased too, most of all those of a rare stance (`said` and `true` above): correct them by a labelled
sample of your own text (`wijha sample`, `wijha estimate`).
"""

ARCHIVE = "archive.jsonl"
"""What `wijha estimate` says of the model, in its folder."""
SCORED_AFTER = ("evaluation-*.json", "robustness.json", ARCHIVE)
"""What the card tells of a model that was scored after its run: untrue once the model's labels are others."""

_UNFITTED = f" (1 for a topic that fewer than {ENOUGH} sentences there have or are said to have)"
_OURS = {str(WRITTEN), str(HYDRATED), str(TARGETS_HYDRATED)}
_OUR_DATA = """Language models
labelled the sentences under data/GUIDELINES.md, and wrote those of data/written.jsonl; see data/README.md for what that
means. The written ones, in every split, are easier than news. Recipes and models were chosen by the development split
and at times by the validation news and the test split (NOTES.md), so these figures are somewhat too good. README.md
tells the stages of the models that ship."""


def write_card(folder: Path) -> None:
    """Write README.md into a model folder from config.json, metrics.json and the evaluations beside them."""
    settings = read_settings(folder)
    schema = Schema.from_dict(settings["schema"], f"{folder}/config.json")
    metrics = read_json(folder / "metrics.json")
    tables = {f"{name} split": metrics[name] for name in ("development", "test") if name in metrics}
    for path in sorted(folder.glob("evaluation-*.json"), key=lambda path: path.stem):
        tables[path.stem.removeprefix("evaluation-")] = read_json(path)
    run = metrics["run"]
    pair = ""
    ours = {*run["data"], *run.get("targets", {})} <= _OURS
    if (folder / FIRST).exists():
        pair = _PAIR.format(fast=shape(folder / FIRST), slow=shape(folder)) + _ORIGIN * ours
    head = _HEAD.format(
        licence="license: apache-2.0\n" if ours else "",
        topics=len(schema.topics),
        labels=len(schema.labels),
        names=", ".join(f"`{name}`" for name in schema.label_names),
        folder=folder,
        pair=pair,
        topic_rows="\n".join(f"| `{t.name}` | {t.arabic} | {t.target} |" for t in schema.topics),
    )
    runs, fitted = run["config"].get("average_of", []), settings.get("temperatures", {})
    tail = _TAIL.format(
        averaged=f" Its weights are the mean of {len(runs)} runs' (`train.average`)." if runs else "",
        taught=" Beside the labels it learned what other models say (`train.distill`)." if "distilled" in run else "",
        data=_OUR_DATA if ours else f"The sentences are those of {', '.join(run['data'])}.",
        rare="`against` is rare in real news; it and `neutral` are less reliable than `favor`. " if ours else "",
        encoder=run["config"]["encoder"],
        seed=run["config"]["seed"],
        machine=run["machine"],
        absent=schema.absent,
        unfitted=_UNFITTED if 1.0 in fitted.values() else "",
        temperatures=", ".join(f"{name} {value}" for name, value in fitted.items()),
        **run["sentences"],
    )
    parts = [head, *(scores(name, result, schema, ours) for name, result in tables.items())]
    if (measured := folder / "robustness.json").exists():
        result = read_json(measured)
        split = " of the test split" if result["split"] else ""
        parts.append(_SPELLING.format(sentences=result["sentences"], split=split, table=robustness_table(result)))
    if (folder / ASKED).exists():
        parts.append(_ASKED.format(table=asked_table(read_json(folder / ASKED))))
    if (folder / ARCHIVE).exists():
        parts.append(_ARCHIVE.format(table=archive_table(folder / ARCHIVE)))
    parts.append(tail)
    write_text(folder / "README.md", "\n".join(parts))


def archive_table(path: Path) -> str:
    """What `wijha estimate` wrote to `path`, as Markdown."""
    rows = [row for _, row in read_rows(path)]
    names = [f"`{row['topic']}`" if row["label"] == PRESENT else row["label"] for row in rows]
    head = f"{rows[0]['read']:,} read of {rows[0]['sentences']:,}"
    return markdown([head, *COLUMNS], [[name, *shown_figures(row)] for name, row in zip(names, rows, strict=True)])


def scores(name: str, result: dict[str, Any], schema: Schema, ours: bool) -> str:
    """The section on the sentences `name`: what they are where they are `ours`, scores, stances, remarks."""
    plain = name.removesuffix(_BLIND)
    title, what = plain.capitalize(), _WHAT.get(plain, "") if ours else ""
    if name != plain:
        title, what = f"{title} with the topics' words masked", _WHAT_BLIND
    notes = "\n".join(f"* {line}" for line in remarks(result))
    tables = [markdown_table(result), stance_table(result, schema), notes]
    return "\n\n".join([f"## {title}", *filter(None, [what]), *tables]) + "\n"


def shape(folder: Path) -> str:
    """The size of a BERT, from its config.json."""
    config = read_json(folder / "config.json")
    return f"{config['num_hidden_layers']} layers of {config['hidden_size']}"


def markdown_table(result: dict[str, Any]) -> str:
    """The headline scores of model and baselines with 95 % intervals, as Markdown."""
    rows = []
    for name, system in result["systems"].items():
        rows.append([name, *(between(system["scores"][key], system["intervals"][key]) for key in HEADLINE)])
    return markdown([f"{result['sentences']:,} sentences", *HEADLINE.values()], rows)


def stance_table(result: dict[str, Any], schema: Schema) -> str:
    """By topic: presence F1 of the model, then of each stance F1 and how many sentences are said to have it, how many
    have it."""
    system, labels = result["systems"]["model"], schema.label_names[1:]
    rows = []
    for topic, confusion in system["confusion"].items():
        true, said = ([sum(row) for row in table] for table in (confusion, zip(*confusion, strict=True)))
        cells = [
            f"{system['scores'][f'{topic}.{label}.f1']:.3f}, {said[number]:,} and {true[number]:,}"
            for number, label in enumerate(labels, 1)
        ]
        rows.append([f"`{topic}`", f"{system['scores'][f'{topic}.{ANY}.f1']:.3f}", *cells])
    return markdown(["model", "F1 of presence", *(f"{label}: F1, said and true" for label in labels)], rows)
