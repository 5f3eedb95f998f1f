"""A saved model, ready to classify: texts in, one named record a text out, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, overload

import numpy as np

from wijha.batching import windows
from wijha.errors import InputError
from wijha.files import read_json
from wijha.manifest import FIRST, check_manifest
from wijha.reader import Reader, whole_model
from wijha.runtime import each_runtime
from wijha.schema import TARGET, Schema, Topic
from wijha.tokenizer import CutIds

SETTINGS = "wijha"  # the key of config.json that holds schema and temperatures
DOUBT = 0.1
"""The first of two models rules a topic out below this probability of being there."""


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


class Read(NamedTuple):
    """A text, and the token ids of it for the model that reads it first."""

    text: str
    ids: list[int]

    @property
    def cut(self) -> bool:
        """Whether that model reads only the beginning."""
        return isinstance(self.ids, CutIds)


class Classifier:
    """Reads topics and stances from text with a model folder that `train.finetune` wrote.

    A folder may hold a faster model in `first/`. That one then reads every text; where it does not rule out every
    topic, the folder's own model reads it too, and the answer is the mean of their probabilities: a cascade.
    """

    def __init__(
        self, reader: Reader, schema: Schema, temperatures: Mapping[str, float], first: Reader | None = None
    ) -> None:
        self.folder, self.schema = reader.folder, schema
        self.readers = [reader] if first is None else [first, reader]
        """The models, in the order in which they read."""
        self.target: str | None = None
        """What the stances are towards where one was named: see `towards`."""
        self._behind: list[int] = []
        """Token ids that stand behind each text."""
        self._outputs = slice(len(schema.id2label))
        """Which of a model's outputs are those of the schema."""
        self._temperatures = np.array([temperatures.get(name, 1.0) for name in schema.topic_names])

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        device: str | None = None,
        runtime: str = "auto",
        towards: str | None = None,
    ) -> Classifier:
        """Load a model folder (default: the one that ships with the repository).

        `device` is one of torch's; `runtime` one of wijha.runtime.RUNTIMES: of two models the one that does not admit a
        named precision takes what suits it best; `towards` as in the method. Opened are safetensors, JSON and, for
        openvino, its .xml and .bin; no pickle, no code. Raises InputError when the folder is missing, is not one of
        ours, is only half written or not as its manifest lists it, when its `first/` has another schema, and when the
        runtime or the device cannot be had. Load it in each process: one that is forked after loading cannot compute.
        """
        path = default_model() if folder is None else Path(folder)
        if folder is None and not path.is_dir():
            raise InputError(
                "expected a model folder, got none, and none comes with the installed package; name one: --model "
                "FOLDER or Classifier.load(FOLDER)"
            )
        with whole_model(path):
            folders = [path, *([path / FIRST] if (path / FIRST).is_dir() else [])]
            for each in folders:
                check_manifest(each)
            schema, *others = map(read_schema, folders)
            if any(other.id2label != schema.id2label for other in others):
                raise InputError(
                    f"expected the topics and labels of {path} in {path / FIRST}, got others; release again"
                )
            names = each_runtime(folders, runtime)
            readers = [Reader.load(each, device, name) for each, name in zip(folders, names, strict=True)]
            classifier = cls(readers[0], schema, read_temperatures(path), *readers[1:])
        return classifier if towards is None else classifier.towards(towards)

    @property
    def can_be_asked(self) -> bool:
        """Whether `towards` works: whether the model has outputs for it."""
        return read_outputs(self.folder) == read_schema(self.folder).asked.id2label

    def towards(self, target: str) -> Classifier:
        """A classifier whose one topic, `target`, is the stance towards any thing that one can be for or against, named
        in a few Arabic words: "رفع العقوبات عن سورية". The deeper of two models alone reads each text.

        Raises InputError for a model that was not trained for it, and for a target that is empty, too long or unknown.
        """
        reader, known = self.readers[-1], read_schema(self.folder)
        if not self.can_be_asked:
            raise InputError(
                f"expected a model that can be asked for any target in {self.folder}, found one of "
                f"{len(known.topics)} topics alone; train one with `targets` in its config"
            )
        behind = reader.target_ids(target)
        topics = (Topic(TARGET, arabic=target, target=target),)
        asked = Classifier(reader, replace(known, topics=topics), read_temperatures(self.folder))
        asked.target, asked._behind, asked._outputs = target, behind, slice(len(known.id2label), None)
        return asked

    @property
    def runtime_name(self) -> str:
        """What computes, in the order of the readers."""
        return ", then ".join(reader.runtime.name for reader in self.readers)

    @property
    def longest(self) -> int:
        """How many tokens the model that reads first reads of a text, beside those of a target."""
        return self.readers[0].longest - len(self._behind)

    @overload
    def classify(self, texts: str | list[str]) -> list[Prediction]: ...
    @overload
    def classify(self, texts: Iterable[str]) -> Iterable[Prediction]: ...
    def classify(self, texts: str | Iterable[str]) -> Iterable[Prediction]:
        """One record a text, in order. A text is a list of one. A list gives a list; any other iterable is read 4,096
        texts at a time, and gives records when so many, or its end, are there.

        Raises InputError when something in it is not a text, and for a table or mapping, whose names are not its texts.
        """
        if isinstance(texts, str):
            return list(self._stream([texts]))
        if not isinstance(texts, Iterable) or isinstance(texts, Mapping | bytes) or hasattr(texts, "columns"):
            found = type(texts).__name__
            raise InputError(f"expected a text or texts, got {found}; give a str or a list of them")
        return list(self._stream(texts)) if isinstance(texts, list) else self._stream(texts)

    def _stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        for window in windows(only_texts(texts)):
            for text, rows in zip(window, self.probabilities(window), strict=True):
                yield Prediction(text, self._named(rows))

    def _named(self, rows: np.ndarray) -> dict[str, TopicPrediction]:
        labels = self.schema.label_names
        best = rows.argmax(axis=1)
        return {
            name: TopicPrediction(labels[k], float(row[k]), dict(zip(labels, map(float, row), strict=True)))
            for name, row, k in zip(self.schema.topic_names, rows, best, strict=True)
        }

    def __reduce__(self) -> NoReturn:
        """Raises InputError: neither copies nor other processes can take over what is loaded."""
        raise InputError(f"expected no copy of a loaded model, got one asked for; Classifier.load {self.folder} there")

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Calibrated probabilities of a window of texts, shape (texts, topics, labels)."""
        return self.calibrated(self.logits(texts))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Raw outputs -> calibrated probabilities, both of shape (texts, topics, labels)."""
        return softmax(logits / self._temperatures[None, :, None])

    def logits(self, texts: list[str]) -> np.ndarray:
        """Raw outputs for a window of texts, shape (texts, topics, labels); of two models, the logarithm of their mean
        probabilities."""
        return self.logits_of(self.read(list(only_texts(texts))))

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Tokenise for the model that reads first: the part of the work that another thread can do before."""
        return list(map(Read, texts, self.readers[0].token_ids(texts, self._behind)))

    def logits_of(self, read: Sequence[Read]) -> np.ndarray:
        """As `logits`, for what `read` gave."""
        first, *others = self.readers
        logits = self._shaped(first, [each.ids for each in read])
        for reader in others:
            said = softmax(logits)
            asked = np.flatnonzero(in_doubt(said)).tolist()
            again = self._shaped(reader, reader.token_ids([read[number].text for number in asked]))
            logits[asked] = np.log(np.maximum((said[asked] + softmax(again)) / 2, np.finfo(np.float32).tiny))
        return logits

    def _shaped(self, reader: Reader, ids: list[list[int]]) -> np.ndarray:
        shape = (len(ids), len(self.schema.topics), len(self.schema.labels))
        return reader.logits(ids)[:, self._outputs].reshape(shape) if ids else np.zeros(shape, dtype=np.float32)

    @cached_property
    def tokenizer(self) -> Any:
        """The stock tokenizer of the folder, for tools that expect one; it gives the ids that its model reads."""
        from transformers import AutoTokenizer  # seconds: not for those who only classify

        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)


def only_texts(texts: Iterable[str]) -> Iterator[str]:
    """The texts as they come. Raises InputError with the position, from 0, of the first that is none, and for one text:
    its characters are no texts."""
    if isinstance(texts, str):
        raise InputError("expected a list of texts, got one text; give [text]")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"expected a text, got {type(text).__name__} at position {number}; give only str")
        yield text


def in_doubt(probabilities: np.ndarray, least: float = DOUBT) -> np.ndarray:
    """Which texts may have a topic, shape (texts,), by probabilities (texts, topics, labels): one is there with at
    least that much."""
    return np.asarray((1 - probabilities[:, :, 0]).max(axis=1) >= least)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def default_model() -> Path:
    """models/classifier of the checkout that this package is imported from."""
    return Path(__file__).resolve().parents[1] / "models" / "classifier"


def read_settings(folder: Path) -> dict[str, Any]:
    """The `wijha` part of a model's config.json. Raises InputError when the folder is not a model of ours."""
    return dict(_config(folder)[SETTINGS])


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = read_json(path)
    except OSError as error:
        raise InputError(f"expected a model folder with config.json, found none at {folder}; see --model") from error
    except ValueError as error:
        raise InputError(f"expected JSON in {path}, got a broken file; copy or train the model again") from error
    if (folder / "model" / "config.json").exists():
        raise InputError(f"expected a model folder, found a run at {folder}; name {folder / 'model'}")
    if not isinstance(config, dict) or not isinstance(config.get(SETTINGS), dict):
        raise InputError(f"expected a model trained by wijha in {folder}, its config.json has no {SETTINGS!r} part")
    return config


