"""A saved model, ready to classify: texts in, one named record a text out, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from safetensors import SafetensorError

from wijha.batching import map_batched, windows
from wijha.errors import InputError
from wijha.manifest import check_manifest
from wijha.runtime import Runtime, load_runtime
from wijha.safety import refuse_code
from wijha.schema import Schema
from wijha.tokenizer import TextEncoder

SETTINGS = "wijha"  # the key of config.json that holds schema, temperatures and thresholds


@dataclass(frozen=True)
class TopicPrediction:
    """What the model says of one topic."""

    label: str
    """The most probable label."""
    score: float
    """Its calibrated probability."""
    probabilities: Mapping[str, float]
    """Calibrated probability of each label; they sum to one."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text."""

    text: str
    topics: Mapping[str, TopicPrediction]

    def __getitem__(self, topic: str) -> TopicPrediction:
        return self.topics[topic]

    @property
    def labels(self) -> dict[str, str]:
        """Topic -> label."""
        return {name: topic.label for name, topic in self.topics.items()}


class Classifier:
    """Reads topics and stances from text with a model folder that `train.finetune` wrote."""

    def __init__(self, folder: Path, runtime: Runtime, schema: Schema, temperatures: Mapping[str, float]) -> None:
        self.folder, self.runtime, self.schema = folder, runtime, schema
        self._encoder = TextEncoder(folder)
        self._temperatures = np.array([temperatures.get(name, 1.0) for name in schema.topic_names])

    @classmethod
    def load(cls, folder: str | Path | None = None, device: str | None = None, runtime: str = "auto") -> Classifier:
        """Load a model folder (default: the one that ships with the repository).

        `device` is one of torch's; `runtime` one of wijha.runtime.RUNTIMES. Opened are safetensors, JSON and, for
        openvino, its .xml and .bin; no pickle, no code. Raises InputError when the folder is missing, is not one of
        ours, is only half written or not as its manifest lists it, and when the runtime cannot be had.
        """
        path = default_model() if folder is None else Path(folder)
        try:
            check_manifest(path)
            settings = read_settings(path)
            schema = Schema.from_dict(settings.get("schema"), f"{path}/config.json")
            refuse_code(path)
            return cls(path, load_runtime(path, device, runtime), schema, settings.get("temperatures", {}))
        except InputError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"expected a whole model in {path}, got: {reason}; copy or train it again") from error

    @overload
    def classify(self, texts: str | list[str]) -> list[Prediction]: ...  # type: ignore[overload-overlap]
    @overload
    def classify(self, texts: Iterable[str]) -> Iterator[Prediction]: ...
    def classify(self, texts: str | Iterable[str]) -> list[Prediction] | Iterator[Prediction]:
        """One record a text, in order. A text is a list of one; any other iterable is read lazily.

        Raises InputError when something in it is not a text.
        """
        if isinstance(texts, str):
            return list(self._stream([texts]))
        return list(self._stream(texts)) if isinstance(texts, list) else self._stream(texts)

    def _stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        for window in windows(texts):
            for text, rows in zip(window, self.probabilities(window), strict=True):
                yield Prediction(text, self._named(rows))

    def _named(self, rows: np.ndarray) -> dict[str, TopicPrediction]:
        labels = self.schema.label_names
        best = rows.argmax(axis=1)
        return {
            name: TopicPrediction(labels[k], float(row[k]), dict(zip(labels, map(float, row), strict=True)))
            for name, row, k in zip(self.schema.topic_names, rows, best, strict=True)
        }

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Calibrated probabilities of a window of texts, shape (texts, topics, labels)."""
        return self.calibrated(self.logits(texts))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Raw outputs -> calibrated probabilities, both of shape (texts, topics, labels)."""
        scaled = logits / self._temperatures[None, :, None]
        exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))

    def logits(self, texts: list[str]) -> np.ndarray:
        """The model's raw outputs for a window of texts, shape (texts, topics, labels)."""
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"expected a text, got {type(text).__name__} at position {number}; give only str")
        return self.logits_of(self.token_ids(texts))

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """What the model reads of each text: token ids, special tokens included, cut at the model's length."""
        return self._encoder.ids(texts)

    def logits_of(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The model's raw outputs for token ids that `token_ids` gave, shape (texts, topics, labels)."""
        shape = (len(ids), len(self.schema.topics), len(self.schema.labels))
        if not ids:
            return np.zeros(shape, dtype=np.float32)
        runtime, pad = self.runtime, self._encoder.pad
        rows = map_batched(
            ids,
            [len(row) for row in ids],
            lambda batch: runtime.logits(batch, pad),
            runtime.tokens,
            runtime.step,
            runtime.workers,
        )
        return np.stack(rows).reshape(shape)

    @cached_property
    def tokenizer(self) -> Any:
        """The stock tokenizer of the folder, for tools that expect one; it gives the ids that the classifier uses."""
        from transformers import AutoTokenizer  # seconds: not for those who only classify

        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)


def default_model() -> Path:
    """models/classifier of the checkout that this package is imported from."""
    return Path(__file__).resolve().parents[1] / "models" / "classifier"


def read_settings(folder: Path) -> dict[str, Any]:
    """The `wijha` part of a model's config.json. Raises InputError when the folder is not a model of ours."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected a model folder with config.json, found none at {folder}; see --model") from error
    except ValueError as error:
        raise InputError(f"expected JSON in {path}, got a broken file; copy or train the model again") from error
    if not isinstance(config, dict) or not isinstance(config.get(SETTINGS), dict):
        raise InputError(f"expected a model trained by wijha in {folder}, its config.json has no {SETTINGS!r} part")
    return dict(config[SETTINGS])
