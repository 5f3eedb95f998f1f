"""Variants of one recipe, several seeds each, on the same sentences: which is better, and is it chance?

    python -m train.compare configs/compare/encoders.yaml
    python -m train.compare configs/compare/encoders.yaml --only prototype     # a share of the runs, as on another core

The YAML names a config, what each variant changes in it, the seeds and the sentences to score. Each run is a whole
fine-tuning run in runs/compare/NAME, and a call goes on where the last was stopped. Every variant is compared with the
first: intervals and p (how often it is not better) come from drawing sentences, the same for all, and seeds again: a
paired bootstrap. The scores go into configs/results/compare/NAME.json; `python -m train.documents` puts them into
configs/README.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.baselines import Baselines
from train.command import command_line, one_sentence_errors
from train.config import CompareConfig, FinetuneConfig, load_config
from train.data import label_numbers, load_examples
from train.finetune import difference, finetune, inputs
from train.provenance import begun_with, run_of, run_splits, say_learned
from train.scores import cell_counts, evaluate_counts, intervals, paired_differences, resampled, resampling_weights
from train.tables import HEADLINE, SCORES, between, markdown, p_value
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import file_sha256, write_json
from wijha.schema import Schema

OUTPUT, RESULTS = Path("runs/compare"), Path("configs/results/compare")


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--only", nargs="+", default=[], help="train these variants and compare nothing")
    arguments = parser.parse_args()
    with one_sentence_errors():
        config = load_config(CompareConfig, arguments.config)
        name = arguments.config.stem
        if unknown := [variant for variant in arguments.only if variant not in config.variants]:
            raise InputError(f"expected variants of {arguments.config}, got {', '.join(unknown)}; see the file")
        if not config.evaluate.exists():
            raise InputError(f"expected sentences to score in {config.evaluate}, found none; see {arguments.config}")
        runs = {variant: recipe(config, variant, config.seeds[0], OUTPUT / name) for variant in config.variants}
        load_examples(config.evaluate, schema_of(runs))  # what is wrong is said before hours of training
        for variant in arguments.only:
            for seed in config.seeds:
                trained(config, variant, seed, OUTPUT / name)
        if not arguments.only:
            result = compare(config, OUTPUT / name)
            write_json(RESULTS / f"{name}.json", result)
            print(table(result))


def schema_of(runs: Mapping[str, FinetuneConfig]) -> Schema:
    """The schema of the variants' runs. Raises InputError where one has other topics or labels than the first."""
    schemas = {variant: Schema.from_yaml(run.schema) for variant, run in runs.items()}
    first, schema = next(iter(schemas.items()))
    for variant, other in schemas.items():
        if other.id2label != schema.id2label:  # all would be scored by the numbers of the first one's labels
            raise InputError(
                f"expected the topics and labels of the variant {first!r} in every variant, found others in the schema "
                f"of {variant!r}, {runs[variant].schema}; compare it by itself"
            )
    return schema


def trained(config: CompareConfig, variant: str, seed: int, folder: Path) -> Path:
    """The model folder of a variant's run, trained where it is not there yet; its checkpoints go when it is done.

    Raises InputError where the folder holds a run of other settings or files.
    """
    run = recipe(config, variant, seed, folder)
    model = run.output / "model"
    if not (model / "manifest.json").exists():
        finetune(run)
        shutil.rmtree(run.output / "checkpoints", ignore_errors=True)
    elif another := difference(run, inputs(run)):
        raise InputError(f"expected such a run in {run.output}, found one of another {another}; remove it")
    return model


def recipe(config: CompareConfig, variant: str, seed: int, folder: Path) -> FinetuneConfig:
    """The settings of one run. Raises InputError for those that fine-tuning would refuse."""
    changed = config.settings | config.variants[variant]
    output = str(folder / f"{variant}-{seed}")
    try:
        return load_config(FinetuneConfig, config.base, **changed, seed=seed, output=output)
    except InputError as error:
        raise InputError(f"{error} (as the variant {variant!r} changes it)") from error


