"""What a model must beat: keyword rules, and TF-IDF with logistic regression."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from tokenizers import normalizers

from train.data import Example, label_numbers
from train.tokenizer import OURS, normalization_steps
from wijha.schema import Schema

KEYWORDS = Path("configs/keywords.yaml")
_normalizer = normalizers.Sequence(normalization_steps(OURS))


def predict_baselines(train: Sequence[Example], texts: Sequence[str], schema: Schema) -> dict[str, np.ndarray]:
    """Label numbers (texts, topics) of every baseline that the schema allows, by name."""
    normalised = [_normalizer.normalize_str(text) for text in texts]
    predictions = {"tfidf_logistic_regression": predict_tfidf(train, normalised, schema)}
    patterns = yaml.safe_load(KEYWORDS.read_text(encoding="utf-8")) if KEYWORDS.exists() else {}
    if set(schema.topic_names) <= set(patterns):
        predictions["keyword_rules"] = predict_keywords(train, normalised, schema, patterns)
    return predictions


def predict_keywords(
    train: Sequence[Example], texts: Sequence[str], schema: Schema, patterns: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """The training split's commonest stance wherever an expression of a topic is found, else the absent label."""
    columns = []
    for topic in schema.topic_names:
        seen = Counter(example.labels[topic] for example in train)
        stance = max(schema.label_names[1:], key=lambda label: seen[label])
        found = re.compile("|".join(f"(?:{pattern})" for pattern in patterns[topic]))
        number = schema.label_names.index(stance)
        columns.append([number if found.search(text) else 0 for text in texts])
    return np.array(columns, dtype=np.int64).T.reshape(len(texts), len(schema.topics))


def predict_tfidf(train: Sequence[Example], texts: Sequence[str], schema: Schema) -> np.ndarray:
    """One logistic regression a topic over words, word pairs and character 3- to 5-grams."""
    features = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True)),
        ]
    )
    known = features.fit_transform([_normalizer.normalize_str(example.text) for example in train])
    unknown = features.transform(texts)
    columns = []
    for column in label_numbers(train, schema).T:
        given = column >= 0
        single = len(set(column[given])) < 2
        model = DummyClassifier() if single else LogisticRegression(C=10, max_iter=300, class_weight="balanced")
        columns.append(model.fit(known[given], column[given]).predict(unknown))
    return np.array(columns).T.reshape(len(texts), len(schema.topics))
