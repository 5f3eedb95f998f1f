"""The baselines learn what is there, and TF-IDF to the end: one that stops early is no measure of another model."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer

from train.baselines import Baselines, logistic_regression
from train.data import Example, load_examples, split
from train.keywords import keyword_expressions
from wijha import Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")


def test_logistic_regression_is_fitted_to_its_end() -> None:
    with open(ROOT / "data" / "written.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, 3_000)]
    features = TfidfVectorizer(sublinear_tf=True).fit_transform([row["text"] for row in rows])
    stances = [row["jerusalem_status"] for row in rows]
    assert len(set(stances)) == 4
    ours = logistic_regression("balanced").fit(features, stances)
    further = clone(ours).set_params(estimator__tol=1e-8, estimator__max_iter=100_000).fit(features, stances)
    assert ours.predict(features).tolist() == further.predict(features).tolist()
    assert ours.predict_proba(features) == pytest.approx(further.predict_proba(features), abs=0.005)
    pairs = zip(ours.estimators_, further.estimators_, strict=True)
    assert all(known.n_iter_.max() < more.n_iter_.max() for known, more in pairs)


def test_keyword_rules_and_tfidf_learn_what_is_there(data: Path) -> None:
    examples = load_examples(data, SCHEMA)
    made = Baselines(split(examples)["train"], SCHEMA).predict(
        ["أكد الوزير دعمه للحل السياسي في سوريا وفق القرار 2254", "فاز الفريق بكأس المدينة"]
    )
    assert made["tfidf_logistic_regression"].tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]
    assert made["keyword_rules"].tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("count", [1, 3, 4, 60])
def test_tfidf_learns_from_few_and_unlike_rows(count: int) -> None:
    words = ["كتاب", "مدينة", "نهر", "جبل", "سوق", "بحر"]
    rows = [
        Example(
            str(number), words[number % 6] * (1 + number // 6), dict.fromkeys(SCHEMA.topic_names, "absent"), "s", {}
        )
        for number in range(count)
    ]
    assert Baselines(rows, SCHEMA).predict(["كتاب"])["tfidf_logistic_regression"].tolist() == [[0, 0, 0, 0]]


def test_keyword_rules_know_the_article_behind_a_preposition() -> None:
    expressions = keyword_expressions(SCHEMA)
    assert expressions["jerusalem_status"].search("تحدث عن الوضع القانوني للقدس")
    assert expressions["political_settlement"].search("اكد دعمه للحل السياسي في سوريا")
    assert not expressions["political_settlement"].search("اكد دعمه للحل العسكري في سوريا")


def test_a_set_of_letters_stays_one_in_an_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keywords = tmp_path / "keywords.yaml"
    keywords.write_text("".join(f"{topic}: ['[الك]تاب']\n" for topic in SCHEMA.topic_names), encoding="utf-8")
    monkeypatch.setattr("train.keywords.KEYWORDS", keywords)
    found = keyword_expressions(SCHEMA)["jerusalem_status"]
    assert found.search("كتاب") and not found.search(":تاب")
