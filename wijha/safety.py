"""What a model folder must not bring along: code, weights kept elsewhere or as pickle, numbers that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import deserialize

from wijha.errors import InputError
from wijha.files import read_json

WEIGHTS = "model.safetensors"
_ELSEWHERE = {
    "attn_implementation",  # may name a kernel of the hub
    "auto_map",
    "custom_pipelines",
    "experts_implementation",
    "quantization_config",  # chooses another package to read the weights with
    "transformers_weights",  # names another file of weights
    "trust_remote_code",
}
"""Keys of a config by which transformers would fetch or run more than the stock class and the weights beside it."""
_EXPONENT = {
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F32": (np.uint32, 0x7F80_0000),
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
}
"""Of each type of safetensors: an unsigned integer of its width and its exponent bits; all set: infinite or NaN."""


def refuse_code(folder: Path) -> None:
    """Raises InputError where a config asks for code or for weights other than model.safetensors.

    Raises OSError or ValueError when a config is missing or is not JSON.
    """
    for name in ("config.json", "tokenizer_config.json"):
        settings = read_json(folder / name)
        if not isinstance(settings, dict):
            raise ValueError(f"{name} is not a JSON object")
        if asked := sorted(_ELSEWHERE & set(settings)):
            raise InputError(
                f"expected a stock model in {folder}, its {name} has {', '.join(asked)}; remove that: "
                "no code and no other weights are loaded"
            )
    if (folder / "adapter_config.json").exists():
        raise InputError(
            f"expected a stock model in {folder}, found adapter_config.json; merge the adapter and save it"
        )


def check_weights(folder: Path) -> None:
    """Raises InputError when model.safetensors is missing or one of its numbers is infinite or NaN."""
    path = folder / WEIGHTS
    if not path.exists():
        others = sorted(
            each.name for each in folder.glob("*") if each.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")
        )
        raise InputError(
            f"expected {WEIGHTS} in {folder}, found {', '.join(others) or 'none'}; "
            "save the model as safetensors: pickle, which can run code, is never opened"
        )
    for name, tensor in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call,unused-ignore]
        if tensor["dtype"] not in _EXPONENT:
            continue  # whole numbers
        kind, bits = _EXPONENT[tensor["dtype"]]
        if ((np.frombuffer(tensor["data"], kind) & kind(bits)) == kind(bits)).any():
            raise InputError(f"expected finite weights in {path}, {name} has NaN or infinity; train the model again")
