"""Files in: every format, compressed or not, and bad rows named by line without their text."""

from __future__ import annotations

import gc
import gzip
import io
import json
import lzma
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wijha import InputError
from wijha.chunks import Options, accept, chunks, quarantine_entry
from wijha.files import replacing, write_text
from wijha.paths import Places, pair_up
from wijha.records import Fault, Record, read_rows, records, row_count, suffix_of
from wijha.verify import verify
from wijha.writing import LONGEST, Joined, defuse, encode, head, merge, write_rows

TEXT = "رفضت الفصائل الهدنة"


def _zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": _zstd}
CONTENT = {
    ".txt": f"{TEXT}\n\n{TEXT} 2\n",
    ".jsonl": f'\ufeff{{"text": "{TEXT}"}}\r\n\r\n{{"text": "{TEXT} 2"}}',
    ".csv": f'text\n"{TEXT}"\n\n{TEXT} 2\n',
}


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("suffix", CONTENT)
def test_compressed_or_not(tmp_path: Path, suffix: str, pack: str) -> None:
    path = tmp_path / f"in{suffix}{pack}"
    path.write_bytes(PACK[pack](CONTENT[suffix].encode()))
    line = 3 if suffix != ".csv" else 4
    assert list(read_rows(path)) == [(line - 2, {"text": TEXT}), (line, {"text": f"{TEXT} 2"})]


