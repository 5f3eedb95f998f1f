"""What a model must beat: keyword rules, and TF-IDF with logistic regression."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion

from train.data import Example, label_numbers
from train.keywords import NORMALIZER, keyword_expressions
from wijha.schema import Schema

TFIDF, RULES = "tfidf_logistic_regression", "keyword_rules"


class Baselines:
    """Baselines fitted once on a training split; `predict` gives label numbers of each by name."""

    def __init__(self, train: Sequence[Example], schema: Schema) -> None:
        self.predictors: dict[str, Callable[[Sequence[str]], np.ndarray]] = {}
        if not train:
            return
        self.predictors[TFIDF] = TfidfModel(train, schema).predict
        if expressions := keyword_expressions(schema):
            self.predictors[RULES] = fit_keywords(train, schema, expressions)

    def predict(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Texts -> label numbers (texts, topics) of every baseline."""
        normalised = [NORMALIZER.normalize_str(text) for text in texts]
        return {name: predict(normalised) for name, predict in self.predictors.items()}


def fit_keywords(
    train: Sequence[Example], schema: Schema, expressions: Mapping[str, re.Pattern[str]]
) -> Callable[[Sequence[str]], np.ndarray]:
    """The training split's commonest stance wherever an expression of a topic is found, else the absent label."""
    rules = []
    for topic in schema.topic_names:
        seen = Counter(example.labels[topic] for example in train)
        stance = max(schema.label_names[1:], key=lambda label: seen[label])
        rules.append((expressions[topic], schema.label_names.index(stance)))
    return lambda texts: np.array(
        [[number if expression.search(text) else 0 for expression, number in rules] for text in texts]
    )


def logistic_regression(class_weight: str | None = None) -> OneVsRestClassifier:
    """One logistic regression a label, against the others, over sparse features.

    Coordinate descent in the dual (LIBLINEAR; Yu et al. 2011, doi 10.1007/s10994-010-5221-8) comes to the end of a fit
    where L-BFGS, in more time, stops on the way.
    """
    one = LogisticRegression(
        C=10, class_weight=class_weight, solver="liblinear", dual=True, tol=1e-2, max_iter=1_000, random_state=0
    )
    return OneVsRestClassifier(one)


class TfidfModel:
    """Logistic regression for each topic over words, word pairs and character 3- to 5-grams of normalised text."""

    def __init__(self, train: Sequence[Example], schema: Schema, class_weight: str | None = "balanced") -> None:
        self.labels = len(schema.labels)
        often = 1 + len(train) // 100  # a few unlike rows share no term
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=min(2, often), sublinear_tf=True)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=min(5, often), sublinear_tf=True)
        self.features = FeatureUnion([("words", words), ("characters", characters)])
        known = self.features.fit_transform([NORMALIZER.normalize_str(example.text) for example in train])
        self.models = {}
        for topic, column in enumerate(label_numbers(train, schema).T):
            given = column >= 0
            kinds = len(set(column[given]))
            model = DummyClassifier() if kinds < 2 else logistic_regression(class_weight)
            if kinds:
                self.models[topic] = model.fit(known[given], column[given])
        self.topics = len(schema.topics)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Normalised texts -> label numbers (texts, topics); 0, absent, for a topic that no training row has."""
        unknown = self.features.transform(texts)
        found = np.zeros((len(texts), self.topics), dtype=int)
        for topic, model in self.models.items():
            found[:, topic] = model.predict(unknown)
        return found

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> probabilities (texts, topics, labels); 0 for labels and topics that the training rows lack."""
        unknown = self.features.transform([NORMALIZER.normalize_str(text) for text in texts])
        found = np.zeros((len(texts), self.topics, self.labels))
        for topic, model in self.models.items():
            found[:, topic, model.classes_] = model.predict_proba(unknown)
        return found