def compare(config: CompareConfig, folder: Path) -> dict[str, Any]:
    """Scores of every variant and of the baselines: mean over seeds, interval, and the difference from the first.

    Raises InputError when the sentences to score are missing.
    """
    models = {name: [trained(config, name, seed, folder) for seed in config.seeds] for name in config.variants}
    first = Classifier.load(models[next(iter(models))][0])
    schema, examples = first.schema, load_examples(config.evaluate, first.schema)
    texts, true = [example.text for example in examples], label_numbers(examples, first.schema)

    train = run_splits(first.folder, schema)["train"]
    say_learned(first.folder, examples, train)
    baselines = Baselines(train, schema).predict(texts)
    predicted = {
        name: [Classifier.load(model).logits(texts).argmax(axis=-1) for model in models[name]] for name in models
    }
    predicted |= {name: [labels] for name, labels in baselines.items()}
    counts = {
        name: [cell_counts(labels, true, len(schema.labels)) for labels in runs] for name, runs in predicted.items()
    }
    weights = resampling_weights([example.story for example in examples])
    samples = {name: mean_samples(runs, weights, schema) for name, runs in counts.items()}
    reference = next(iter(samples))
    return {
        "evaluated_on": {"file": str(config.evaluate), "sha256": file_sha256(config.evaluate), "rows": len(examples)},
        "seeds": list(config.seeds),
        "scores": list(config.scores or HEADLINE),
        "systems": {
            name: {
                **({"run": trained_by(models[name][0])} if name in models else {}),
                "seeds": [evaluate_counts(run, schema) for run in runs],
                "intervals": intervals(samples[name]),
                f"minus_{reference}": paired_differences(samples[name], samples[reference]),
            }
            for name, runs in counts.items()
        },
    }


def trained_by(model: Path) -> dict[str, Any]:
    """What a variant's runs share: settings, commit of the first, checksums of the files that they learned from,
    numbers of sentences."""
    run = run_of(model)
    settings = {name: value for name, value in run["config"].items() if name not in ("seed", "output")}
    return {"config": settings} | begun_with(run)


def mean_samples(runs: Sequence[np.ndarray], weights: np.ndarray, schema: Schema) -> dict[str, np.ndarray]:
    """Mean scores over a variant's seeds in every bootstrap sample of sentences and seeds: name -> (resamples,)."""
    by_seed = [resampled(counts, weights, schema) for counts in runs]
    shares = np.full(len(runs), 1 / len(runs))
    drawn = np.random.default_rng(len(runs)).multinomial(len(runs), shares, size=len(weights)) / len(runs)
    return {
        name: (np.stack([each[name] for each in by_seed], axis=1) * drawn).sum(axis=1)
        for name in by_seed[0]
        if "." not in name
    }


def table(result: Mapping[str, Any]) -> str:
    """A row a system as Markdown: what it learned from, where that is noted, means over its runs with intervals, and
    what the first score gained, with p."""
    keys, reference = result["scores"], next(iter(result["systems"]))
    means = {
        name: {key: np.mean([seed[key] for seed in system["seeds"]]) for key in keys}
        for name, system in result["systems"].items()
    }
    noted = any("run" in system for system in result["systems"].values())  # older results do not say
    head = [
        "system",
        "runs",
        *(["training sentences"] if noted else []),
        *(SCORES[key] for key in keys),
        f"{SCORES[keys[0]]} minus {reference}",
    ]
    rows = []
    for name, system in result["systems"].items():
        cells = [name, str(len(system["seeds"]))]
        if noted:
            cells.append(f"{system['run']['sentences']['train']:,}" if "run" in system else "")
        cells += [between(means[name][key], system["intervals"][key]) for key in keys]
        change = system[f"minus_{reference}"][keys[0]]
        spread = "{:+.3f} to {:+.3f}".format(*change["interval"])
        gained = means[name][keys[0]] - means[reference][keys[0]]
        cells.append("" if name == reference else f"{gained:+.3f} ({spread}), {p_value(change['p'])}")
        rows.append(cells)
    return markdown(head, rows)


if __name__ == "__main__":
    main()
