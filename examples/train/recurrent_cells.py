"""Small recurrent layers with random weights, and what onnxruntime makes of them.

    python recurrent_cells.py

Writes tests/fixtures/recurrent/NAME.onnx and NAME.{calibration,test}.npz: x [rows,6,2,5], and for test rows
the outputs Y, Y_h (and Y_c for an LSTM) of onnxruntime. Nothing is trained: the fixtures are about the
operators, their directions, states and variants.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from common import FIXTURES, IR_VERSION, OPSET, save_rows, session

STEPS, BATCH, INPUTS, HIDDEN = 6, 2, 5, 8
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# name: operator, direction, attributes, optional inputs
CASES = {
    "lstm": ("LSTM", "forward", {}, ()),
    "lstm_states": ("LSTM", "reverse", {}, ("initial_h", "initial_c", "P")),
    "lstm_bidirectional": ("LSTM", "bidirectional", {}, ("initial_h", "initial_c")),
    "gru": ("GRU", "forward", {"linear_before_reset": 1}, ()),
    "gru_states": ("GRU", "reverse", {"linear_before_reset": 0}, ("initial_h",)),
    "gru_bidirectional": ("GRU", "bidirectional", {"linear_before_reset": 1}, ("initial_h",)),
    "rnn": ("RNN", "forward", {}, ()),
    "rnn_states": ("RNN", "reverse", {}, ("initial_h",)),
    "rnn_bidirectional": ("RNN", "bidirectional", {}, ("initial_h",)),
}


def build(name, rng):
    operator, direction, attributes, optional = CASES[name]
    directions, gates = 1 + (direction == "bidirectional"), GATES[operator] * HIDDEN
    shapes = {
        "W": (directions, gates, INPUTS),
        "R": (directions, gates, HIDDEN),
        "B": (directions, 2 * gates),
        "initial_h": (directions, BATCH, HIDDEN),
        "initial_c": (directions, BATCH, HIDDEN),
        "P": (directions, 3 * HIDDEN),
    }
    order = ["x", "W", "R", "B", "", "initial_h", "initial_c", "P"]
    inputs = [i for i in order if i in ("x", "W", "R", "B", "", *optional)]
    inputs = inputs if optional else inputs[:4]
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.5, shapes[i]).astype(np.float32), i)
        for i in inputs
        if i in shapes
    ]
    outputs = {"Y": [STEPS, directions, BATCH, HIDDEN], "Y_h": [directions, BATCH, HIDDEN]}
    if operator == "LSTM":
        outputs["Y_c"] = outputs["Y_h"]
    node = helper.make_node(
        operator, inputs, list(outputs), name=name, hidden_size=HIDDEN, direction=direction, **attributes
    )
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(
        [node],
        name,
        [value("x", [STEPS, BATCH, INPUTS])],
        [value(*output) for output in outputs.items()],
        weights,
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        graph, producer_name="veristar-examples", ir_version=IR_VERSION, opset_imports=opset
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    folder = FIXTURES / "recurrent"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(CASES):
        rng = np.random.default_rng(seed)
        model = build(name, rng)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        draw = lambda rows: rng.normal(size=(rows, STEPS, BATCH, INPUTS)).clip(-3, 3)  # noqa: E731
        calibration, test = draw(32).astype(np.float32), draw(8).astype(np.float32)
        save_rows(folder / f"{name}.calibration.npz", x=calibration)
        runtime = session(model)
        rows = [runtime.run(None, {"x": row}) for row in test]
        names = [output.name for output in model.graph.output]
        expected = {k: np.stack(values) for k, values in zip(names, zip(*rows))}
        save_rows(folder / f"{name}.test.npz", x=test, **expected)
        print(name, {k: float(np.abs(v).max()) for k, v in expected.items()})


if __name__ == "__main__":
    main()
