"""onnxruntime as a candidate for the CPU, in float32 and with dynamic int8: benchmarks.inference measures it where the
packages onnx, onnxruntime and onnxscript are there. It is not among the runtimes of wijha: OpenVINO is faster."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.graph import ClassifierGraph
from wijha.runtime import padded, stock_model, threads

PRECISIONS = ("f32", "int8")
_WIDEST = 128  # tokens: models that ship read no more


def available() -> bool:
    """Whether the packages are there."""
    return all(map(find_spec, ("onnx", "onnxruntime", "onnxscript")))


def write(model: Path, folder: Path) -> None:
    """folder/f32.onnx and folder/int8.onnx of a model folder: the same graph as OpenVINO gets, rows and width open."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    network = stock_model(model)
    with contextlib.redirect_stdout(io.StringIO()):  # the exporter tells its steps
        torch.onnx.export(
            ClassifierGraph(network.float().eval()).eval(),
            (torch.ones(2, 9, dtype=torch.long), torch.ones(2, 9, dtype=torch.long)),
            folder / "f32.onnx",
            input_names=["input_ids", "attention_mask"],
            dynamic_shapes=({0: "rows", 1: "width"}, {0: "rows", 1: "width"}),
            dynamo=True,
        )
    logging.getLogger().setLevel(logging.ERROR)  # it advises a step that a model of this kind does not want
    quantize_dynamic(folder / "f32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)


class OnnxRuntime:
    """A wijha.runtime.Runtime: each core computes a batch of its own, as OpenVinoRuntime does."""

    step, tokens, tolerance = 4, 2_048, 1.0

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.name, self.workers = f"onnxruntime {path.stem}", threads()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        sessions = (onnxruntime.InferenceSession(os.fspath(path), options) for _ in range(self.workers))
        self._idle: deque[Any] = deque(sessions)

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """See Runtime."""
        session = self._idle.pop()
        ids, mask = padded(rows, pad, self.step, _WIDEST)
        result = np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])
        self._idle.append(session)
        return result
