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
from train.keywords import NORMALIZER, keyword_expressions
from wijha import Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")


def test_logistic_regression_is_fitted_to_its_end() -> None:
    with open(ROOT / "data" / "written.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, 3_000)]
    features = TfidfVectorizer(sublinear_tf=True).fit_transform([row["text"] for row in rows])
    stances, known, unknown = [row["jerusalem_status"] for row in rows[::2]], features[::2], features[1::2]
    assert len(set(stances)) == 4
    ours = logistic_regression("balanced").fit(known, stances)
    further = clone(ours).set_params(estimator__tol=1e-8, estimator__max_iter=100_000).fit(known, stances)
    assert ours.predict(unknown).tolist() == further.predict(unknown).tolist()
    assert ours.predict_proba(unknown) == pytest.approx(further.predict_proba(unknown), abs=0.001)
    assert max(part.n_iter_.max() for part in ours.estimators_) < 1_000
    pairs = zip(ours.estimators_, further.estimators_, strict=True)
    assert all(known.n_iter_.max() < more.n_iter_.max() for known, more in pairs)


def test_keyword_rules_and_tfidf_learn_what_is_there(data: Path) -> None:
    examples = load_examples(data, SCHEMA)
    made = Baselines(split(examples)["train"], SCHEMA).predict(
        ["أكد الوزير دعمه للحل السياسي في سوريا وفق القرار 2254", "فاز الفريق بكأس المدينة"]
    )
    assert made["tfidf_logistic_regression"].tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]
    assert made["keyword_rules"].tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]


def test_tfidf_learns_a_label_of_one_row() -> None:
    rows = [
        Example(str(number), text, dict.fromkeys(SCHEMA.topic_names, label), str(number), {})
        for number, (text, label) in enumerate(
            [("كتاب قديم", "absent"), ("نهر طويل", "favor"), ("كتاب جديد", "absent")]
        )
    ]
    made = Baselines(rows, SCHEMA).predict(["كتاب", "نهر طويل"])["tfidf_logistic_regression"]
    assert made.tolist() == [[0, 0, 0, 0], [2, 2, 2, 2]]


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


@pytest.mark.parametrize(
    ("topic", "text", "found"),
    [
        ("jerusalem_status", "تحدث عن الوضع القانوني للقدس", True),
        ("political_settlement", "أكد دعمه للحل السياسي في سوريا", True),
        ("political_settlement", "أكد دعمه للحل العسكري في سوريا", False),
        ("political_settlement", "انضم للجنة الدستورية في سوريا", True),
    ],
)
def test_keyword_rules_know_the_article_behind_a_preposition(topic: str, text: str, found: bool) -> None:
    assert bool(keyword_expressions(SCHEMA)[topic].search(NORMALIZER.normalize_str(text))) == found


def test_a_set_of_letters_stays_one_in_an_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keywords = tmp_path / "keywords.yaml"
    words = r"['[الك]تاب', '\bالقدس\b']"
    keywords.write_text("".join(f"{topic}: {words}\n" for topic in SCHEMA.topic_names), encoding="utf-8")
    monkeypatch.setattr("train.keywords.KEYWORDS", keywords)
    found = keyword_expressions(SCHEMA)["jerusalem_status"]
    assert found.search("كتاب") and not found.search(":تاب")
    assert found.search("وضع للقدس اليوم") and not found.search("والقدس")
