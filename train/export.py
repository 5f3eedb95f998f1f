"""Write the files of the fast CPU runtime into a saved model, each precision only if it passes a gate.

    python -m train.export runs/default/model
    python -m train.export runs/release/model --only half        # int8 is nearly all of the files' size

MODEL/openvino/ gets the model in half precision (computed in f32, or in bf16 where the processor has it; its weights
stay in model.safetensors) and in int8.
On the development split every precision must give the labels of torch in 99 % of the cells, lose at most 0.3
points of Favg3 and give a sentence the same score alone and among others; of a model that can be asked for any target
it must also give 99 % of the stances of torch towards those of the development pairs that it learned with.
MODEL/export.json says what was accepted, with the figures. Wants the packages openvino and, for int8, nncf.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.command import command_line, one_sentence_errors
from train.data import Example, label_numbers
from train.graph import ClassifierGraph, share_weights
from train.provenance import run_of, run_splits
from train.scores import cell_counts, evaluate_counts
from train.targets import Asked, asked_logits, load_asked
from wijha.classifier import Classifier, read_schema, read_temperatures
from wijha.errors import InputError
from wijha.extras import need, untold
from wijha.files import file_sha256, write_json
from wijha.golden import seal
from wijha.manifest import MANIFEST
from wijha.reader import Reader
from wijha.runtime import OpenVinoRuntime, Runtime, has_bf16, processor, read_graph, stock_model
from wijha.schema import Schema
from wijha.tokenizer import TextEncoder

AGREEMENT, FAVG3, SCORE = 0.99, 0.003, 1e-3
"""The gate: least share of equal labels, most loss of Favg3, most change of a score by the batch."""
_CALIBRATION = 300
_NOT_ASKED = "not asked for"


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--only", choices=["half", "int8"], help="keep one kind of file (default: both)")
    arguments = parser.parse_args()
    with one_sentence_errors():
        export(arguments.model, arguments.only)


def export(folder: Path, only: str | None = None) -> dict[str, Any]:
    """Write MODEL/openvino and MODEL/export.json; returns what export.json holds.

    `only`: "half" (f32 and bf16) or "int8". Raises InputError when a package is missing, the folder is no model, or the
    data that it was trained on is not here.
    """
    schema = read_schema(folder)
    calibration, name, examples = gate_examples(folder, schema)
    need("openvino", "cpu")
    gate = Gate(alone(Reader.load(folder, "cpu", "torch")), examples, gate_pairs(folder, schema))
    (folder / "export.json").unlink(missing_ok=True)  # without it no half-written file is ever used
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder / "openvino", ignore_errors=True)
    try:
        result = {
            "weights": file_sha256(folder / "model.safetensors"),
            "split": name,
            "sentences": len(examples),
            "processor": processor(),
            "gate": {"label_agreement": AGREEMENT, "favg3_loss": FAVG3, "score_change_by_batch": SCORE},
            "favg3_torch": gate.favg3,
            "openvino": written(folder, calibration, gate, only),
        }
        write_json(folder / "export.json", result)
    except BaseException:
        shutil.rmtree(folder / "openvino", ignore_errors=True)
        raise
    finally:
        seal(folder)
    sizes = sum(path.stat().st_size for path in (folder / "openvino").iterdir())
    print(f"{folder}/openvino ({sizes / 1e6:.1f} MB), checked on {len(examples):,} sentences of the {name} split")
    return result


def written(folder: Path, calibration: Sequence[str], gate: Gate, only: str | None = None) -> dict[str, dict[str, Any]]:
    """Write the files of every precision; what the gate says of each. Those that nothing may use go again."""
    write_openvino(folder)
    notes = {} if has_bf16() else {"bf16": "this processor does not compute in bf16"}
    if only == "half":
        notes["int8"] = _NOT_ASKED
    elif not write_int8(folder, calibration):
        notes["int8"] = "the package nncf is not installed"
    if only == "int8":
        notes |= dict.fromkeys(("f32", "bf16"), _NOT_ASKED)
    judged = {}
    for precision in ("f32", "bf16", "int8"):
        if precision in notes:
            judged[precision] = {"accepted": False, "note": notes[precision]}
        else:
            judged[precision] = gate.check(OpenVinoRuntime(folder, precision))
        print(f"openvino {precision:<4} {_sentence(judged[precision])}")
    if not judged["int8"]["accepted"]:
        _remove(folder, "int8")
    if not any(judged[precision]["accepted"] for precision in ("f32", "bf16")):
        _remove(folder, "half")
    return judged


def _remove(folder: Path, name: str) -> None:
    for path in (folder / "openvino").glob(f"{name}.*"):
        path.unlink()


def gate_examples(folder: Path, schema: Schema) -> tuple[list[str], str, list[Example]]:
    """Texts to calibrate int8 with, the name of the split that judges, its examples."""
    train, development, test = run_splits(folder, schema).values()
    if not development and not test:
        raise InputError(
            f"expected the data that {folder}/metrics.json names, to compare with; found none: run this where it is"
        )
    if not development:
        print("no development split is left of the model's data: judging by the test split instead")
    step = max(1, len(train) // _CALIBRATION)
    return [example.text for example in train[::step]], *(
        ("development", development) if development else ("test", test)
    )


def gate_pairs(folder: Path, schema: Schema) -> list[Asked]:
    """The development pairs of the targets that the model learned; none where it learned none.

    Raises InputError when their file is not here.
    """
    files = map(Path, run_of(folder).get("targets", ()))
    return [pair for file in files for pair in load_asked(file, schema, "development")]


def write_openvino(folder: Path) -> None:
    """MODEL/openvino/half.xml and half.bin: rows and width open, the weights those of model.safetensors."""
    openvino = need("openvino", "cpu")
    model = stock_model(folder)
    ids = torch.ones(2, 9, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):  # the tracer's, on shapes that stay open
        graph = ClassifierGraph(model.float().eval()).eval()
        converted = openvino.convert_model(graph, example_input={"input_ids": ids, "attention_mask": mask})
    openvino.save_model(converted, folder / "openvino" / "half.xml", compress_to_fp16=True)
    share_weights(folder / "openvino" / "half.xml", folder / "model.safetensors")


def write_int8(folder: Path, texts: Sequence[str]) -> bool:
    """MODEL/openvino/int8.xml: weights and activations in int8 with scales fixed on `texts`; False without nncf.

    Fixed scales, unlike dynamic quantisation, leave a row's result independent of the rows beside it.
    """
    os.environ.setdefault("NNCF_LOG_LEVEL", "ERROR")
    try:
        with untold():
            import nncf
    except ModuleNotFoundError:
        return False
    nncf.set_log_level(logging.ERROR)
    openvino = need("openvino", "cpu")
    rows = [np.array([ids], dtype=np.int64) for ids in TextEncoder(folder).ids(texts)]
    inputs = nncf.Dataset([{"input_ids": row, "attention_mask": np.ones_like(row)} for row in rows])
    quantised = nncf.quantize(
        read_graph(folder, "half"),
        inputs,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(rows),
    )
    openvino.save_model(quantised, folder / "openvino" / "int8.xml")
    return True


class Gate:
    """Judges runtimes by what torch in fp32 says of the same sentences."""

    def __init__(self, reference: Classifier, examples: Sequence[Example], asked: Sequence[Asked] = ()) -> None:
        self.reference, self.texts, self.asked = reference, [example.text for example in examples], asked
        self.true = label_numbers(examples, reference.schema)
        self.labels, self.favg3 = self._judge(reference.probabilities(self.texts))
        self.stances = self._stances(reference)

    def check(self, runtime: Runtime) -> dict[str, Any]:
        """The figures of a runtime and whether it is accepted."""
        other = alone(Reader(self.reference.folder, runtime))
        together = other.probabilities(self.texts)
        labels, favg3 = self._judge(together)
        some = range(0, len(self.texts), max(1, len(self.texts) // 50))
        singly = np.concatenate([other.probabilities([self.texts[number]]) for number in some])
        figures = {
            "label_agreement": float((labels == self.labels).mean()),
            "favg3": favg3,
            "score_change_by_batch": float(np.abs(singly - together[list(some)]).max()),
        }
        if self.asked:
            figures["stance_agreement"] = float((self._stances(other) == self.stances).mean())
        accepted = (
            min(figures["label_agreement"], figures.get("stance_agreement", 1.0)) >= AGREEMENT
            and self.favg3 - favg3 <= FAVG3
            and figures["score_change_by_batch"] <= SCORE
        )
        return {"accepted": accepted, **{name: round(value, 6) for name, value in figures.items()}}

    def _stances(self, classifier: Classifier) -> np.ndarray:
        return asked_logits(classifier, self.asked).argmax(axis=1) if self.asked else np.empty(0)

    def _judge(self, probabilities: np.ndarray) -> tuple[np.ndarray, float]:
        labels = probabilities.argmax(axis=-1)
        counts = cell_counts(labels, self.true, probabilities.shape[-1])
        return labels, evaluate_counts(counts, self.reference.schema)["favg3"]


def alone(reader: Reader) -> Classifier:
    """The classifier of a folder's own model, without what reads before it."""
    return Classifier(reader, read_schema(reader.folder), read_temperatures(reader.folder))


def _sentence(result: dict[str, Any]) -> str:
    if "note" in result:
        return f"left out: {result['note']}"
    stances = f"{result['stance_agreement']:.2%} of its stances, " if "stance_agreement" in result else ""
    return (
        f"{'accepted' if result['accepted'] else 'refused'}: {result['label_agreement']:.2%} of the labels of torch, "
        f"{stances}Favg3 {result['favg3']:.4f}, "
        f"a score changes by at most {result['score_change_by_batch']:.5f} with its batch"
    )


if __name__ == "__main__":
    main()
