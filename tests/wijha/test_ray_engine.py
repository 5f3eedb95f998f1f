"""--engine ray: the same labels as the local engine, partitions kept; and the adapter of docs/cluster.md."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from wijha import Classifier, InputError
from wijha.cli import main
from wijha.predict import added_columns, classify_table
from wijha.ray_engine import _columns, _complete

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["أكد الوزير دعمه للحل السياسي", "رفضت الفصائل الهدنة في حلب بعد ساعات من إعلانها", "القدس"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two partitions, 60 rows, the one with id 7 has no text; a = above it all is no partition."""
    home = tmp_path / "run=3" / "in"
    for year in (2023, 2024):
        rows = [{"id": year * 100 + n, "text": None if n == 7 else f"{TEXTS[n % 3]} {n}"} for n in range(30)]
        (home / f"year={year}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), home / f"year={year}" / "rows.parquet")
    return home


def test_a_table_keeps_rows_and_order(model: Path) -> None:
    classifier = Classifier.load(model)
    table = pa.table({"n": [1, 2, 3], "text": [TEXTS[0], None, TEXTS[1]]})
    result = classify_table(table, classifier)
    assert result.column_names == ["n", "text", *added_columns(classifier.schema)]
    assert result.select(["n", "text"]).equals(table)
    assert [value is None for value in result["jerusalem_status_stance"].to_pylist()] == [False, True, False]
    assert classify_table(result, classifier).equals(result)


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_ray_gives_the_same_rows_as_the_local_engine(archive: Path, tmp_path: Path, model: Path) -> None:
    command = [
        "predict",
        str(archive),
        str(tmp_path / "ray"),
        "--engine",
        "ray",
        "--workers",
        "2",
        "--model",
        str(model),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "wijha.cli", *command],
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "60 rows -> " in done.stdout and "2 of them hold no text" in done.stdout
    assert main(["predict", str(archive), str(tmp_path / "local"), "--model", str(model)]) == 0
    found = {row["id"]: row for row in _rows(tmp_path / "ray")}
    wanted = {row["id"]: row for row in _rows(tmp_path / "local")}
    assert sorted(path.name for path in (tmp_path / "ray").iterdir()) == ["year=2023", "year=2024"]
    assert not (tmp_path / ".ray.part").exists()
    assert len(found) == 60 and {key % 100 for key in found.keys() - wanted.keys()} == {7}
    for key, row in wanted.items():
        assert row.keys() == found[key].keys()
        for name, value in row.items():
            assert found[key][name] == (pytest.approx(value, abs=2e-4) if name.endswith("_score") else value)


def test_a_column_that_the_path_gives_too_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wijha.ray_engine._ray", lambda: None)
    path = archive / "year=2024" / "rows.parquet"
    pq.write_table(pa.table({"text": TEXTS, "run": TEXTS, "year": [2019] * 3}), path)
    assert main(["predict", str(archive), str(tmp_path / "out"), "--engine", "ray"]) == 2
    sentence = f"expected no column 'year' in {path}, whose path gives it a value, found one; rename or drop it\n"
    assert capsys.readouterr().err == f"error: {sentence}"


@pytest.mark.parametrize("option", ["--articles", "--strict", "--resume", "--format csv", "--chunk-rows 4096"])
def test_an_option_of_the_local_engine_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("wijha.ray_engine._ray", lambda: None)
    assert main(["predict", str(archive), str(tmp_path / "out"), "--engine", "ray", *option.split()]) == 2
    sentence = f"expected no {option.split()[0]} with --engine ray, found it; use --engine local for it\n"
    assert capsys.readouterr().err == f"error: {sentence}"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_sigterm_ends_with_a_sentence_and_leaves_nothing(tmp_path: Path, model: Path) -> None:
    pq.write_table(pa.table({"text": TEXTS * 200_000}), tmp_path / "in.parquet")  # one file goes to a folder too
    command = ["predict", str(tmp_path / "in.parquet"), str(tmp_path / "out"), "--engine", "ray", "--model", str(model)]
    child = subprocess.Popen(
        [sys.executable, "-m", "wijha.cli", *command],
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    while child.poll() is None and not (tmp_path / ".out.part").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    error = child.communicate(timeout=120)[1]
    assert child.returncode == 143, error[-2000:]
    assert error.endswith("stopped: Ray keeps nothing of a job that is not done; run it again\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_a_cluster_that_is_not_there_is_one_sentence(
    archive: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert main(["predict", str(archive), str(tmp_path / "out"), "--engine", "ray", "--model", str(model)]) == 2
    assert "error: expected a Ray cluster at RAY_ADDRESS=auto, found none that lets it in" in capsys.readouterr().err


def test_rows_that_ray_lost_are_noticed(tmp_path: Path, archive: Path) -> None:
    sources = sorted(archive.rglob("*.parquet"))
    _complete(archive, sources)
    with pytest.raises(InputError, match="expected 60 rows from Ray, found 30; nothing was kept"):
        _complete(archive / "year=2023", sources)


def test_a_table_that_repeats_a_name_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array(TEXTS), pa.array(TEXTS)], names=["text", "text"]), tmp_path / "in.parquet")
    with pytest.raises(InputError, match="expected columns of different names"):
        _columns(tmp_path / "in.parquet", "text")


