"""Stances towards a target that is named when it is asked for: any thing that one can be for or against.

A model whose outputs end with those of TARGET reads a text and, behind it, a target; these outputs are then its stance
towards that, and say nothing without one. `train.finetune` makes such a model of `targets` in its config.
"""

from __future__ import annotations

from collections.abc import Sequence

from wijha.classifier import Classifier, Read, read_temperatures
from wijha.errors import InputError
from wijha.schema import TARGET, Schema, Topic


class TargetClassifier(Classifier):
    """Classifies as any other, but its one topic, `target`, is the target that it was made for."""

    def __init__(self, classifier: Classifier, target: str) -> None:
        """Raises InputError where the model has no outputs for it, and for a target that is empty or too long."""
        reader, known = classifier.readers[-1], classifier.schema
        if not classifier.can_be_asked:
            raise InputError(
                f"expected a model that can be asked for any target in {classifier.folder}, found one of "
                f"{len(known.topics)} topics alone; train one with `targets` in its config"
            )
        self.target = reader.target_ids(target)
        topic = Topic(TARGET, arabic=target, target=target)
        super().__init__(reader, Schema((topic,), known.labels, known.polar), read_temperatures(classifier.folder))
        self._outputs, self._whole = slice(len(known.id2label), None), classifier

    @property
    def can_be_asked(self) -> bool:
        """See Classifier."""
        return True

    def towards(self, target: str) -> Classifier:
        """See Classifier."""
        return self._whole.towards(target)

    def read(self, texts: Sequence[str]) -> list[Read]:
        """See Classifier."""
        return list(map(Read, texts, self.readers[0].token_ids(texts, self.target)))