def read_schema(folder: Path) -> Schema:
    """Topics and labels of a model folder. Raises InputError when it is none of ours or its outputs are others."""
    schema = Schema.from_dict(read_settings(folder).get("schema"), f"{folder}/config.json")
    if read_outputs(folder) not in ({}, schema.id2label, schema.asked.id2label):
        raise InputError(
            f"expected the outputs of {folder}/config.json (id2label) to be its topics and labels, found others; copy "
            "or train the model again"
        )
    return schema


def read_outputs(folder: Path) -> dict[int, str]:
    """Output number -> `topic/label` of a model folder, as its config.json names them; none where it does not."""
    found = _config(folder).get("id2label") or {}
    try:
        return {int(number): str(name) for number, name in found.items()}
    except (ValueError, AttributeError):
        return {-1: ""}  # of no schema


def read_temperatures(folder: Path) -> dict[str, float]:
    """Topic -> temperature of a model folder. Raises InputError where they are no numbers above 0."""
    found = read_settings(folder).get("temperatures", {})
    if not isinstance(found, dict) or not all(isinstance(t, float | int) and 0 < t < np.inf for t in found.values()):
        raise InputError(
            f"expected temperatures above 0 in {folder}/config.json, got {found!r}; copy or train the model again"
        )
    return found