def _rows(folder: Path) -> list[dict[str, object]]:
    return list(ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist())


def test_without_ray_the_command_to_install_it_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["predict", str(archive), str(tmp_path / "out"), "--engine", "ray"]) == 2
    assert "pip install --editable '.[ray]'" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--text-column", "body"], "expected a column 'body' in"),
        (["out.parquet"], "expected a folder as output of --engine ray, got out.parquet; name a folder"),
    ],
)
def test_what_ray_does_not_do(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    out = [] if more[0].startswith("out") else [str(tmp_path / "out")]
    assert main(["predict", str(archive), *out, *more, "--engine", "ray"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_a_worker_that_fails_ends_in_one_sentence_and_leaves_nothing(
    archive: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:  # in here it is pickled by value, so that the actors get it
        def __init__(self, *settings: object) -> None:
            self.settings = settings

        def __call__(self, table: pa.Table) -> pa.Table:
            raise ArithmeticError("it computes nothing")

    monkeypatch.setattr("wijha.ray_engine.Worker", Failing)
    command = ["predict", str(archive), str(tmp_path / "out"), "--engine", "ray", "--model", str(model)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert (
        "error: expected Ray to write" in said
        and "ArithmeticError: it computes nothing; mend that and run it again" in said
    )
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_an_output_that_cannot_take_its_place_ends_in_one_sentence_and_leaves_nothing(
    archive: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wijha.ray_engine.os.replace", fails)
    out = tmp_path / "out"
    assert main(["predict", str(archive), str(out), "--engine", "ray", "--workers", "1", "--model", str(model)]) == 2
    assert "No space left on device; mend that and run it again" in capsys.readouterr().err
    assert not out.exists() and not (tmp_path / ".out.part").exists()


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_ray_writes_over_no_column(
    archive: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive / "year=2024" / "rows.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("jerusalem_status_stance", table["text"]), path)
    assert main(["predict", str(archive), str(tmp_path / "out"), "--engine", "ray", "--model", str(model)]) == 2
    assert "that is to be added, found jerusalem_status_stance" in capsys.readouterr().err


def spark_adapter(model: Path) -> dict[str, object]:
    """What the code of the documentation defines."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(code.replace('"models/classifier"', repr(str(model))), names)
    return names


def test_the_spark_adapter_of_the_documentation(model: Path) -> None:
    batches = [
        pa.record_batch({"text": TEXTS}),
        pa.record_batch({"text": TEXTS[:1]}),
        pa.record_batch({"text": ["a"][1:]}),
    ]
    classified = pa.Table.from_batches(spark_adapter(model)["classify"](iter(batches)))  # type: ignore[operator]
    assert classified["text"].to_pylist() == [*TEXTS, TEXTS[0]]
    assert set(classified["jerusalem_status_stance"].to_pylist()) <= {"absent", "neutral", "favor", "against"}


@pytest.mark.skipif(find_spec("pyspark") is None or which("java") is None, reason="pyspark or Java is not installed")
def test_spark_gives_the_labels_of_the_pure_function(
    archive: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import SparkSession

    classified, large = spark_adapter(model)["classified"], 1234567890123456789
    others = [("نص", {"k": 1}, (1, None), [large, None]), ("نص آخر", {"z": 2}, (None, large), None)]
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = session.read.parquet(str(archive)).withColumnRenamed("id", "the id")  # a name that has to be quoted
        found = {row["the id"]: row.asDict() for row in classified(rows).collect()}  # type: ignore[operator]
        kinds = "text string, m map<string,int>, s struct<a:bigint,b:bigint>, l array<bigint>"
        kept = classified(session.createDataFrame(others, kinds).coalesce(1)).collect()  # type: ignore[operator]
        assert [(row.text, row.m, tuple(row.s), row.l) for row in kept] == others
    finally:
        session.stop()
    wanted = classify_table(ds.dataset(archive, format="parquet").to_table(), Classifier.load(model)).to_pylist()
    names = [name for name in added_columns(Classifier.load(model).schema) if name.endswith("_stance")]
    assert len(found) == 60
    assert all(found[row["id"]][name] == row[name] for row in wanted for name in names)
