"""A character-level LSTM and a GRU: which character follows 16 others.

    python char_rnn.py

The text is generated: sums and differences up to twenty in words, in random order, such as
`nine plus four is thirteen. `. Test windows come from sentences that training never saw.

embedding (16) -> LSTM or GRU (48), its last state -> dense, one logit for each character. As PyTorch
exports it: Gather, Transpose, LSTM or GRU (linear_before_reset = 1), Squeeze, Gemm.
"""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax import lax
from onnx import TensorProto, helper, numpy_helper

import cnn
from common import IR_VERSION, OPSET, check, write_fixture

NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
).split()
LENGTH, WIDTH, HIDDEN = 16, 16, 48
GATES = {"lstm": 4, "gru": 3}


def sentences(rng):
    plus = [(a, "plus", b, a + b) for a in range(21) for b in range(21 - a)]
    minus = [(a, "minus", b, a - b) for a in range(21) for b in range(a + 1)]
    lines = [f"{NUMBERS[a]} {op} {NUMBERS[b]} is {NUMBERS[c]}. " for a, op, b, c in plus + minus]
    return [lines[i] for i in rng.permutation(len(lines))]


def windows(lines, alphabet):
    """Every 16 characters of the text, with the one after."""
    text = np.array([alphabet.index(c) for c in "".join(lines)])
    view = np.lib.stride_tricks.sliding_window_view(text, LENGTH + 1)
    return view[:, :LENGTH].astype(np.int64), view[:, LENGTH].astype(np.int64)


def lstm_step(cell, state, x):
    h, c = state
    i, o, f, g = jnp.split(x @ cell["weight"] + h @ cell["recurrent"] + cell["bias"], 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None


def gru_step(cell, state, x):
    (h,) = state
    xz, xr, xg = jnp.split(x @ cell["weight"] + cell["bias"], 3, axis=1)
    hz, hr, hg = jnp.split(h @ cell["recurrent"], 3, axis=1)
    z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
    g = jnp.tanh(xg + r * hg)
    return (g + z * (h - g),), None


def forward(kind):
    def run(params, tokens):
        x = params["embedding"]["weight"][tokens].swapaxes(0, 1)
        zero = jnp.zeros((x.shape[1], HIDDEN), jnp.float32)
        step, state = (lstm_step, (zero, zero)) if kind == "lstm" else (gru_step, (zero,))
        state, _ = lax.scan(lambda s, x: step(params["cell"], s, x), state, x)
        return cnn.dense(params["dense"], state[0])

    return run


def start(kind, characters):
    rng = np.random.default_rng(0)
    draw = lambda *shape, scale: rng.normal(0, scale, shape).astype(np.float32)  # noqa: E731
    columns = GATES[kind] * HIDDEN
    return {
        "embedding": {"weight": draw(characters, WIDTH, scale=1.0)},
        "cell": {
            "weight": draw(WIDTH, columns, scale=WIDTH**-0.5),
            "recurrent": draw(HIDDEN, columns, scale=HIDDEN**-0.5),
            "bias": np.zeros(columns, np.float32),
        },
        "dense": cnn.dense_init(rng, HIDDEN, characters),
    }


def model(kind, params):
    cell, dense = params["cell"], params["dense"]
    columns = GATES[kind] * HIDDEN
    arrays = {
        "embedding": params["embedding"]["weight"],
        "W": cell["weight"].T[None],
        "R": cell["recurrent"].T[None],
        "B": np.concatenate([cell["bias"], np.zeros(columns, np.float32)])[None],
        "dense_weight": dense["weight"],
        "dense_bias": dense["bias"],
        "first": np.array([0]),
    }
    attributes = {"linear_before_reset": 1} if kind == "gru" else {}
    nodes = [
        helper.make_node("Gather", ["embedding", "text"], ["embedded"], name="embed", axis=0),
        helper.make_node("Transpose", ["embedded"], ["steps"], name="steps", perm=[1, 0, 2]),
        helper.make_node(
            kind.upper(),
            ["steps", "W", "R", "B"],
            ["", "state"],
            name=kind,
            hidden_size=HIDDEN,
            **attributes,
        ),
        helper.make_node("Squeeze", ["state", "first"], ["last"], name="last"),
        helper.make_node("Gemm", ["last", "dense_weight", "dense_bias"], ["logits"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes,
        f"char_{kind}",
        [helper.make_tensor_value_info("text", TensorProto.INT64, [1, LENGTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, dense["bias"].size])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in arrays.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(
        graph, producer_name="veristar-examples", ir_version=IR_VERSION, opset_imports=opset
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def main():
    lines = sentences(np.random.default_rng(0))
    alphabet = "".join(sorted(set("".join(lines))))
    cut = len(lines) * 4 // 5
    (x, y), (x_test, y_test) = windows(lines[:cut], alphabet), windows(lines[cut:], alphabet)
    rows = np.random.default_rng(1).permutation(len(x))[:200]
    test = np.random.default_rng(2).permutation(len(x_test))[:300]
    x_test, y_test = x_test[test], y_test[test]
    for kind in GATES:
        run = forward(kind)
        params = start(kind, len(alphabet))
        params = cnn.train(run, params, x, y, epochs=30, batch=64, rate=5e-3, decay=1e-5)
        logits = cnn.predict(run, params, x_test)
        made = model(kind, params)
        write_fixture(
            made,
            (x[rows], y[rows]),
            (x_test, y_test),
            {
                "task": "which character follows: the greatest of the logits",
                "alphabet": alphabet,
                "float": {"accuracy": float((logits.argmax(axis=1) == y_test).mean())},
                "onnxruntime_gap": check(made, x_test, logits),
            },
        )


if __name__ == "__main__":
    main()
