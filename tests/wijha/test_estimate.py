"""wijha estimate: the counts that come of a sample are right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import betabinom

from wijha import InputError
from wijha.cli import main
from wijha.design import Design, Drawn, Stratum, read_labels
from wijha.estimate import PRESENT, _whole, balance, collapsed, estimates
from wijha.records import read_rows
from wijha.sample import draw
from wijha.writing import write_rows

LABELS, TOPICS = ("absent", "neutral", "favor", "against"), ("peace", "zones")
SAYS = ((0.995, 0.003, 0.0015, 0.0005), (0.2, 0.6, 0.15, 0.05), (0.1, 0.2, 0.65, 0.05), (0.15, 0.1, 0.2, 0.55))
Truth = dict[str, dict[str, str]]


def labelled(sample: Path, truth: Truth) -> dict[str, dict[str, str]]:
    return {row["id"]: truth[row["text"]] for _, row in read_rows(sample)}


def true_count(truth: Truth, topic: str, label: str) -> int:
    counts = Counter(labels[topic] for labels in truth.values())
    return 4_000 - counts["absent"] if label == PRESENT else counts[label]


def test_who_reads_everything_counts_exactly(archive: Path, truth: Truth, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "all.jsonl", 4_000)
    read = labelled(tmp_path / "all.jsonl", truth)
    rows = {row["text"]: row for row in pq.read_table(archive).to_pylist()}
    for topic in TOPICS:
        for row in estimates(topic, design, read):
            count = true_count(truth, topic, row["label"])
            assert row["estimated"] == row["estimated_low"] == row["estimated_high"] == count
            wanted = LABELS[1:] if row["label"] == PRESENT else (row["label"],)
            said = {text for text, each in rows.items() if each[f"{topic}_stance"] in wanted}
            both = sum(truth[text][topic] in wanted for text in said)
            assert row["said"] == len(said)
            assert row["precision"] == row["precision_low"] == row["precision_high"] == round(both / len(said), 3)
            assert row["recall"] == row["recall_low"] == row["recall_high"] == round(both / count, 3)
        (row,) = balance(topic, design, read)
        count = true_count(truth, topic, "favor") - true_count(truth, topic, "against")
        assert row["estimated"] == row["estimated_low"] == row["estimated_high"] == count
        said = Counter(each[f"{topic}_stance"] for each in rows.values())
        assert (row["label"], row["said"]) == ("favor - against", said["favor"] - said["against"])


def test_intervals_hold_the_true_counts_as_often_as_they_say(archive: Path, truth: Truth, tmp_path: Path) -> None:
    held: dict[str, list[bool]] = {label: [] for label in (PRESENT, *LABELS[1:])}
    found, said, widths = Counter[str](), Counter[str](), list[float]()
    for seed in range(40):
        design = draw(archive, tmp_path / f"{seed}.jsonl", 300, seed)
        read = labelled(tmp_path / f"{seed}.jsonl", truth)
        for topic in TOPICS:
            for row in estimates(topic, design, read):
                count = true_count(truth, topic, row["label"])
                held[row["label"]].append(row["estimated_low"] <= count <= row["estimated_high"])
                widths.append((row["estimated_high"] - row["estimated_low"]) / count)
                found[f"{topic} {row['label']}"] += row["estimated"]
                said[f"{topic} {row['label']}"] = row["said"]
    assert all(sum(each) / len(each) >= 0.92 for each in held.values()), held
    assert np.median(widths) < 1.5  # 0.9; 2.9 with a prior ten times as strong
    nearer = 0
    for topic in TOPICS:
        for label in (PRESENT, *LABELS[1:]):
            count, name = true_count(truth, topic, label), f"{topic} {label}"
            nearer += abs(found[name] / 40 - count) < abs(said[name] - count)
            assert found[name] / 40 == pytest.approx(count, rel=0.15)
    assert nearer >= 7  # of 8: than what the model says


def test_intervals_hold_where_half_of_an_archive_is_read(tmp_path: Path) -> None:
    dice = np.random.default_rng(3)
    true = dice.choice(4, 600, p=(0.6, 0.1, 0.2, 0.1))
    said = np.array([dice.choice(4, p=SAYS[label]) for label in true])
    rows = [{"text": str(number), "peace_stance": LABELS[label]} for number, label in enumerate(said)]
    write_rows(rows, tmp_path / "archive.parquet")
    held = Counter[str]()
    for seed in range(40):
        design = draw(tmp_path / "archive.parquet", tmp_path / f"{seed}.jsonl", 300, seed)
        drawn = read_rows(tmp_path / f"{seed}.jsonl")
        read = {row["id"]: {"peace": LABELS[true[int(row["text"])]]} for _, row in drawn}
        for row in estimates("peace", design, read):
            wanted = range(1, 4) if row["label"] == PRESENT else (LABELS.index(row["label"]),)
            there, told = np.isin(true, wanted), np.isin(said, wanted)
            both = (there & told).sum()
            figures = {"estimated": there.sum(), "precision": both / told.sum(), "recall": both / there.sum()}
            for name, value in figures.items():
                low, high = row[f"{name}_low"], row[f"{name}_high"]
                held[f"{row['label']} {name}"] += low <= round(float(value), 3) <= high
        (row,) = balance("peace", design, read)
        held["balance"] += row["estimated_low"] <= (true == 2).sum() - (true == 3).sum() <= row["estimated_high"]
    assert min(held.values()) >= 35, held


def test_what_nobody_found_is_bounded_as_by_clopper_and_pearson(tmp_path: Path) -> None:
    rows = [{"text": str(number), "peace_stance": "absent", "peace_score": 0.99} for number in range(20_000)]
    write_rows(rows, tmp_path / "archive.parquet")
    design = draw(tmp_path / "archive.parquet", tmp_path / "sample.jsonl", 100)
    found = estimates("peace", design, {name: {"peace": "absent"} for name in design.drawn})[0]
    assert (found["estimated"], found["estimated_low"], found["recall"]) == (0, 0, None)
    assert found["estimated_high"] == pytest.approx(20_000 * (1 - 0.025 ** (1 / 100)), rel=0.05)


def test_what_is_read_from_the_top_is_a_sample_too(archive: Path, truth: Truth, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 400)
    read = labelled(tmp_path / "sample.jsonl", truth)
    part = dict(list(read.items())[:150])
    some, all_of_it = (estimates("peace", design, labels)[0] for labels in (part, read))
    assert some["said"] == all_of_it["said"]
    assert some["estimated_low"] <= true_count(truth, "peace", PRESENT) <= some["estimated_high"]
    assert some["estimated_high"] - some["estimated_low"] > all_of_it["estimated_high"] - all_of_it["estimated_low"]


def test_from_the_command_line(archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = tmp_path / "sample.csv"
    assert main(["sample", str(archive), str(sample), "--rows", "120", "--outlet", "two", "--topic", "peace"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"120 of 2,000 sentences -> {sample}\nlabel") and f"next: wijha estimate {sample}" in said
    rows = [row for _, row in read_rows(sample)]
    assert "zones" not in rows[0] and all(int(row["text"]) % 2 for row in rows)
    for row in rows[:90]:
        row["peace"] = truth[row["text"]]["peace"]
    write_rows(rows, sample)
    assert main(["estimate", str(sample), str(tmp_path / "counts.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    of = "archive archive.parquet, topics peace, outlets two, seed 13"
    assert lines[0] == f"90 of 120 sentences are read, drawn from 2,000 ({of})"
    assert [line.split("  ")[0] or line.split("  ")[1] for line in lines[3:-1]] == [
        "peace",
        *LABELS[1:],
        "favor - against",
    ]
    kept = [row for _, row in read_rows(tmp_path / "counts.csv")]
    assert [row["label"] for row in kept] == [PRESENT, *LABELS[1:], "favor - against"]
    assert f"{int(kept[0]['estimated']):,} ({int(kept[0]['estimated_low']):,}-" in lines[3]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"s0001": {"peace": "yes"}}, "expected one of absent, neutral, favor, against or nothing as peace"),
        ({"s0002": {"id": "s9999"}}, "expected a sentence of the sample, each once, in .* line 2, got another"),
        ({"s0002": {"text": "of another sample"}}, "each once, in .* line 2, got another"),
        ({"s0002": {"id": "s0001", "text": None}}, "each once, in .* line 2, got the same one again"),
        (
            {"s0002": {"peace": None, "zones": " "}},
            "found 1 sentences without any above the last one that has; write absent",
        ),
        (
            {"every": {"zones": ""}},
            "expected labels of zones in .*, found none; write absent once",
        ),
        (
            {"every": {"zones": "", "peace": ""}},
            "expected labels of peace, zones in .*, found none",
        ),
    ],
)
def test_wrong_labels_are_one_sentence(
    archive: Path, truth: Truth, tmp_path: Path, change: dict[str, dict[str, str]], sentence: str
) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 30)
    rows = [row | truth[row["text"]] for _, row in read_rows(tmp_path / "sample.jsonl")]
    write_rows([row | change.get(row["id"], change.get("every", {})) for row in rows], tmp_path / "read.jsonl")
    with pytest.raises(InputError, match=sentence):
        read_labels(tmp_path / "read.jsonl", design)


def test_a_topic_left_empty_beside_another_is_absent(archive: Path, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 30)
    rows = [{"id": "s0002", "peace": " favor "}, {"id": "s0001", "peace": None, "zones": "absent"}, {"id": "s0003"}]
    write_rows(rows, tmp_path / "read.jsonl")
    read, _ = read_labels(tmp_path / "read.jsonl", design)
    assert read == {"s0002": {"peace": "favor", "zones": "absent"}, "s0001": {"peace": "absent", "zones": "absent"}}


def test_a_text_that_a_spreadsheet_would_run_is_known_again(tmp_path: Path) -> None:
    rows = [{"text": f"=1+{number} القدس", "peace_stance": "absent"} for number in range(20)]
    write_rows(rows, tmp_path / "archive.jsonl")
    design = draw(tmp_path / "archive.jsonl", tmp_path / "sample.csv")
    read = [row | {"peace": "absent"} for _, row in read_rows(tmp_path / "sample.csv")]
    assert all(row["text"].startswith("'=") for row in read)
    write_rows(read, tmp_path / "sample.csv")
    assert len(read_labels(tmp_path / "sample.csv", design)[0]) == 20


def test_a_label_that_nobody_has_read_counts_as_the_model_says(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 60)
    favor = {name for name, each in design.drawn.items() if each.said["peace"] == "favor"}
    read = {name: dict.fromkeys(TOPICS, "absent") for name in design.drawn.keys() - favor}
    row = next(row for row in estimates("peace", design, read) if row["label"] == "favor")
    assert row["estimated"] == row["said"] and row["estimated_low"] == 0 and row["estimated_high"] > row["said"]
    first = next(name for name, each in design.drawn.items() if each.said["peace"] == "absent")
    rows = [row for _, row in read_rows(tmp_path / "sample.jsonl")]
    until = [row["id"] for row in rows].index(first) + 1
    write_rows([row | truth[row["text"]] for row in rows[:until]], tmp_path / "read.jsonl")
    assert main(["estimate", str(tmp_path / "read.jsonl"), "--design", str(tmp_path / "sample.design.json")]) == 0
    assert "peace: none of those said to be " in capsys.readouterr().out


def test_a_stratum_of_which_little_is_read_counts_with_others() -> None:
    size = np.array([[0.0, 10.0, 7.0, 4.0], [50.0, 30.0, 0.0, 6.0], [0.0, 20.0, 0.0, 0.0]])
    read = np.array([[0.0, 10.0, 0.0, 2.0], [2.0, 1.0, 0.0, 1.0], [0.0, 5.0, 0.0, 0.0]])
    wanted = [[0, 10 + 29 / 3, 7, 4], [50, 1, 0, 6], [0, 20 + 2 * 29 / 3, 0, 0]]  # of 30, one is read: 29 by size
    assert collapsed(size, read) == pytest.approx(np.array(wanted))


def test_a_topic_that_was_asked_of_some_rows_is_counted_in_these(tmp_path: Path) -> None:
    asked = {number: "favor" if number % 20 else "absent" for number in range(0, 400, 10)}
    rows = [
        {"text": f"{n}", "a_stance": "neutral" if n % 4 else "absent", "b_stance": asked.get(n)} for n in range(400)
    ]
    write_rows(rows, tmp_path / "archive.jsonl")
    design = draw(tmp_path / "archive.jsonl", tmp_path / "sample.jsonl", 400)
    read = {name: {"a": "neutral", "b": "favor"} for name in design.drawn}
    a, b = (estimates(topic, design, read)[0] for topic in ("a", "b"))
    assert (a["sentences"], a["read"], a["said"], a["estimated"]) == (400, 400, 300, 400)
    assert (b["sentences"], b["read"], b["said"], b["estimated"], b["estimated_low"]) == (40, 40, 20, 40, 40)


def test_the_table_does_not_replace_the_labels(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(archive, tmp_path / "sample.csv", 30)
    rows = [row | truth[row["text"]] for _, row in read_rows(tmp_path / "sample.csv")]
    write_rows(rows, tmp_path / "sample.csv")
    for name in ("sample.csv", "sample.design.json"):
        before = (tmp_path / name).read_bytes()
        assert main(["estimate", str(tmp_path / "sample.csv"), str(tmp_path / name)]) == 2
        assert "expected another file for the table than" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"source": []},
        {"labels": []},
        {"labels": ["absent", "favor"]},
        {"polar": ["favor"]},
        {"polar": ["favor", "foe"]},
        {"polar": "favor"},
        {"labels": ["absent", "neutral", "favor", "against", "against"]},
        {"labels": ["absent", "neutral", "favor", "against", 5]},
        {"stratum": {"sentences": "5"}},
        {"stratum": {"said": ["peace", "zones"]}},
        {"stratum": {"said": {"peace": {"favor": 1.5}, "zones": {}}}},
        {"stratum": {"said": {"peace": {"": 5}, "zones": {}}}},
        {"sentence": {"said": {"peace": "foo", "zones": ""}}},
        {"sentence": {"said": {"peace": "favor"}}},
        {"sentence": {"stratum": 99}},
        {"sentence": {"stratum": 0.5}},
        {"sentence": {"known": "no"}},
        {"strata": [{"name": "all", "sentences": 5, "said": {}}], "drawn": {}},
    ],
)
def test_a_design_that_was_spoiled_is_another_file(archive: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    draw(archive, tmp_path / "sample.csv", 30)
    design = json.loads((tmp_path / "sample.design.json").read_text(encoding="utf-8"))
    design["strata"][0] |= change.pop("stratum", {})
    design["drawn"]["s0001"] |= change.pop("sentence", {})
    (tmp_path / "spoiled.json").write_text(json.dumps(design | change), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"expected the design of a sample, .*, at .*spoiled.json, got another file; pass"
    ):
        Design.read(tmp_path / "spoiled.json")


@pytest.mark.parametrize("sample", [".", "/"])
def test_a_sample_without_a_name_is_one_sentence(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", sample]) == 2
    assert f"expected a sample, a file of labelled sentences, got {sample}; name it" in capsys.readouterr().err


def test_without_a_design_the_option_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sample.csv").write_text("id,peace\ns0001,favor\n")
    (tmp_path / "other.json").write_text(json.dumps({"labels": []}))
    (tmp_path / "third.json").write_text(json.dumps({"source": {}, "labels": [], "strata": [], "drawn": {}}))
    for more in ([], ["--design", str(tmp_path / "other.json")], ["--design", str(tmp_path / "third.json")]):
        assert main(["estimate", str(tmp_path / "sample.csv"), *more]) == 2
        found = "got another file" if more else "found no such file"
        assert f"{found}; pass it as --design FILE" in capsys.readouterr().err


def figures(*strata: tuple[str, int, dict[str, int]]) -> dict[str, Any]:
    """What `estimates` says of favor, by what the model said in each stratum, its size and what readers found there."""
    parts = [Stratum("", size, {"peace": {said: size}}) for said, size, _ in strata]
    design, read = Design({}, list(LABELS), parts, {}), dict[str, dict[str, str]]()
    for place, (said, _, found) in enumerate(strata):
        for label in Counter(found).elements():
            name = f"s{len(read)}"
            design.drawn[name], read[name] = Drawn("", place, {"peace": said}), {"peace": label}
    return next(row for row in estimates("peace", design, read) if row["label"] == "favor")


def bounded(row: dict[str, Any], name: str) -> list[float]:
    return [row[f"{name}_low"], row[name], row[f"{name}_high"]]


def test_bounds_leave_open_what_nobody_has_read() -> None:
    """A sentence is put against what the few that are read say, or in its favour."""
    known, most = ("absent", 800, {"absent": 750, "favor": 50}), betabinom(195, 1, 5).ppf(0.975) / 200
    never, always = figures(known, ("favor", 200, {"against": 5})), figures(known, ("favor", 200, {"favor": 5}))
    assert bounded(never, "precision") == pytest.approx([0, 0, most], rel=0.05)
    assert bounded(always, "precision") == pytest.approx([1 - most, 1, 1], rel=0.05)
    least = (1 - most) * 200
    assert bounded(never, "recall") == pytest.approx([0, 0, most * 200 / (most * 200 + 50)], rel=0.05)
    assert bounded(always, "recall") == pytest.approx([least / (least + 50), 0.8, 0.8], rel=0.05)
    right, missed = ("favor", 20, {"favor": 20}), betabinom(790, 1, 10).ppf(0.975)
    all_seen, few_seen = figures(right, ("absent", 800, {"absent": 10})), figures(right, ("absent", 800, {"favor": 10}))
    assert bounded(all_seen, "estimated") == pytest.approx([20, 20, 20 + missed], rel=0.05)
    assert bounded(all_seen, "recall") == pytest.approx([20 / (20 + missed), 1, 1], rel=0.05)
    assert bounded(few_seen, "estimated") == pytest.approx([820 - missed, 820, 820], rel=0.05)
    assert bounded(few_seen, "recall") == pytest.approx([20 / 820, 20 / 820, 20 / (820 - missed)], rel=0.05)


def test_what_favors_less_what_is_against_is_bounded_by_both() -> None:
    parts = [Stratum("", 100, {"peace": {"favor": 100}}), Stratum("", 50, {"peace": {"against": 50}})]
    drawn = {f"s{n}": Drawn("", int(n > 9), {"peace": "against" if n > 9 else "favor"}) for n in range(20)}
    read = {name: {"peace": "favor" if int(name[1:]) < 10 else "against"} for name in drawn}
    (row,) = balance("peace", Design({}, list(LABELS), parts, drawn, ["favor", "against"]), read)
    assert (row["said"], row["estimated"], row["precision"], row["recall"]) == (50, 50, None, None)
    wrong, more = betabinom(90, 1, 10), betabinom(40, 1, 10)  # of the unread on either side, turned into the other
    low = 50 - 2 * np.percentile(wrong.rvs(100_000, random_state=1), 97.5)
    high = 50 + 2 * np.percentile(more.rvs(100_000, random_state=1), 97.5)
    assert [row["estimated_low"], row["estimated_high"]] == pytest.approx([low, high], abs=4)
    assert balance("peace", Design({}, list(LABELS), parts, drawn), read) == []


def test_bounds_do_not_widen_with_the_number_of_strata() -> None:
    whole, parts = [("favor", 1_000, {"favor": 200})], [("favor", 50, {"favor": 10})] * 20
    assert figures(*parts)["precision_low"] == pytest.approx(figures(*whole)["precision_low"], abs=0.01)


def test_unread_sentences_are_drawn_whole_and_none_is_added() -> None:
    unread = np.array([[0.25, 3.0], [1.5, 0.1], [0.25, 0.9]])  # as `collapsed` shares them out; whole for each label
    drawn = _whole(np.random.default_rng(5), unread)
    assert (drawn.sum(axis=1) == unread.sum(axis=0)).all() and (drawn >= 0).all()
    assert drawn.mean(axis=0) == pytest.approx(unread, abs=0.03)
