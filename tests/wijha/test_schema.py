"""The schema: round trip, order of outputs, everything wrong named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from wijha import InputError, Schema

ROOT = Path(__file__).resolve().parents[2]


def test_round_trip_and_output_order() -> None:
    schema = Schema.from_yaml(ROOT / "configs" / "schema.yaml")
    assert Schema.from_dict(schema.to_dict(), "itself") == schema
    assert schema.label_names == ("absent", "neutral", "favor", "against")
    assert schema.id2label[6] == "de_escalation_zones/favor" and len(schema.id2label) == 16
    assert all(topic.arabic and topic.english and topic.target for topic in schema.topics)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({}, "topics must list at least 1"),
        ({"topics": [{"name": "a"}], "labels": [{"name": "no"}]}, "labels must list at least 2"),
        ({"topics": [{"name": "a/b"}], "labels": [{"name": "x"}, {"name": "y"}]}, "needs a name without '/'"),
        ({"topics": [{"name": "a.b"}], "labels": [{"name": "x"}, {"name": "y"}]}, "needs a name without '/' and '.'"),
        ({"topics": [{"name": "a"}] * 2, "labels": [{"name": "x"}, {"name": "y"}]}, "topics repeat a name"),
        ({"topics": [{"name": "a", "colour": "b"}], "labels": [{"name": "x"}, {"name": "y"}]}, "each of topics takes"),
        ({"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "y"}], "polar": ["x"]}, "polar must list"),
        (
            {"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "present"}]},
            "labels need other names",
        ),
        ({"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "y"}], "polar": ["y", "y"]}, "each once, got"),
        ({"topics": [{"name": "id"}], "labels": [{"name": "x"}, {"name": "y"}]}, "other names than the columns id of"),
        ({"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "y"}], "polar": [["y"]]}, "polar must list"),
        ({"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "y"}], "polar": {"y": 1}}, "polar must list"),
        ({"topics": [], "labels": [], "extra": 1}, "topics must .*; labels must list at least 2, got .*; unknown keys"),
        ({"topics": [{"name": "a"}], "labels": [{"name": "x"}, {"name": "y"}], "extra": 1}, "unknown keys"),
        ("text", "topics must list"),
    ],
)
def test_wrong_schemas(raw: object, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        Schema.from_dict(raw, "here")
    assert str(caught.value).startswith("expected a label schema in here, found: ")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        Schema.from_yaml(tmp_path / "none.yaml")