@pytest.mark.parametrize("pack", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("cut", [slice(0, -6), slice(3, None)])
def test_broken_compression_is_one_sentence(tmp_path: Path, pack: str, cut: slice) -> None:
    path = tmp_path / f"in.txt{pack}"
    path.write_bytes(PACK[pack](f"{TEXT}\n".encode() * 500)[cut])
    with pytest.raises(InputError, match=r"expected a whole \.txt.* file at .*; write it again"):
        list(read_rows(path))


def test_a_second_xz_stream_is_read_or_told(tmp_path: Path) -> None:
    """`lzma.open` ends in silence before a stream whose first byte is broken, and before one behind padding."""
    path, one, two = tmp_path / "in.txt.xz", lzma.compress(b"a\n" * 99_999), lzma.compress(b"b\n")
    for content, count in ((one + two, 100_000), (one + b"\0" * 8 + two + b"\0" * 4, 100_000), (two, 1)):
        path.write_bytes(content)
        assert sum(1 for _ in records(path)) == count == row_count(path)
    for behind in (b"?" + two[1:], b"\0" + two[1:], b"\0" * 3, b"\0" * 4 + two[:9], two[:-9], b"more"):
        path.write_bytes(one + behind)
        with pytest.raises(InputError, match=r"expected a whole \.txt\.xz file at .*; write it again"):
            list(records(path))
        assert row_count(path) is None


def test_a_text_that_no_csv_holds_is_set_aside(tmp_path: Path) -> None:
    long = "=" + "x" * (LONGEST - 1)
    write_rows([{"text": long}], tmp_path / "out.csv")
    assert [row for _, row in read_rows(tmp_path / "out.csv")] == [{"text": f"'{long}"}]
    fault = Fault("texts of at most 16,777,216 characters", "a longer one", "split or drop it")
    for row, wanted in (({"text": long}, None), ({"text": f"{long}x"}, fault), ({"text": "a", "b": f"{long}x"}, fault)):
        assert accept(Record(1, row), Options())[1] == wanted


@pytest.mark.parametrize(
    "name", ["IN.TXT", "IN.JSONL", "IN.CSV", "IN.TXT.GZ", "IN.JSONL.XZ", "IN.CSV.ZST", "IN.PARQUET"]
)
def test_upper_case_suffixes_are_the_same_formats(tmp_path: Path, name: str) -> None:
    path, suffix = tmp_path / name, suffix_of(Path(name))
    if suffix == ".parquet":
        pq.write_table(pa.table({"text": [TEXT, TEXT]}), path)
    else:
        pack = "" if path.suffix.lower() == suffix else path.suffix.lower()
        path.write_bytes(PACK[pack](CONTENT[suffix].encode()))
    assert [row["text"][: len(TEXT)] for _, row in read_rows(path)] == [TEXT, TEXT]
    assert row_count(path) in (2, 3)  # a blank line of .txt counts


@pytest.mark.parametrize("name", ["page.pdf", "in.parquet.gz", "in.gz", "in"])
def test_formats_that_are_not_ours(name: str) -> None:
    with pytest.raises(InputError, match=r"expected a \.txt, \.jsonl, \.csv, \.parquet file"):
        suffix_of(Path(name))


@pytest.mark.parametrize("pack", PACK)
def test_json_lines_by_another_name_are_called_so(tmp_path: Path, pack: str) -> None:
    for name in ("in.json", "in.NDJSON"):
        path = tmp_path / f"{name}{pack}"
        path.write_bytes(PACK[pack](b'{"text": "a"}\n{"text": "b"}\n'))
        with pytest.raises(InputError, match=rf"expected a \.jsonl file, got {path.name}, .*; rename it to \.jsonl"):
            suffix_of(path)
        for other in (b'[{"text": "a"}]', b'{\n"text": "a"\n}', b"", b"\xff", b"[" * 99_999):
            path.write_bytes(PACK[pack](other))
            with pytest.raises(InputError, match=r"expected a \.txt, \.jsonl, .* convert it"):
                suffix_of(path)


def test_marks_of_files_that_were_put_together_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(f"\ufeff{TEXT}\n\ufeff{TEXT}\n\ufeff\n", encoding="utf-8")
    assert list(read_rows(tmp_path / "in.txt")) == [(1, {"text": TEXT}), (2, {"text": TEXT})]


BAD_JSONL = [
    (b'{"text": "broken', "expected a JSON object, found "),
    (b"[1]", "expected a JSON object, found a value of type list"),
    (b'{"text": "a", "text": "b"}', "expected a JSON object, found a name twice"),
    (b'{"text": "a", "of": [{"n": 1, "n": 1}]}', "expected a JSON object, found a name twice"),
    (b"[" * 100_000, "expected a JSON object, found a number or a nesting without end"),
    (b'{"title": "x"}', "expected a column 'text', found title"),
    (b'{"text": null}', "expected a text, found nothing"),
    (b'{"text": 3}', "expected a text, found a value of type int"),
    (b'{"text": " "}', "expected a text, found an empty one"),
    (b'{"text": "a\\u0000b"}', "expected a text, found NUL characters"),
    (b'{"text": "\\ud800"}', "expected whole characters, found half of a surrogate pair"),
    ('{"text": "نص"}'.encode("cp1256"), "expected UTF-8, found other bytes"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_JSONL)
def test_a_bad_line_is_named_and_the_next_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "in.jsonl"
    good = f'{{"text": "{TEXT}"}}\n'.encode()
    path.write_bytes(good + line + b"\n" + good)
    (chunk,) = chunks(path, Options())
    assert (chunk.first, chunk.last, chunk.rows_in, len(chunk.rows)) == (1, 3, 3, 2)
    (bad,) = chunk.faults
    assert bad.number == 2 and bad.fault
    assert f"expected {bad.fault.wanted}, found {bad.fault.found}".startswith(reason)
    with pytest.raises(InputError, match="line 2, found"):
        list(chunks(path, Options(strict=True)))


def test_bad_csv_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(
        f'id,text\n1,{TEXT}\n2\n3,a,b\n"x"y,c\n'.encode() + b'4,\xff\n5,"two\nlines"\n' + f"6,{TEXT}\n".encode()
    )
    found = [(record.number, accept(record, Options())[1] is None) for record in records(path)]
    assert found == [(2, True), (3, False), (4, False), (5, False), (6, False), (7, True), (9, True)]


def test_parquet_cells_that_python_cannot_hold(tmp_path: Path) -> None:
    columns = {
        "text": pa.array([b"\xff", b"a", b"\xfe\xff", b"b"]).view(pa.string()),
        "tags": pa.array([[], ["c"], [], None], pa.list_(pa.string())),
        "when": pa.array([0, 1 << 62, 0, 0], pa.timestamp("us")),
        "zone": pa.array([None, None, None, 0], pa.timestamp("us", "Nowhere/Nowhere")),
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    made = list(records(tmp_path / "in.parquet"))
    assert [record.number for record in made] == [1, 2, 3, 4]
    assert [record.fault.found if record.fault else "" for record in made] == [
        "other bytes",
        "others",
        "other bytes",
        "others",
    ]
    assert len({quarantine_entry("in.parquet", record)["sha256"] for record in made}) == 4


def test_utf16_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(f"{TEXT}\n{TEXT}\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"expected UTF-8 in .*, found UTF-16"):
        list(records(tmp_path / "in.txt"))


def test_a_header_that_repeats_a_name(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,text\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"header of different names in .*, found one twice, in columns 1 and 2; ren"):
        list(records(tmp_path / "in.csv"))


def test_a_table_that_repeats_a_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "in.parquet")
    with pytest.raises(
        InputError, match=r"expected columns of different names in .*, found one twice, in columns 1 and 2; rename"
    ):
        list(records(tmp_path / "in.parquet"))


@pytest.mark.parametrize("blank", ["\n", "\r\n \n\n"])
def test_blank_lines_before_a_header_are_passed_over(tmp_path: Path, blank: str) -> None:
    (tmp_path / "in.csv").write_text(f"{blank}id,text\n1,{TEXT}\n", encoding="utf-8", newline="")
    assert list(read_rows(tmp_path / "in.csv")) == [(blank.count("\n") + 2, {"id": "1", "text": TEXT})]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "\ufeffSEP=;\n"])
def test_a_first_line_names_the_separator(tmp_path: Path, first: str) -> None:
    (tmp_path / "in.csv").write_text(f'{first}id;text\n1;"{TEXT};\n, 2"\n', encoding="utf-8", newline="")
    assert list(read_rows(tmp_path / "in.csv")) == [(3, {"id": "1", "text": f"{TEXT};\n, 2"})]
    assert row_count(tmp_path / "in.csv") == 1
    (tmp_path / "in.csv").write_text("", encoding="utf-8")
    assert not list(read_rows(tmp_path / "in.csv")) and row_count(tmp_path / "in.csv") == 0


def test_utf16_without_a_mark_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(f"id,text\n1,{TEXT}\n".encode("utf-16-le"))
    with pytest.raises(InputError, match=r"expected UTF-8 in .*, found NUL characters .*, as of UTF-16; convert it"):
        list(records(tmp_path / "in.csv"))


def test_an_empty_name_that_stands_twice_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text,,\n1,a,,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"found an empty name twice, in columns 3 and 4; rename or drop a column"):
        list(records(tmp_path / "in.csv"))


