"""A transformer encoder as PyTorch exports it, with seeded random weights: embeddings with indices from
data, two blocks of attention and feed-forward, a padding mask from data, a classifier head.

    python examples/train/transformer_block.py OUTPUT_DIR

Writes transformer.onnx, transformer.calibration.npz and transformer.test.npz (see
tests/fixtures/README.md). Needs only numpy, onnx and onnxruntime. Nothing is trained: the fixture is
about operators and their precision, not about a task. Block 1 spells out LayerNormalization
(ReduceMean, Sub, Pow, ...) and GELU (Erf) as exporters did before operator set 17; block 2 has the nodes.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS, VOCABULARY, WIDTH, HEADS, INNER, CLASSES = 12, 40, 32, 4, 64, 5
rng = np.random.default_rng(7)
nodes, weights = [], []
counter = 0


def weight(array, name):
    weights.append(numpy_helper.from_array(np.asarray(array), name))
    return name


def node(op, *inputs, **attributes):
    global counter
    counter += 1
    output = f"{op.lower()}_{counter}"
    nodes.append(helper.make_node(op, list(inputs), [output], name=f"/{output}", **attributes))
    return output


def floats(value, name):
    return weight(np.float32(value), name)


def linear(x, name, outputs, inputs):
    w = rng.normal(size=(inputs, outputs), scale=1 / np.sqrt(inputs)).astype(np.float32)
    b = rng.normal(size=outputs, scale=0.1).astype(np.float32)
    product = node("MatMul", x, weight(w, f"{name}.weight"))
    return node("Add", product, weight(b, f"{name}.bias"))


def layer_norm(x, name, spelled_out):
    gamma = weight(rng.normal(1, 0.2, WIDTH).astype(np.float32), f"{name}.weight")
    beta = weight(rng.normal(0, 0.1, WIDTH).astype(np.float32), f"{name}.bias")
    if not spelled_out:
        return node("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-5)
    mean = node("ReduceMean", x, axes=[-1])
    d = node("Sub", x, mean)
    square = node("Pow", d, floats(2, f"{name}.two"))
    variance = node("ReduceMean", square, axes=[-1])
    deviation = node("Sqrt", node("Add", variance, floats(1e-5, f"{name}.eps")))
    return node("Add", node("Mul", node("Div", d, deviation), gamma), beta)


def gelu(x, name):
    erf = node("Erf", node("Div", x, floats(np.sqrt(2), f"{name}.sqrt2")))
    product = node("Mul", x, node("Add", erf, floats(1, f"{name}.one")))
    return node("Mul", product, floats(0.5, f"{name}.half"))


def attention(x, mask, name):
    size = WIDTH // HEADS
    split = weight(np.array([1, TOKENS, HEADS, size]), f"{name}.split")

    def heads(part, perm):
        y = node("Reshape", linear(x, f"{name}.{part}", WIDTH, WIDTH), split)
        return node("Transpose", y, perm=perm)

    q, k = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1])
    scores = node("Div", node("MatMul", q, k), floats(np.sqrt(size), f"{name}.scale"))
    p = node("Softmax", node("Add", scores, mask), axis=-1)
    y = node("Transpose", node("MatMul", p, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    y = node("Reshape", y, weight(np.array([1, TOKENS, WIDTH]), f"{name}.join"))
    return linear(y, f"{name}.output", WIDTH, WIDTH)


def block(x, mask, name, spelled_out):
    attended = attention(x, mask, f"{name}.attention")
    x = layer_norm(node("Add", x, attended), f"{name}.norm1", spelled_out)
    y = gelu(linear(x, f"{name}.up", INNER, WIDTH), name)
    y = linear(y, f"{name}.down", WIDTH, INNER)
    return layer_norm(node("Add", x, y), f"{name}.norm2", spelled_out)


def main(folder):
    embedding = rng.normal(size=(VOCABULARY, WIDTH)).astype(np.float32)
    positions = rng.normal(size=(1, TOKENS, WIDTH), scale=0.3).astype(np.float32)
    x = node("Gather", weight(embedding, "embedding"), "tokens", axis=0)
    x = layer_norm(node("Add", x, weight(positions, "positions")), "embedding.norm", False)
    # 1 for a token, 0 for padding; as transformers writes it: (1 - mask) * lowest float.
    mask = node("Cast", "mask", to=TensorProto.FLOAT)
    for axis in (1, 2):
        mask = node("Unsqueeze", mask, weight(np.array([axis]), f"mask.axis{axis}"))
    mask = node("Sub", floats(1, "mask.one"), mask)
    mask = node("Mul", mask, floats(np.finfo(np.float32).min, "mask.lowest"))
    x = block(x, mask, "block1", True)
    x = block(x, mask, "block2", False)
    first = node("Gather", x, weight(np.array(0), "first"), axis=1)
    logits = linear(node("Tanh", linear(first, "pooler", WIDTH, WIDTH)), "head", CLASSES, WIDTH)
    nodes.append(helper.make_node("Identity", [logits], ["logits"], name="/logits"))
    nodes.append(helper.make_node("Identity", [x], ["hidden"], name="/hidden"))

    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, TOKENS])
    given = helper.make_tensor_value_info("mask", TensorProto.INT64, [1, TOKENS])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES]),
        helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, TOKENS, WIDTH]),
    ]
    graph = helper.make_graph(nodes, "transformer", [tokens, given], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "transformer.onnx")
    for name, rows in (("calibration", 64), ("test", 32)):
        ids = rng.integers(0, VOCABULARY, (rows, TOKENS))
        length = rng.integers(4, TOKENS + 1, rows)
        kept = (np.arange(TOKENS) < length[:, None]).astype(np.int64)
        path = folder / f"transformer.{name}.npz"
        np.savez_compressed(path, tokens=ids * kept, mask=kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
