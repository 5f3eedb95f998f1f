"""Every setting of every recipe: a typed field with its sentence beneath it, read from one YAML."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from train.tables import SCORES
from wijha.errors import InputError
from wijha.files import read_yaml

Config = TypeVar("Config")
_LARGEST_SEED = 2**32 - 1  # numpy takes no larger one


@dataclass(frozen=True)
class PretrainConfig:
    """Masked language modelling from plain text: configs/pretrain.yaml."""

    corpus: tuple[Path, ...]
    """Folders of .txt, .jsonl and .jsonl.xz documents; what stands in several counts as often."""
    output: Path
    """Where shards, checkpoints, the log and the encoder go."""
    vocabulary: int = 16_000
    """WordPiece pieces, special tokens included."""
    layers: int = 6
    """Transformer layers; `init`'s are repeated in place where it has fewer, evenly chosen where it has more."""
    hidden: int = 256
    """Width; heads are of 64, the feed-forward part is four times as wide."""
    block: int = 128
    """Tokens a training sequence; documents are packed, none is padded."""
    positions: int = 256
    """Longest input that the encoder takes."""
    batch: int = 64
    """Sequences a step, over all processes."""
    tokens: int = 60_000_000
    """Tokens to see before the end."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    decay: float = 0.4
    """Share of the steps, at the end, in which it falls to zero."""
    weight_decay: float = 0.01
    """Decoupled weight decay on the matrices."""
    muon: bool = False
    """Muon instead of AdamW for the matrices of the layers: fewer steps to the same loss."""
    masking: tuple[float, float] = (0.3, 0.15)
    """Share of masked pieces at the first and at the last step; whole words are masked."""
    init: Path | None = None
    """Folder `masked_lm` of an earlier run, or an encoder, to go on from, with its tokenizer; its width and positions
    win."""
    svd_tokens: int = 8_000_000
    """Tokens whose co-occurrences initialise the word embeddings; 0 leaves them random."""
    compile: bool = False
    """Compile the layers with torch.compile: worth it for runs of more than a few minutes."""
    checkpoint_every: int = 200
    """Steps between checkpoints: what a kill can lose."""
    seed: int = 13
    """Seed of weights, order and masks."""

    def problems(self) -> list[str]:
        """Contradictions between settings, each naming them."""
        sizes = ("vocabulary", "layers", "hidden", "block", "positions", "batch", "tokens", "checkpoint_every")
        found = _not_positive(self, *sizes, "learning_rate")
        found += _negative(self, "warmup", "decay", "weight_decay", "svd_tokens")
        if self.hidden % 64:
            found.append(f"hidden must be a multiple of 64, got {self.hidden}")
        if self.block > self.positions and not self.init:
            found.append(f"block ({self.block}) must not exceed positions ({self.positions})")
        if self.tokens < self.batch * self.block:
            found.append(f"tokens ({self.tokens}) must be those of a step at least, batch x block")
        if self.warmup + self.decay > 1:
            found.append(f"warmup ({self.warmup}) and decay ({self.decay}) together exceed 1")
        if not all(0 < rate < 1 for rate in self.masking):
            found.append(f"masking must lie between 0 and 1, got {list(self.masking)}")
        return found + _no_seeds(self.seed)


@dataclass(frozen=True)
class FinetuneConfig:
    """Labelled sentences -> a saved classifier: configs/default.yaml."""

    schema: Path
    """YAML of topics and labels."""
    data: tuple[Path, ...]
    """Labelled files that must be there."""
    encoder: str
    """Folder of an encoder, or the name of one on the Hugging Face hub."""
    output: Path
    """The run's folder: checkpoints, the model, its metrics."""
    optional_data: tuple[Path, ...] = ()
    """Labelled files that are used where they are there, such as hydrated annotations."""
    distilled: Path | None = None
    """Sentences with probabilities of other models, learned beside the labels: see train/distill.py."""
    targets: Path | None = None
    """Stances towards targets of all kinds, learned beside the topics: the model can then be asked for any."""
    share: float = 1.0
    """Share of the stories to use, of every split, always the same ones: for short runs side by side."""
    teachers_share: float = 0.5
    """Weight of those probabilities beside a sentence's own labels, which have the rest."""
    layers: int | None = None
    """Layers of the encoder to keep, from below: fewer are faster and know less; all where it is left out."""
    mean_layer: bool = False
    """A new layer on top in which [CLS] begins as the mean of the words, for encoders that are trained by that mean."""
    normalize: tuple[str, ...] = ()
    """Normalisation steps put before the encoder's own tokenizer; ours needs none. See train/tokenizer.py."""
    epochs: int = 6
    """Passes over the training split at most."""
    batch: int = 32
    """Sentences an optimiser step, over all processes."""
    learning_rate: float = 3e-4
    """Peak learning rate of AdamW."""
    layer_decay: float = 1.0
    """Learning rate of a layer relative to the layer above it."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; then it falls to zero."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    dropout: float = 0.1
    """Dropout in the encoder and before the outputs."""
    word_dropout: float = 0.0
    """Share of the tokens that are masked at each training step, so that no single word decides."""
    label_smoothing: float = 0.0
    """Probability mass spread over the other labels of a topic."""
    class_weight_power: float = 0.0
    """Labels weigh 1/frequency to this power: 0 all alike, 1 fully balanced."""
    length: int = 128
    """Tokens after which a sentence is cut."""
    metric: str = "favg3"
    """Development score that picks the best checkpoint, loss or a name of SCORES in train/tables.py: topic_micro_f1,
    topic_macro_f1, favg2, favg3, exact_rows, macro_f1 or favg2_by_topic."""
    patience: int = 3
    """Epochs without a better development metric before training stops."""
    precision: str = "auto"
    """auto (bf16 where the hardware computes in it), bf16 or fp32."""
    seed: int = 13
    """Seed of the order, dropout and word dropout; the new layers begin alike for every seed."""

    def files(self) -> list[Path]:
        """The labelled files that a run reads: `data`, and what is there of `optional_data`."""
        return [*self.data, *(path for path in self.optional_data if path.exists())]

    def problems(self) -> list[str]:
        """Contradictions between settings, each naming them."""
        found = [
            f"{name} must be in [0, 1), got {value}"
            for name in ("warmup", "dropout", "word_dropout", "label_smoothing")
            if not 0 <= (value := getattr(self, name)) < 1
        ]
        if not 0 < self.share <= 1:
            found.append(f"share must be in (0, 1], got {self.share}")
        if not 0 <= self.teachers_share <= 1:
            found.append(f"teachers_share must be in [0, 1], got {self.teachers_share}")
        if self.distilled and self.share < 1:
            found.append("share must be 1 with distilled, whose sentences have no stories to take a share of")
        if self.distilled and self.label_smoothing:
            found.append("label_smoothing must be 0 with distilled: other models' probabilities are soft already")
        found += _not_positive(self, "epochs", "batch", "patience", "learning_rate", "layer_decay")
        found += _negative(self, "weight_decay", "class_weight_power")
        if self.length < 3:
            found.append(f"length must be at least 3, a word between [CLS] and [SEP], got {self.length}")
        if self.metric not in ("loss", *SCORES):
            found.append(f"metric must be one of loss, {', '.join(SCORES)}, got {self.metric!r}")
        if self.precision not in ("auto", "bf16", "fp32"):
            found.append(f"precision must be auto, bf16 or fp32, got {self.precision!r}")
        if self.layers is not None and self.layers < 1:
            found.append(f"layers must be at least 1, got {self.layers}")
        if not self.data:
            found.append("data must name at least one file")
        return found + _no_seeds(self.seed)


@dataclass(frozen=True)
class CompareConfig:
    """Variants of one recipe side by side: configs/compare/*.yaml."""

    base: Path
    """The config that all variants share."""
    evaluate: Path
    """Labelled sentences that every run is scored on."""
    variants: dict[str, dict[str, Any]]
    """Name -> settings that this variant changes; the others are compared with the first."""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What all variants change in `base`."""
    seeds: tuple[int, ...] = (13, 14, 15, 16, 17)
    """One run of every variant for each."""
    scores: tuple[str, ...] = ()
    """Scores that the table shows, first the one that counts; the headline scores where it is empty."""

    def problems(self) -> list[str]:
        """Contradictions between settings, each naming them."""
        wrong = [name for name, changed in self.variants.items() if not isinstance(changed, dict)]
        found = [f"variants.{name} must be settings as {{name: value}}" for name in wrong]
        changes = [self.settings, *(changed for changed in self.variants.values() if isinstance(changed, dict))]
        if taken := sorted({"seed", "output"} & {name for changed in changes for name in changed}):
            found.append(f"settings and variants must leave {' and '.join(taken)} to the comparison; see `seeds`")
        if not self.variants or not self.seeds:
            found.append("variants and seeds must name at least one each")
        if unknown := [score for score in self.scores if score not in SCORES]:
            found.append(f"scores must be among {', '.join(SCORES)}, got {', '.join(unknown)}")
        return found + _no_seeds(*self.seeds)


@dataclass(frozen=True)
class ExchangeConfig:
    """Words to put in the place of others, by kind of sentence: configs/exchanges.yaml."""

    families: dict[str, dict[str, Any]]
    """Name -> `where`, `unless`, `put` and, where one exchange is enough, `first`: see train/exchange.py."""
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    """Name -> expression, which stands as $NAME in `where` and `unless`."""

    def expression(self, text: str) -> re.Pattern[str]:
        """`text` compiled, or what it names; KeyError for an unknown name, re.error for what is no expression."""
        return re.compile(self.words[text[1:]] if text.startswith("$") else text)

    def problems(self) -> list[str]:
        """Families with wrong parts, and words and expressions that are none, each named."""
        wrong = [name for name, text in self.words.items() if not isinstance(text, str)]
        found = [f"words.{name} must be a text, got {self.words[name]!r}" for name in wrong]
        for name, family in self.families.items():
            kinds = {part: type(value) for part, value in family.items()} if isinstance(family, dict) else {}
            if {"first": bool} | kinds != {"where": list, "unless": str, "put": dict, "first": bool}:
                found.append(
                    f"families.{name} must hold where: [...], unless: ..., put: {{...}} and perhaps first: true"
                )
                continue
            unread = [text for text in (*family["where"], family["unless"]) if not self._is_expression(text)]
            found += [
                f"families.{name}: {text!r} is neither a regular expression nor a name in words" for text in unread
            ]
            if not family["put"] or not all(isinstance(word, str) and word for word in chain(*family["put"].items())):
                found.append(f"families.{name}.put must hold texts, each for another, got {family['put']!r}")
        return found

    def _is_expression(self, text: object) -> bool:
        try:
            return isinstance(text, str) and bool(self.expression(text))
        except (KeyError, TypeError, re.error):  # TypeError: the name of a word that is no text
            return False


def _not_positive(config: Any, *names: str) -> list[str]:
    """The settings of these that are not finite and above 0, each named."""
    values = {name: getattr(config, name) for name in names}
    return [f"{name} must be positive, got {value}" for name, value in values.items() if not 0 < value < math.inf]


def _negative(config: Any, *names: str) -> list[str]:
    """The settings of these that are not finite and 0 or more, each named."""
    values = {name: getattr(config, name) for name in names}
    return [f"{name} must be at least 0, got {value}" for name, value in values.items() if not 0 <= value < math.inf]


def _no_seeds(*seeds: int) -> list[str]:
    wrong = [seed for seed in seeds if not 0 <= seed <= _LARGEST_SEED]
    return [f"a seed must be 0 to {_LARGEST_SEED}, got {', '.join(map(str, wrong))}"] if wrong else []


def load_config(kind: type[Config], path: Path, /, **overrides: Any) -> Config:
    """Read a YAML into the frozen dataclass `kind`; `overrides` win over the file.

    Raises InputError that lists every unknown key, wrong type, missing setting and contradiction at once.
    """
    try:
        raw = read_yaml(path)
    except OSError as error:
        found = "a folder" if path.is_dir() else "none"
        raise InputError(f"expected a config at {path}, found {found}; see configs/ for those that ship") from error
    if not isinstance(raw, dict):
        raise InputError(f"expected settings as `name: value` lines in {path}, got {type(raw).__name__}; see configs/")
    return build(kind, raw | overrides, f"{path} and the settings beside it" if overrides else str(path))


def build(kind: type[Config], raw: dict[str, Any], source: str) -> Config:
    """Check `raw` against the fields of `kind` and construct it; every problem is reported at once."""
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    problems = [f"unknown setting {name!r}" for name in raw if name not in fields]
    values = {}
    for name, field in fields.items():
        if name in raw:
            try:
                values[name] = _typed(raw[name], hints[name])
            except TypeError as error:
                problems.append(f"{name} must be {error}, got {raw[name]!r}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{name} is missing")
    if not problems:
        config = kind(**values)
        problems = config.problems()  # type: ignore[attr-defined]
        if not problems:
            return config
    raise InputError(f"expected a valid {kind.__name__} in {source}, found: {'; '.join(problems)}; mend it")


def as_dict(config: Any) -> dict[str, Any]:
    """The settings as plain JSON, paths as text."""
    plain = dataclasses.asdict(config)
    return {name: _plain(value) for name, value in plain.items()}


def changes(config: Any, kept: dict[str, Any]) -> list[str]:
    """What of `config` is not as in `kept`, the settings that a run began with, wherever its folder lies by now.

    A setting newer than the run stood at its default; one that is no more is passed over.
    """
    required = [field.name for field in dataclasses.fields(config) if field.default is dataclasses.MISSING]
    defaults = as_dict(type(config)(**{name: getattr(config, name) for name in required}))
    known = {name: value for name, value in kept.items() if name in defaults}
    before, now = defaults | known | {"output": str(config.output)}, as_dict(config)
    return [f"{name} {value}, not {before[name]}" for name, value in now.items() if value != before[name]]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _typed(value: Any, hint: Any) -> Any:
    """`value` as the type that `hint` names; TypeError says what was wanted."""
    options = get_args(hint)
    if type(None) in options:
        return None if value is None else _typed(value, next(o for o in options if o is not type(None)))
    if get_origin(hint) is tuple:
        wanted = options[0]
        if options[-1] is Ellipsis and not isinstance(value, list | tuple):
            value = [value]
        if not isinstance(value, list | tuple) or (options[-1] is not Ellipsis and len(value) != len(options)):
            raise TypeError(f"a list of {wanted.__name__}")
        return tuple(_typed(item, wanted) for item in value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if get_origin(hint) is dict and isinstance(value, dict):
        return value
    if hint is float and not isinstance(value, bool):
        try:
            return float(value)  # YAML 1.1 reads 1e-4 as a text
        except (TypeError, ValueError):
            raise TypeError("a number") from None
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise TypeError(
        {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(hint, "a path")
    )