@pytest.mark.parametrize("name", [" text", "Text ", "\u200ftext", "TEXT\u00a0", "te xt"])
def test_a_column_that_looks_alike_is_named(name: str) -> None:
    fault = accept(Record(1, {"id": 1, name: TEXT}), Options())[1]
    advice = "rename it; they differ in spaces, marks or case only"
    assert fault == Fault("a column 'text'", repr(name), advice)
    assert fault.found.isprintable()


def test_other_columns_do_not_look_alike() -> None:
    for column, name in (("text", "texts"), ("#", "!"), ("text", "")):
        fault = accept(Record(1, {name: TEXT}), Options(column))[1]
        assert fault and fault.advice == "pass --text-column NAME"


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_named(tmp_path: Path, sign: str, name: str) -> None:
    (tmp_path / "in.csv").write_text(f"id{sign}text\n1{sign}{TEXT}, 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"expected cells separated by commas in .*, found {name}; save it with"):
        list(records(tmp_path / "in.csv"))
    (tmp_path / "in.csv").write_text(f'id,"a{sign}b"\n1,2\n', encoding="utf-8")
    assert len(list(read_rows(tmp_path / "in.csv"))) == 1


def test_a_bad_row_of_several_lines_says_from_which_to_which(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    text = "id,text\n" + "1,a\n" * 4 + '6,"stray\n' + "7,b\n" * 994 + '1001,c"d\n' + '1002,"x\ny",z\n1003,"open\n'
    path.write_text(text, encoding="utf-8")
    (chunk,) = chunks(path, Options())
    assert [quarantine_entry("in.csv", record)["reason"] for record in chunk.faults] == [
        "expected whole CSV cells, found ',' expected after '\"' in lines 6 to 1,001; mend the quotes",
        "expected 2 columns, found 3 in lines 1,002 to 1,003; quote cells that hold commas",
        "expected whole CSV cells, found unexpected end of data; mend the quotes",
    ]
    with pytest.raises(InputError, match=r"expected whole CSV cells in .*in.csv lines 6 to 1,001, found"):
        list(read_rows(path))


@pytest.mark.parametrize(("lines", "told"), [(100, []), (101, [3])])
def test_accepted_rows_of_many_lines_are_noted(tmp_path: Path, lines: int, told: list[int]) -> None:
    cell = "\n".join("a" * lines)
    (tmp_path / "in.csv").write_text(f'text\na\n"{cell}"\nb\n', encoding="utf-8")
    (chunk,) = chunks(tmp_path / "in.csv", Options())
    assert chunk.spanning == told and len(chunk.rows) == 3


def test_rows_of_broken_quotes_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'id,text\n1,"a"b\n2,"two\nlines"\n3,"two\n\xff"c\n')
    bad = [record for record in records(tmp_path / "in.csv") if record.fault]
    assert [(record.number, record.raw) for record in bad] == [(2, '1,"a"b\n'), (5, '3,"two\n\udcff"c\n')]
    assert len({quarantine_entry("in.csv", record)["sha256"] for record in bad}) == 2


def test_rows_are_counted_in_every_format(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        write_rows([{"text": TEXT}, {"text": f"{TEXT}\n{TEXT}"}, {"text": TEXT}], tmp_path / name)
        assert row_count(tmp_path / name) == 3
    for name, pack in (("a.csv.gz", gzip.compress), ("a.jsonl.xz", lzma.compress)):
        (tmp_path / name).write_bytes(pack((tmp_path / Path(name).stem).read_bytes()))
        assert row_count(tmp_path / name) == 3
    (tmp_path / "cut.csv.gz").write_bytes((tmp_path / "a.csv.gz").read_bytes()[:-9])
    assert row_count(tmp_path / "cut.csv.gz") is None


def test_an_article_without_a_sentence_is_a_fault() -> None:
    record = Record(7, {"text": "•"})
    assert accept(record, Options(articles=True))[1] is not None
    assert accept(record, Options())[1] is None


def test_articles_bound_a_chunk_by_their_sentences(tmp_path: Path) -> None:
    write_rows([{"text": "جملة أولى. " * 30}] * 10, tmp_path / "in.jsonl")
    made = list(chunks(tmp_path / "in.jsonl", Options(articles=True, chunk_rows=20)))
    assert [chunk.rows_in for chunk in made] == [3, 3, 3, 1]
    assert made[0].rows[31] == {"text": "جملة أولى.", "document": "2", "sentence": 1}


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_document_is_one_text_whatever_the_ids_are(tmp_path: Path, suffix: str) -> None:
    ids = [7, None, "a", "", 0, [1]]
    rows = [{"text": TEXT, "id": value} for value in ids]
    records = [Record(number, row) for number, row in enumerate([*rows, {"text": TEXT}], 1)]
    made = [row for record in records for row in accept(record, Options(articles=True))[0]]
    assert [row["document"] for row in made] == ["7", "2", "a", "4", "0", "[1]", "7"]
    write_rows([{name: row[name] for name in ("document", "sentence")} for row in made], tmp_path / f"out{suffix}")
    assert [row["document"] for _, row in read_rows(tmp_path / f"out{suffix}")] == [row["document"] for row in made]


def test_parts_of_different_columns_and_types_join(tmp_path: Path) -> None:
    groups = [[{"a": None, "b": 1}], [{"a": "x", "b": 2.5, "c": date(2024, 5, 1)}]]
    for suffix in (".csv", ".parquet"):
        parts = [encode(group, suffix) for group in groups]
        with open(tmp_path / f"out{suffix}", "wb") as file:
            joined = Joined(file, suffix, merge(head(parts[0], suffix), head(parts[1], suffix)))
            for part in parts:
                joined.add(part)
            joined.close()
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        {"a": None, "b": 1.0, "c": None},
        {"a": "x", "b": 2.5, "c": date(2024, 5, 1)},
    ]
    assert (tmp_path / "out.csv").read_bytes() == b"a,b,c\r\n,1,\r\nx,2.5,2024-05-01\r\n"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # a user would see it behind the sentence
def test_a_part_that_had_no_say_in_the_types_is_one_sentence(tmp_path: Path) -> None:
    parts = [encode([{"id": value}], ".parquet") for value in (1, "a")]
    with (
        pytest.raises(InputError, match="expected one type in the column 'id'"),
        replacing(tmp_path / "out.parquet") as file,
        Joined(file, ".parquet", head(parts[0], ".parquet")) as joined,
    ):
        joined.add(parts[1])
    gc.collect()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_numbers_that_json_has_not_are_null(value: float) -> None:
    made = encode([{"n": value, "all": {"of": [1.5, value, {"it": (value,)}]}, "day": date(2024, 5, 1)}], ".jsonl")
    assert made == b'{"n": null, "all": {"of": [1.5, null, {"it": [null]}]}, "day": "2024-05-01"}\n'
    deep = json.loads("[" * 800 + "NaN" + "]" * 800)
    assert encode([{"n": deep}], ".jsonl").count(b"null") == 1


@pytest.mark.parametrize("depth", [20, 60, 120])
def test_what_is_nested_deeply_can_be_read_again(depth: int) -> None:
    """As it was, or as text where this pyarrow reads no such depth."""
    text = "[" * depth + "1" + "]" * depth
    part = encode([{"n": json.loads(text)}, {"n": None}], ".parquet")
    (field,), found = head(part, ".parquet"), pq.read_table(io.BytesIO(part))["n"].to_pylist()
    assert found == ([text, None] if field.type == pa.string() else [json.loads(text), None])


@pytest.mark.parametrize("sign", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
def test_a_cell_that_a_spreadsheet_would_run_is_defused(tmp_path: Path, sign: str) -> None:
    assert defuse(f"{sign}1+1") == f"'{sign}1+1" and defuse(f"{sign}5\n") == f"'{sign}5\n"
    for value in (f"1{sign}1", f" {sign}", "", "نص", -1, None):
        assert defuse(value) == value
    write_rows([{"text": f"{sign}أ"}], tmp_path / "out.csv")
    assert [row for _, row in read_rows(tmp_path / "out.csv")] == [{"text": f"'{sign}أ"}]


@pytest.mark.parametrize("number", ["-5", "+963", "-3.25", "-0.5"])
def test_a_plain_number_is_no_formula(number: str) -> None:
    assert defuse(number) == number
    for more in (f"{number} ", f"{number}-1", f"{number}.1.1", f"{number}%", f"={number}", f"{number}e5", f"-{number}"):
        assert defuse(more) == f"'{more}"


VALUES: dict[str, tuple[object, object, str]] = {
    "list": (["أ", 1.5, None, True], ["أ", 1.5, None, True], '["أ", 1.5, null, true]'),
    "object": ({"a": [float("nan")]}, {"a": [None]}, '{"a": [null]}'),
    "tuple": ((1, "a"), [1, "a"], '[1, "a"]'),
    "true": (True, True, "true"),
    "false": (False, False, "false"),
    "bytes of UTF-8": ("=قدس".encode(), "=قدس", "'=قدس"),
    "other bytes": (b"\xff\x00", "/wA=", "/wA="),
    "bytes within": ([b"a", b"\xff"], ["a", "/w=="], '["a", "/w=="]'),
    "number": (-1.5, -1.5, "-1.5"),
    "date": (date(2024, 5, 1), "2024-05-01", "2024-05-01"),
}


@pytest.mark.parametrize(("value", "in_json", "in_csv"), VALUES.values(), ids=VALUES)
def test_values_are_written_as_json_has_them(tmp_path: Path, value: object, in_json: object, in_csv: str) -> None:
    for suffix, wanted in ((".jsonl", in_json), (".csv", in_csv)):
        write_rows([{"n": value, "all": float("inf")}], tmp_path / f"out{suffix}")
        ((_, row),) = read_rows(tmp_path / f"out{suffix}")
        assert row["n"] == wanted and type(row["n"]) is type(wanted)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("value", [each[0] for each in VALUES.values()], ids=VALUES)
def test_ids_of_every_type_are_verified(tmp_path: Path, suffix: str, value: object) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / f"out{suffix}"
    try:
        pq.write_table(pa.table({"id": pa.array([value]), "text": [TEXT]}), source)
    except pa.ArrowException:
        source = source.with_suffix(".jsonl")
        write_rows([{"id": value, "text": TEXT}], source)
    rows = [{**row, "war_stance": "favor"} for _, row in read_rows(source)]
    write_rows(rows, out)
    assert verify(pair_up([str(source)], out), Places(out), Options()).rows_out == 1
    rows[0]["id"] = "غير"
    write_rows(rows, out)
    with pytest.raises(InputError, match="it is changed"):
        verify(pair_up([str(source)], out), Places(out), Options())


def test_a_whole_file_or_none(tmp_path: Path) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield {"text": TEXT}
        raise RuntimeError("stop")

    (tmp_path / "out.jsonl").write_text("earlier\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="stop"):
        write_rows(broken(), tmp_path / "out.jsonl")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier\n"]
    assert write_rows([], tmp_path / "out.jsonl") == 0 and (tmp_path / "out.jsonl").read_bytes() == b""
    assert json.dumps(list(read_rows(tmp_path / "out.jsonl"))) == "[]"


def test_the_name_of_a_file_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a loss of power takes an output whose parts are gone already."""
    done: list[tuple[str, str]] = []
    replace, fsync = os.replace, os.fsync

    def replacing(temporary: Path, path: Path) -> None:
        replace(temporary, path)
        done.append(("replace", str(path.parent)))

    def syncing(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(os, "fsync", syncing)
    write_rows([{"text": TEXT}], tmp_path / "out.jsonl")
    write_text(tmp_path / "out.txt", TEXT)
    temporary = [("sync", str(tmp_path / f".{name}.part")) for name in ("out.jsonl", "out.txt")]
    named = [("replace", str(tmp_path)), ("sync", str(tmp_path))]
    assert done == [temporary[0], *named, temporary[1], *named]


def test_rows_that_do_not_fit_the_first_leave_no_file(tmp_path: Path) -> None:
    rows = ({"a": 1 if n < 10_000 else "أ"} for n in range(10_001))
    with pytest.raises(InputError, match="expected one type in the column 'a'"):
        write_rows(rows, tmp_path / "out.parquet")
    assert not list(tmp_path.iterdir())
