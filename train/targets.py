"""Stances towards any target: sentences with a target behind them, learned beside the topics by outputs of their own.

    python -m train.targets MODEL [FILE]

scores a model that learned `targets` on the pairs of FILE (data/targets.local.jsonl) that are held out for testing, and
a baseline of bags of words beside it; writes MODEL/asked.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, concatenate_datasets
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import PreTrainedTokenizerBase

from train.baselines import TFIDF, logistic_regression
from train.calibration import fit_temperature
from train.command import command_line, one_sentence_errors
from train.confidence import reliability_bins
from train.data import (
    TARGETS_HYDRATED,
    UNLABELLED,
    Example,
    filled_rows,
    first_filled,
    label_numbers,
    split,
    story_of,
    stripped,
)
from train.provenance import run_of
from train.scores import cell_counts, evaluate_counts, intervals, resampled, resampling_weights
from train.tables import between, markdown
from wijha.classifier import SETTINGS, Classifier, read_temperatures, softmax
from wijha.errors import InputError
from wijha.files import file_sha256, read_json, write_json
from wijha.reader import check_target
from wijha.schema import TARGET, Schema, Topic
from wijha.text import key

RESULT = "asked.json"
_SHOWN = {"macro_f1": "macro-F1", "favg2": "Favg2", "favg3": "Favg3", "exact_rows": "right"}
_ABSENT = 0.1
"""Share of the topics which a sentence does not have that it is asked for all the same."""


class Asked(NamedTuple):
    """A sentence, a target, and the stance towards it."""

    text: str
    target: str
    stance: str
    second: str = ""
    """What another reader said, where one did."""


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path, nargs="?", default=TARGETS_HYDRATED)
    arguments = parser.parse_args()
    with one_sentence_errors():
        write_json(arguments.model / RESULT, result := score_asked(arguments.model, arguments.file))
        print(table(result))


def load_asked(path: Path, schema: Schema, part: str, share: float = 1.0) -> list[Asked]:
    """The rows of a file with text, target and stance that are in this part of the split (train.data.split).

    Raises InputError for a file that is not there, and for the first row that has no text, target or known label.
    """
    if not path.is_file():
        raise InputError(f"expected stances towards targets in {path}, found no such file; see data/README.md")
    examples = [_example(row, number, path, schema) for number, row in filled_rows(path)]
    return [Asked(each.text, *each.labels.values()) for each in split(examples, share)[part]]


def check_targets(path: Path, schema: Schema, tokenizer: PreTrainedTokenizerBase, length: int) -> None:
    """Raises InputError for the first target, of a file or a topic's name, that could not be asked for of a model that
    reads `length` tokens: see wijha.reader.Reader.target_ids."""
    named = {f"{path} line {number}": str(row["target"]) for number, row in filled_rows(path)}
    named |= {f"the topic {topic.name}": asked_name(topic) for topic in schema.topics}
    encoded = tokenizer(list(named.values()), add_special_tokens=False)["input_ids"]
    for (place, target), ids in zip(named.items(), encoded, strict=True):
        known = bool(tokenizer.decode(ids, skip_special_tokens=True).strip())
        check_target(target, len(ids), known, length, place)


def _example(row: dict[str, object], number: int, path: Path, schema: Schema) -> Example:
    """A row whose `labels` are target, stance and what a second reader said."""
    text, *cells = (stripped(row.get(name) or "") for name in Asked._fields)
    known = ("", *schema.label_names)
    if not all(isinstance(cell, str) and cell for cell in (text, cells[0])) or not cells[1]:
        raise InputError(f"expected text, target and stance in {path} line {number}, found none; mend the row")
    if unknown := [cell for cell in cells[1:] if cell not in known]:
        raise InputError(
            f"expected one of {', '.join(schema.label_names)} as stance in {path} line {number}, got {unknown[0]!r}; "
            "mend the row"
        )
    name = str(first_filled(row.get("id"), f"{path.stem}-{number}"))
    fields = {"split": str(row["split"])} if row.get("split") else {}
    return Example(
        name,
        str(text),
        dict(zip(Asked._fields[1:], map(str, cells), strict=True)),
        story_of(row, key(str(text))),
        fields,
    )


def topics_asked(examples: Sequence[Example], schema: Schema, seed: int) -> Iterator[Asked]:
    """The topics of labelled sentences as targets, by their Arabic names, and some that they do not have."""
    dice = np.random.default_rng(seed)
    for example in examples:
        for topic in schema.topics:
            label = example.labels[topic.name]
            if label and (label != schema.absent or dice.random() < _ABSENT):
                yield Asked(example.text, asked_name(topic), label)


def asked_name(topic: Topic) -> str:
    """What a topic is called where it is asked for."""
    return topic.arabic or topic.name


def with_asked(
    rows: Dataset, asked: Sequence[Asked], tokenizer: PreTrainedTokenizerBase, schema: Schema, length: int
) -> Dataset:
    """Training rows, whose labels get a place for TARGET behind the topics, and behind them what is `asked`."""
    texts, targets = [each.text for each in asked], [each.target for each in asked]
    encoded = tokenizer(texts, targets, truncation="only_first", max_length=length)
    numbers = [schema.label_names.index(each.stance) for each in asked]
    nothing, stances = UNLABELLED, numbers
    if np.ndim(rows[0]["labels"]) == 2:  # how much of each label is learned
        nothing, stances = [UNLABELLED] * len(schema.labels), np.eye(len(schema.labels))[numbers].tolist()
    others = [nothing] * len(schema.topics)
    labels = [[*others, stance] for stance in stances]
    columns = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    before = with_place(rows, nothing)
    return concatenate_datasets([before, Dataset.from_dict(columns | {"labels": labels}, features=before.features)])


def with_place(rows: Dataset, nothing: Any = UNLABELLED) -> Dataset:
    """The rows with `nothing` as label of TARGET."""
    return rows.remove_columns("labels").add_column("labels", [[*labels, nothing] for labels in rows["labels"]])


def asked_logits(classifier: Classifier, asked: Sequence[Asked]) -> np.ndarray:
    """Raw outputs for the stance towards each sentence's target, shape (asked, labels)."""
    reader = classifier.readers[-1]
    ids = [reader.token_ids([each.text], reader.target_ids(each.target))[0] for each in asked]
    return reader.logits(ids)[:, len(classifier.schema.id2label) :]


