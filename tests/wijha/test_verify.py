"""wijha verify on outputs that were written by hand, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from wijha import InputError
from wijha.chunks import Options
from wijha.cli import main
from wijha.paths import Places, pair_up
from wijha.verify import verify
from wijha.writing import write_rows

ROWS = [{"id": "1", "text": "هدنة"}, {"id": "2", "text": "=حلب"}]


def proved(source: Path, out: Path, column: str = "text") -> int:
    return verify(pair_up([str(source)], out), Places(out), Options(column)).rows_out


@pytest.mark.parametrize("added", [{}, {"stance": "favor"}, {"war_stance": ""}])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_copy_without_stances_is_no_output(tmp_path: Path, suffix: str, added: dict[str, str]) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    write_rows(ROWS, source)
    write_rows([{**row, "war_stance": "favor"} for row in ROWS], out)
    assert proved(source, out) == 2
    write_rows([{**ROWS[0], "war_stance": "favor"}, {**ROWS[1], **added}], out)
    with pytest.raises(InputError, match=f"expected war_stance in {out} row 2, found none; run wijha predict again"):
        proved(source, out)
    write_rows([{**row, "stance": "favor"} for row in ROWS], out)
    with pytest.raises(InputError, match=f"expected a stance in {out} row 1, found none; run wijha predict again"):
        proved(source, out)


@pytest.mark.parametrize("lost", ["war_stance", "peace_stance"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_stance_is_in_every_row(tmp_path: Path, suffix: str, lost: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    write_rows(ROWS, source)
    stances = {"war_stance": "favor", "war_score": 0.9, "peace_stance": "absent", "peace_score": 0.8}
    write_rows([{**row, **stances} for row in ROWS], out)
    assert proved(source, out) == 2
    write_rows([{**ROWS[0], **stances}, {**ROWS[1], **stances, lost: None}], out)
    with pytest.raises(InputError, match=f"expected {lost} in {out} row 2, found none; run wijha predict again"):
        proved(source, out)
    del stances[lost]  # a whole column
    write_rows([{**row, **stances} for row in ROWS], out)
    with pytest.raises(InputError, match=f"expected {lost} in {out} row 1, found none; run wijha predict again"):
        proved(source, out)


@pytest.mark.parametrize("number", [-1e-05, -1e20, -3, 1e300, -2.5])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_numbers_as_ids_are_known_again(tmp_path: Path, suffix: str, number: float) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    write_rows([{**row, "id": number} for row in ROWS], source)
    write_rows([{**row, "id": number, "war_stance": "favor"} for row in ROWS], out)
    assert proved(source, out) == 2


@pytest.mark.parametrize("own", ["war_stance", "=_stance"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_stance_of_the_input_is_none_of_the_model(tmp_path: Path, suffix: str, own: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    rows = [{**row, own: "mine"} for row in ROWS]
    write_rows(rows, source)
    write_rows([{**row, "peace_stance": "favor"} for row in rows], out)
    assert proved(source, out) == 2
    write_rows([{**rows[0], "peace_stance": "favor"}, rows[1]], out)
    with pytest.raises(InputError, match=f"expected peace_stance in {out} row 2, found none; run wijha predict again"):
        proved(source, out)


def test_an_option_that_was_forgotten_is_named(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_rows([{"text": "نص", "body": "نص. آخر."}], source)
    words, more = [str(source), str(out)], ["--articles", "--text-column", "body"]
    assert main(["predict", *words, *more, "--model", str(model)]) == 0
    assert main(["verify", *words, *more]) == 0
    for given, said in (
        ([], "--articles, found none; pass it"),
        (more[:1], "--text-column body, found text; pass it"),
    ):
        assert main(["verify", *words, *given]) == 2
        assert capsys.readouterr().err == f"error: expected what {out} was made with, {said}\n"
    assert main(["predict", *words, "--model", str(model), "--restart"]) == 0
    assert main(["verify", *words, *more[:1]]) == 2
    assert capsys.readouterr().err == f"error: expected what {out} was made without, --articles, found it; drop it\n"
    for noted in ('{"outputs": {}, "made_with": {"options": 3}}', "{"):
        (tmp_path / "out.jsonl.receipt.json").write_text(noted, encoding="utf-8")
        assert main(["verify", *words]) == 0


@pytest.mark.parametrize("column", ["@text", "-text", "=text", "+text", "text"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_names_are_looked_up_as_the_output_shows_them(tmp_path: Path, suffix: str, column: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    write_rows([{"id": row["id"], column: row["text"]} for row in ROWS], source)
    write_rows([{"id": row["id"], column: row["text"], "war_stance": "favor"} for row in ROWS], out)
    assert proved(source, out, column) == 2
    write_rows([{"id": row["id"], column: "أخرى", "war_stance": "favor"} for row in ROWS], out)
    with pytest.raises(InputError, match="it is changed"):
        proved(source, out, column)


@pytest.mark.parametrize("name", ["id", "document", "sentence"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_row_that_names_another_place_is_changed(tmp_path: Path, suffix: str, name: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    rows = [{**row, "document": "d", "sentence": place} for place, row in enumerate(ROWS)]
    write_rows(rows, source)
    classified = [{**row, "war_stance": "favor"} for row in rows]
    write_rows(classified, out)
    assert proved(source, out) == 2
    write_rows([classified[0], {**classified[1], name: 7}], out)
    with pytest.raises(InputError, match=f"line 2 as row 2 of {out}, it is changed"):
        proved(source, out)


def test_an_output_that_no_input_goes_to_is_told(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "in" / "a.jsonl")
    for name in ("a.jsonl", "gone.jsonl"):
        write_rows([{**row, "war_stance": "favor"} for row in ROWS], tmp_path / "out" / name)
    with pytest.raises(InputError, match=r"gone.jsonl; name another OUT or remove it"):
        proved(tmp_path / "in", tmp_path / "out")
