"""One model whose weights are the mean of several runs' that began alike: different seeds, or stages of one another.

    python -m train.average runs/average runs/release/model runs/release-even/model

Better than each where the runs lie in one valley, at the cost of one (Wortsman et al. 2022, Model soups, arXiv
2203.05482); whether it is better is for its metrics.json to say. Data, schema and tokenizer are those of the first run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from train.command import command_line, one_sentence_errors
from train.finetune import finish
from train.provenance import begun_with, run_of, run_splits
from wijha.classifier import read_settings
from wijha.errors import InputError
from wijha.manifest import FIRST
from wijha.schema import Schema

_KEPT = ("config.json", "tokenizer.json", "tokenizer_config.json")


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("output", type=Path, help="the run's folder; its model goes into OUTPUT/model")
    parser.add_argument("models", type=Path, nargs="+")
    arguments = parser.parse_args()
    with one_sentence_errors():
        average(arguments.output, arguments.models)


def average(output: Path, models: Sequence[Path]) -> Path:
    """Write the mean of the models into output/model, with its own temperatures, scores and card; returns that folder.

    Raises InputError when a model is not there, lies in output/model, is of another shape or schema, or the data of the
    first is missing.
    """
    folder = output / "model"
    if replaced := [str(model) for model in models if model.resolve().is_relative_to(folder.resolve())]:
        raise InputError(f"expected another output than a model to average, found {replaced[0]}; choose another output")
    settings = [read_settings(model) for model in models]
    if any(each["schema"] != settings[0]["schema"] for each in settings):
        raise InputError(f"expected models of one schema, got several in {', '.join(map(str, models))}; choose others")
    run = run_of(models[0])
    files = [Path(name) for name in run["data"]]
    if missing := [str(path) for path in files if not path.exists()]:
        raise InputError(f"expected the data of {models[0]}, found no {', '.join(missing)}; see data/README.md")
    schema, weights = Schema.from_dict(settings[0]["schema"], str(models[0])), mean_weights(models)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _KEPT:
        shutil.copy(models[0] / name, folder / name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    splits = run_splits(models[0], schema)
    settings_of_all = run["config"] | {"output": str(output), "average_of": [str(model) for model in models]}
    settings_of_all.pop(FIRST, None)  # the mean is one model, whatever read before the first of these
    finish(folder, settings_of_all, splits, begun_with(run))
    print(f"\nmodel: {folder}\nnext:  make evaluate MODEL={folder}")
    return folder


def mean_weights(models: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of each tensor over the models, computed in fp32, in half precision."""
    weights = [load_file(model / "model.safetensors") for model in models]
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in weights]
    if any(each != shapes[0] for each in shapes):
        raise InputError(f"expected models of one shape, got several in {', '.join(map(str, models))}; choose others")
    return {name: torch.stack([each[name].float() for each in weights]).mean(dim=0).half() for name in weights[0]}


if __name__ == "__main__":
    main()
