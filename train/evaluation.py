"""Score a saved model, and the baselines beside it, on a labelled file.

    python -m train.evaluation MODEL [FILE]        # FILE: .jsonl, .csv or .parquet with text and a column a topic
    python -m train.evaluation MODEL [FILE] --blind
    python -m train.evaluation MODEL FILE --readers A.jsonl B.csv
    python -m train.evaluation MODEL [FILE] --runtime openvino-f32

Without FILE: the real news beside the checkout where it is there and has the model's topics, else the test split of the
data that the model was trained on, as far as that is here. Writes MODEL/evaluation-<name>.json and prints a table; the
baselines stand in it where all of that data is here. The model predicts through the same class that a user loads.
--blind masks the words that the topics go by (`search` in configs/keywords.yaml): what is left of a score did not hang
on them. --readers scores labels that others gave the same sentences (by `id`) as the model's are: what a reader reaches
against FILE is what to ask of a model. The real news has two readers in data/real_news. Another processor rounds
otherwise; --runtime names what computes, to repeat another's figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
from scipy.special import softmax

from train.baselines import RULES, TFIDF, Baselines
from train.command import command_line, one_sentence_errors
from train.confidence import confidence_report, thresholds_of
from train.data import (
    READINGS,
    REAL_NEWS,
    Example,
    filled_rows,
    has_topics,
    label_numbers,
    load_examples,
    read_reading,
)
from train.keywords import blinded, searched_words
from train.provenance import run_data, run_splits, say_learned
from train.scores import (
    cell_counts,
    exact_rows,
    intervals,
    mcnemar,
    paired_differences,
    resampled,
    resampling_weights,
    stories_right,
)
from train.tables import score_table
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import file_sha256, read_json, write_json
from wijha.runtime import RUNTIMES
from wijha.schema import Schema

METRIC = Path(__file__).parent / "metrics" / "topic_stance"


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--blind", action="store_true", help="mask the words that the topics go by")
    parser.add_argument("--readers", type=Path, nargs="+", default=[], help="labels that others gave the sentences")
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="what computes (default: what suits best)")
    arguments = parser.parse_args()
    with one_sentence_errors():
        evaluate_model(arguments.model, arguments.file, arguments.blind, arguments.readers, arguments.runtime)


def evaluate_model(
    folder: Path, file: Path | None, blind: bool = False, readers: Sequence[Path] = (), runtime: str = "auto"
) -> dict[str, Any]:
    """Score the model in `folder` on `file`, print the table, write the JSON beside the model and return it."""
    classifier = Classifier.load(folder, runtime=runtime)
    schema, labelled = classifier.schema, labelled_sentences(folder, file, classifier.schema)
    if not file:
        print(labelled.note)
    name, examples = labelled.name, labelled.examples
    if blind:
        words = searched_words("search")
        name, examples = f"{name}-blind", [dataclasses.replace(e, text=blinded(e.text, words)) for e in examples]
    train = run_splits(folder, schema)["train"]
    say_learned(folder, labelled.examples, train)
    ours = {} if blind else readings_of_ours(examples, schema)
    read = named_readings(readers, examples, schema) if readers else ours
    result = {
        "source": labelled.source,
        **score(classifier, examples, Baselines(train, schema), development_thresholds(folder), read),
    }
    write_json(folder / f"evaluation-{name}.json", result)
    print(score_table(result, f"{folder} on {name if blind else file or name} ({len(examples):,} sentences)"))
    return result


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Sentences to score, and where they came from."""

    name: str
    """`validation`, `test` ... as in the name of evaluation-<name>.json."""
    source: str
    """sha256 of the file, or `test split`."""
    note: str
    """A sentence for the reader."""
    examples: Sequence[Example]


