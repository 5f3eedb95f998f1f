"""Topics and labels: read once from YAML, carried in the model's config.json, the only place that knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from wijha.errors import InputError
from wijha.files import read_yaml

TARGET = "target"
"""What stands for a topic where a model is asked for a target of one's own."""
COLUMNS = {"text", "id", "story", "group", "split", TARGET}
"""What a labelled row may have beside a column a topic."""
ANY = "present"
"""What scores call any label of a topic but the first."""
STANCE, SCORE = "_stance", "_score"
"""Behind a topic's name, the columns of its likeliest label and of how likely that is."""


@dataclass(frozen=True)
class Topic:
    """One thing that a sentence can be about, and the proposition that a stance on it refers to."""

    name: str
    english: str = ""
    arabic: str = ""
    target: str = ""


@dataclass(frozen=True)
class Label:
    """One of the labels that every topic takes."""

    name: str
    arabic: str = ""


@dataclass(frozen=True)
class Schema:
    """Topics x labels in the order of the model's outputs; the first label means that the topic is absent."""

    topics: tuple[Topic, ...]
    labels: tuple[Label, ...]
    polar: tuple[str, ...] = ()
    """The labels whose mean F1 is Favg2: the two sides of a stance."""

    @property
    def topic_names(self) -> tuple[str, ...]:
        """Names of the topics, in output order."""
        return tuple(topic.name for topic in self.topics)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in output order; the first is the absent one."""
        return tuple(label.name for label in self.labels)

    @property
    def absent(self) -> str:
        """The label of a topic that is not there."""
        return self.labels[0].name

    @property
    def id2label(self) -> dict[int, str]:
        """Output number -> `topic/label`, topics outermost."""
        names = [f"{topic}/{label}" for topic in self.topic_names for label in self.label_names]
        return dict(enumerate(names))

    @property
    def asked(self) -> Schema:
        """This schema and TARGET as one more topic: the outputs of a model that can be asked."""
        return replace(self, topics=(*self.topics, Topic(TARGET)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as it stands in config.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Any, source: str) -> Schema:
        """Read what `to_dict` or a YAML file gives. Raises InputError with every problem found in it."""
        problems: list[str] = []
        raw = raw if isinstance(raw, Mapping) else {}
        topics = _named(Topic, raw.get("topics"), "topics", 1, problems)
        labels = _named(Label, raw.get("labels"), "labels", 2, problems)
        polar = raw.get("polar") or ()
        names = {label.name for label in labels[1:]}
        if (
            not isinstance(polar, list | tuple)
            or not all(isinstance(name, str) and name in names for name in polar)
            or len(set(polar)) < len(polar)
        ):
            problems.append(f"polar must list labels other than the first, each once, got {polar!r}")
        if ANY in names:
            problems.append(f"labels need other names than {ANY}, as scores call all of them but the first")
        if taken := sorted(COLUMNS & {topic.name for topic in topics}):
            problems.append(f"topics need other names than the columns {', '.join(taken)} of labelled rows")
        if unknown := set(raw) - {"topics", "labels", "polar"}:
            problems.append(f"unknown keys {sorted(map(str, unknown))}")
        if problems:
            raise InputError(
                f"expected a label schema in {source}, found: {'; '.join(problems)}; see configs/schema.yaml"
            )
        return cls(topics, labels, tuple(polar))

    @classmethod
    def from_yaml(cls, path: Path) -> Schema:
        """Read a schema file such as configs/schema.yaml. Raises InputError when it is missing or wrong."""
        try:
            raw = read_yaml(path)
        except OSError as error:
            found = "a folder" if path.is_dir() else "no such file"
            raise InputError(f"expected a label schema at {path}, found {found}; see configs/schema.yaml") from error
        return cls.from_dict(raw, str(path))


def _named(kind: type, items: Any, key: str, least: int, problems: list[str]) -> tuple[Any, ...]:
    """The entries of `topics` or `labels`; what is wrong with them is added to `problems`."""
    known, before = [field.name for field in fields(kind)], len(problems)
    found = []
    for item in items if isinstance(items, list | tuple) else []:
        if (
            not isinstance(item, Mapping)
            or not set(item) <= set(known)
            or not all(isinstance(v, str) for v in item.values())
        ):
            problems.append(f"each of {key} takes the texts {', '.join(known)}, got {item!r}")
        elif not item.get("name") or set("/.") & set(item["name"]):
            problems.append(f"each of {key} needs a name without '/' and '.', got {item!r}")
        else:
            found.append(kind(**item))
    names = [entry.name for entry in found]
    if len(set(names)) < len(names):
        problems.append(f"{key} repeat a name: {names}")
    if len(found) < least and len(problems) == before:
        problems.append(f"{key} must list at least {least}, got {items!r}")
    return tuple(found)