def calibrate_asked(folder: Path, file: Path) -> None:
    """Fit the temperature of TARGET on the development pairs of a file, and write it into the model's config.json."""
    classifier = Classifier.load(folder)
    asked = load_asked(file, classifier.schema, "development")
    true = np.array([classifier.schema.label_names.index(each.stance) for each in asked])
    fitted = fit_temperature(asked_logits(classifier, asked), true) if asked else 1.0
    config = read_json(folder / "config.json")
    config[SETTINGS]["temperatures"] |= {TARGET: fitted}
    write_json(folder / "config.json", config)


def score_asked(folder: Path, file: Path) -> dict[str, Any]:
    """Scores of the model in `folder`, of a second reader where the file has one, and of bags of words of sentence and
    target, on the pairs that are held out; and the model's calibration error."""
    classifier = Classifier.load(folder)
    if not classifier.can_be_asked:
        raise InputError(f"expected a model that can be asked for any target in {folder}, found another; see targets")
    train, test = (load_asked(file, classifier.schema, part) for part in ("train", "test"))
    if not test:
        raise InputError(f"expected pairs that are held out in {file}, found none in its part test; add rows")
    if (learned := run_of(folder).get("targets", {}).values()) and file_sha256(file) not in learned:
        print(f"{file} is another than {folder} learned from: what is held out now may have been learned")
    schema = Schema((Topic(TARGET),), classifier.schema.labels, classifier.schema.polar)
    logits, true = asked_logits(classifier, test), label_numbers(_examples(test), schema)
    predictions = {"model": logits.argmax(axis=1)[:, None]}
    if all(each.second for each in test):
        predictions["reader"] = label_numbers(_examples([each._replace(stance=each.second) for each in test]), schema)
    if len({each.stance for each in train}) > 1 and has_words(train):
        predictions[TFIDF] = label_numbers(_examples(bags_of_words(train, test)), schema)
    sure = softmax(logits / read_temperatures(folder).get(TARGET, 1.0)).max(axis=1)
    return {
        "source": file_sha256(file),
        "pairs": len(test),
        "computed_by": classifier.runtime_name.split(", then ")[-1],
        "systems": _scored(predictions, true, [each.text for each in test], schema),
        "ece": reliability_bins(sure, (predictions["model"] == true)[:, 0])["ece"],
    }


def _scored(
    predictions: Mapping[str, np.ndarray], true: np.ndarray, texts: Sequence[str], schema: Schema
) -> dict[str, Any]:
    weights, systems = resampling_weights(texts), {}
    for name, predicted in predictions.items():
        counts = cell_counts(predicted, true, len(schema.labels))
        spread = intervals(resampled(counts, weights, schema))
        systems[name] = {"scores": evaluate_counts(counts, schema), "intervals": spread}
    return systems


def has_words(asked: Sequence[Asked]) -> bool:
    """Whether a sentence and a target have a word of two letters: bags of words hold no shorter ones."""
    return all(any(re.search(r"\w\w", getattr(each, name)) for each in asked) for name in ("text", "target"))


def bags_of_words(train: Sequence[Asked], test: Sequence[Asked]) -> list[Asked]:
    """`test` with the stances that TF-IDF and logistic regression give it, the words of sentence and target apart."""
    known, unknown = [], []
    for name in ("text", "target"):
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        known.append(words.fit_transform([getattr(each, name) for each in train]))
        unknown.append(words.transform([getattr(each, name) for each in test]))
    model = logistic_regression().fit(hstack(known), [each.stance for each in train])
    return [each._replace(stance=said) for each, said in zip(test, model.predict(hstack(unknown)), strict=True)]


def _examples(asked: Sequence[Asked]) -> list[Example]:
    """As rows of one topic, TARGET, for what learns and scores topics."""
    return [Example("", each.text, {TARGET: each.stance}, each.text, {}) for each in asked]


def table(result: dict[str, Any]) -> str:
    """The scores as Markdown."""
    pairs = result["pairs"]
    rows = [
        [name, *(between(system["scores"][key], system["intervals"][key]) for key in _SHOWN)]
        for name, system in result["systems"].items()
    ]
    note = f"Calibration error (ECE) {result['ece']:.3f}; computed by {result['computed_by']}."
    return f"{markdown([f'{pairs:,} pairs', *_SHOWN.values()], rows)}\n\n{note}"


if __name__ == "__main__":
    main()