def labelled_sentences(folder: Path, file: Path | None, schema: Schema) -> Labelled:
    """`file`, else the real news beside the checkout where it has the topics of `schema`, else the test split of the
    model's own data, of what is here of it. Raises InputError where there is none."""
    path = file or (REAL_NEWS if REAL_NEWS.exists() and has_topics(REAL_NEWS, schema) else None)
    if path:
        kind = "real news that no training saw" if path == REAL_NEWS else "the file that was named"
        return Labelled(path.stem, file_sha256(path), f"Scored on {path.name}: {kind}.", load_examples(path, schema))
    data = run_data(folder)
    missing = [str(path) for path in data if not path.exists()]
    examples = run_splits(folder, schema, partly=True)["test"]
    if not examples:
        lacking = "the model's training data is not here" if missing or not data else "its test split is empty"
        raise InputError(f"expected labelled sentences to score, found none: {lacking}; name a FILE")
    rest = f", without {', '.join(missing)} (see data/README.md)" if missing else ""
    why = f"{REAL_NEWS.name} {'has other topics' if REAL_NEWS.exists() else 'is not here'}"
    return Labelled("test", "test split", f"{why}: scored on the test split{rest}.", examples)


def named_readings(files: Sequence[Path], examples: Sequence[Example], schema: Schema) -> dict[str, np.ndarray]:
    """Label numbers of these sentences by the name of the file that gives them."""
    taken = ["model", TFIDF, RULES]
    if len({*taken, *(path.stem for path in files)}) < len(taken) + len(files):
        raise InputError(
            f"expected --readers files of different names, none of them {', '.join(taken)}, found others; rename them"
        )
    return {path.stem: read_reading(path, examples, schema) for path in files}


def readings_of_ours(examples: Sequence[Example], schema: Schema) -> dict[str, np.ndarray]:
    """The readings in data/ of the real news, where these are its sentences."""
    ids = {example.id for example in examples}
    files = [path for path in sorted(READINGS.glob("*.jsonl")) if any(row["id"] in ids for _, row in filled_rows(path))]
    try:
        return named_readings(files, examples, schema)
    except InputError as error:  # there are other sentences among them by now
        print(f"without readers: {error}")
        return {}


def development_thresholds(folder: Path) -> list[float | None] | None:
    """Thresholds below which to abstain, as the run found them on its development split; None where it did not."""
    try:
        noted = read_json(folder / "metrics.json")["development"]["confidence"]
    except (OSError, ValueError, KeyError):
        return None
    return thresholds_of(noted)


def score(
    classifier: Classifier,
    examples: Sequence[Example],
    baselines: Baselines,
    chosen: Sequence[float | None] | None = None,
    read: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Scores, 95 % bootstrap intervals and confusions of the model, other readers and the baselines, their differences
    with p, and how far the model's probabilities can be trusted.

    `chosen`: thresholds below which to abstain, by default these rows'; `read`: label numbers (examples, topics) that
    others gave, by the reader's name.
    """
    schema, texts = classifier.schema, [example.text for example in examples]
    true = label_numbers(examples, schema)
    logits = classifier.logits(texts)
    others = {**(read or {}), **baselines.predict(texts)}
    predictions = {"model": logits.argmax(axis=-1), **others}
    metric = evaluate.load(str(METRIC))
    weights = resampling_weights([example.story for example in examples])
    systems, samples, rows = {}, {}, {}
    for name, predicted in predictions.items():
        counts = cell_counts(predicted, true, len(schema.labels))
        samples[name], rows[name] = resampled(counts, weights, schema), exact_rows(counts)
        systems[name] = {
            "scores": metric.compute(predictions=predicted, references=true, schema=schema.to_dict()),
            "intervals": intervals(samples[name]),
            "stories_right": stories_right(counts, [example.story for example in examples]),
            "confusion": confusion_tables(counts, schema),
        }
    return {
        "computed_by": classifier.runtime_name,
        "sentences": len(examples),
        "stories": len({example.story for example in examples}),
        "systems": systems,
        "model_minus": {
            name: {
                **paired_differences(samples["model"], samples[name]),
                "mcnemar_p": mcnemar(int((rows["model"] > rows[name]).sum()), int((rows["model"] < rows[name]).sum())),
            }
            for name in others
        },
        "confidence": confidence_report(softmax(logits, axis=-1), classifier.calibrated(logits), true, chosen),
    }


def confusion_tables(counts: np.ndarray, schema: Schema) -> dict[str, list[list[int]]]:
    """Topic -> counts of true label (row) against predicted label (column)."""
    summed = counts.sum(axis=0).astype(int)
    return {topic: summed[row].tolist() for row, topic in enumerate(schema.topic_names)}


if __name__ == "__main__":
    main()
