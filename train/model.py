"""The model that is fine-tuned: a stock BERT classifier with topics x labels outputs, and its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import normalizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    BertPreTrainedModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.bert.modeling_bert import BertLayer

from train.config import FinetuneConfig
from train.tokenizer import normalization_steps
from wijha.classifier import SETTINGS, read_outputs, read_schema
from wijha.errors import InputError
from wijha.manifest import check_manifest
from wijha.runtime import no_progress_bar
from wijha.safety import check_weights
from wijha.schema import Schema


def load_tokenizer(config: FinetuneConfig) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer; the config's normalisation steps go in front of its own."""
    tokenizer = load_stock(AutoTokenizer, config.encoder)
    tokenizer.model_max_length = config.length
    if config.normalize:
        backend = tokenizer.backend_tokenizer
        steps = normalization_steps(config.normalize)
        backend.normalizer = normalizers.Sequence(steps + ([backend.normalizer] if backend.normalizer else []))
    if config.targets:
        one_type(tokenizer)
    return tokenizer


def one_type(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a target behind a text have the text's token type: the encoder knows no other."""
    start, end = tokenizer.cls_token, tokenizer.sep_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B {end}",
        special_tokens=[(start, tokenizer.cls_token_id), (end, tokenizer.sep_token_id)],
    )


def build_classifier(config: FinetuneConfig, schema: Schema) -> PreTrainedModel:
    """The encoder with new outputs, or with its own where it is a classifier of ours that has this topic and label;
    schema and label names go into its config.json.

    Raises InputError for a folder whose weights are not safetensors, not finite or not those of its manifest.
    """
    labels, known = (schema.asked if config.targets else schema).id2label, _outputs(config.encoder)
    other = bool(known) and known != list(labels.values())
    with torch.random.fork_rng():
        torch.manual_seed(0)  # new layers begin alike whatever the seed: runs of several seeds can be averaged
        model = load_stock(
            AutoModelForSequenceClassification,
            config.encoder,
            num_labels=len(labels),
            id2label=labels,
            label2id={name: number for number, name in labels.items()},
            hidden_dropout_prob=config.dropout,
            classifier_dropout=None,  # as within
            attention_probs_dropout_prob=0.0,  # on a CPU it costs a tenth of the time, and hidden dropout does the work
            attn_implementation="sdpa" if torch.cuda.is_available() else "eager",  # eager is faster on short CPU rows
            dtype=torch.float32,
            use_safetensors=Path(config.encoder).exists() or None,  # many on the hub have a pickle alone
            ignore_mismatched_sizes=other,
        )
        if other:
            _keep_outputs(model, Path(config.encoder), known)
        shape(model, config)
    setattr(model.config, SETTINGS, {"schema": schema.to_dict()})
    if config.length > model.config.max_position_embeddings:
        raise InputError(
            f"expected length of at most {model.config.max_position_embeddings} for the encoder {config.encoder}, "
            f"got {config.length}; lower it"
        )
    return model


def _outputs(encoder: str) -> list[str]:
    """`topic/label` of each output of an encoder that is a classifier of ours; none of any other."""
    folder = Path(encoder)
    try:
        schema = read_schema(folder)
    except InputError:
        return []
    return list((read_outputs(folder) or schema.id2label).values())


@torch.no_grad()
def _keep_outputs(model: PreTrainedModel, folder: Path, known: list[str]) -> None:
    """New outputs, but those whose `topic/label` the classifier in `folder` has too, which are its `known` ones."""
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        for name, parameter in model.classifier.named_parameters():
            torch.nn.init.normal_(parameter, std=model.config.initializer_range if parameter.ndim > 1 else 0.0)
            kept = weights.get_tensor(f"classifier.{name}").float()
            for number, label in model.config.id2label.items():
                if label in known:
                    parameter[number] = kept[known.index(label)]


def shape(model: PreTrainedModel, config: FinetuneConfig) -> None:
    """Give a model the layers that `config` asks for. Raises InputError for what is no BERT or has too few."""
    if config.layers is not None:
        keep_lowest(model, config.layers)
    if config.mean_layer:
        add_mean_layer(model)


def keep_lowest(model: PreTrainedModel, layers: int) -> None:
    """Drop all but the `layers` lowest layers: fine-tuning misses the upper ones least (Sajjad et al. 2023).

    Raises InputError for what is no BERT and for more layers than there are.
    """
    if not isinstance(model, BertPreTrainedModel):
        raise InputError(f"expected a BERT for layers, got {type(model).__name__}; leave layers out")
    depth = model.config.num_hidden_layers
    if layers > depth:
        raise InputError(f"expected layers of at most {depth}, which the encoder has, got {layers}; lower it")
    encoder = model.base_model.encoder
    encoder.layer = torch.nn.ModuleList(encoder.layer[:layers])
    model.config.num_hidden_layers = layers


@torch.no_grad()
def add_mean_layer(model: PreTrainedModel) -> None:
    """Put a layer on top that begins by adding to each word, [CLS] too, the mean of all: even attention, value and
    output the identity, the rest small. Raises InputError for what is no BERT."""
    if not isinstance(model, BertForSequenceClassification):
        raise InputError(f"expected a BERT for mean_layer, got {type(model).__name__}; leave mean_layer out")
    layer, width = BertLayer(model.config), model.config.hidden_size
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif "LayerNorm" in name:
            parameter.fill_(1)
        else:
            parameter.normal_(0, 0.002 if ".query." in name else 0.02)
    for identity in (layer.attention.self.value, layer.attention.output.dense):
        identity.weight.copy_(torch.eye(width))
    model.bert.encoder.layer.append(layer)
    model.config.num_hidden_layers += 1


def load_stock(kind: type, encoder: str, **options: object) -> Any:
    """`kind.from_pretrained` of a folder, once it is checked, else of the hub; no code that comes along is run.

    Raises InputError for what is not there, and for a folder whose weights are not safetensors, not finite or not those
    of its manifest.
    """
    local = Path(encoder).exists()
    if not local and encoder.startswith((".", "/", "models/", "runs/")):
        raise InputError(
            f"expected an encoder folder at {encoder}, found none; make it as the config says or name another"
        )
    try:
        if local:
            _check(Path(encoder))
        with no_progress_bar():
            return kind.from_pretrained(encoder, local_files_only=local, trust_remote_code=False, **options)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        where = "a whole encoder in" if local else "a network and the hub's encoder"
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"expected {where} {encoder}, got: {reason}; check the name or use models/encoder") from error


def _check(folder: Path) -> None:
    if not (folder / "trainer_state.json").exists():  # a checkpoint of a training has a manifest of another form
        check_manifest(folder)
    check_weights(folder)


def parameter_groups(model: PreTrainedModel, config: FinetuneConfig) -> list[dict[str, object]]:
    """Parameters with their learning rates: lower layers learn slower by `layer_decay`, vectors do not decay."""
    depth = model.config.num_hidden_layers
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault((_height(name, depth), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.learning_rate * config.layer_decay ** (depth + 1 - height),
            "weight_decay": config.weight_decay if matrix else 0.0,
        }
        for (height, matrix), parameters in groups.items()
    ]


def _height(name: str, depth: int) -> int:
    """0 for embeddings, 1 .. depth for the layers, depth + 1 for what is above them."""
    if "embeddings." in name:
        return 0
    _, _, rest = name.partition(".layer.")
    return int(rest.split(".")[0]) + 1 if rest else depth + 1
