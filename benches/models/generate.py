#!/usr/bin/env python3
"""The models of the benches: ONNX files of random weights, with inputs to calibrate on. Fixed seeds.

    pip install -r requirements.txt
    python generate.py --list
    python generate.py                          # all, into target/bench-models: 1.7 GB
    python generate.py lenet vgg16 --out DIR    # some

Writes NAME.onnx and NAME.calibration.npz (arrays named like the model's inputs, samples along axis 0). What
is not trained does not classify: these models are for times, sizes and memory.
"""

import argparse
from pathlib import Path

import images
import language
import numpy as np
import onnx

# Name: how it is made, with its arguments. The seed is the place in this list.
MODELS = {
    "mlp_tiny": (images.mlp, [16, 16, 4]),
    "mlp_1k": (images.mlp, [16, 32, 14, 2]),
    "mlp_3k": (images.mlp, [32, 56, 20, 10]),
    "mlp_10k": (images.mlp, [64, 96, 36, 10]),
    "mlp_30k": (images.mlp, [128, 170, 50, 10]),
    "mlp_100k": (images.mlp, [256, 300, 75, 10]),
    "mlp_300k": (images.mlp, [512, 480, 110, 10]),
    "mlp_1m": (images.mlp, [784, 1000, 200, 10]),
    "mlp_risk": (images.mlp, [16, 32, 16, 1]),
    "mlp_digits": (images.mlp, [784, 128, 10]),
    "conv_8": (images.convolutions, 8),
    "conv_16": (images.convolutions, 16),
    "conv_32": (images.convolutions, 32),
    "conv_64": (images.convolutions, 64),
    "conv_128": (images.convolutions, 128),
    "conv_256": (images.convolutions, 256),
    "lenet": (images.lenet,),
    "vgg11": (images.vgg, images.VGG_11),
    "vgg16": (images.vgg, images.VGG_16),
    "resnet18_32": (images.resnet, [2, 2, 2, 2], False, 32),
    "resnet18_224": (images.resnet, [2, 2, 2, 2], False, 224),
    "resnet50_224": (images.resnet, [3, 4, 6, 3], True, 224),
    "mobilenet_v2_224": (images.mobilenet, 224),
    # Layers, tokens, width, heads, width of the feed-forward part.
    "encoder_block": (language.encoder, 1, 32, 64, 4, 256),
    "bert_base": (language.encoder, 12, 128, 768, 12, 3072),
    "gpt2_small": (language.gpt2, 12, 32, 768, 12, 50257),
    # Layers, tokens before, width, feed-forward, query heads, key-value heads, vocabulary.
    "smollm2_135m": (language.llama, 30, 16, 576, 1536, 9, 3, 49152),
}
# Rows to calibrate on: fewer where one run takes seconds.
ROWS = {"resnet50_224": 4, "bert_base": 4, "gpt2_small": 4, "smollm2_135m": 4}
DEFAULT_OUT = Path(__file__).resolve().parents[2] / "target" / "bench-models"


def generate(name, out):
    make, *arguments = MODELS[name]
    seed = list(MODELS).index(name)
    net, data = make(name, seed, *arguments)
    onnx.save(net.model(), out / f"{name}.onnx")
    rows = data(np.random.default_rng([seed, 1]), ROWS.get(name, 8))
    rows = {key: value.astype(np.float32) for key, value in rows.items()}
    np.savez_compressed(out / f"{name}.calibration.npz", **rows)
    size = (out / f"{name}.onnx").stat().st_size
    print(f"{name:18} {net.parameters:>12,} parameters {size / 1e6:>9.1f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--list", action="store_true", help="only print the names")
    options = parser.parse_args()
    if options.list:
        print("\n".join(MODELS))
        return
    unknown = [name for name in options.names if name not in MODELS]
    if unknown:
        parser.error(f"no model {', '.join(unknown)}: see --list")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or MODELS:
        generate(name, options.out)


if __name__ == "__main__":
    main()
