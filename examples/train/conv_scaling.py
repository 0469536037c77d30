"""Three models of one convolution each, with random weights, to show that nothing is paid per
multiplication: against the base, one has twice the image side, one twice the output channels.

Each is conv 3x3 pad 1 -> ReLU. The calibration inputs are multiples of 1/64 in [-1, 1].
"""

import numpy as np

from common import FIXTURES, Builder, check, save_rows

ROWS = 4
CHANNELS = 8
VARIANTS = {  # name: (side, output channels)
    "conv_base": (16, 8),
    "conv_side_doubled": (32, 8),
    "conv_outputs_doubled": (16, 16),
}


def forward(x, weight, bias):
    """conv 3x3 pad 1 -> ReLU, in numpy."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.einsum("ncijhw,ochw->noij", windows, weight, optimize=True)
    return np.maximum(y + bias[None, :, None, None], 0)


def main():
    for name, (side, outputs) in VARIANTS.items():
        rng = np.random.default_rng(0)
        weight = rng.normal(0, 1 / np.sqrt(9 * CHANNELS), (outputs, CHANNELS, 3, 3))
        weight, bias = weight.astype(np.float32), rng.normal(0, 0.1, outputs).astype(np.float32)
        x = (rng.integers(-64, 65, (ROWS, CHANNELS, side, side)) / 64).astype(np.float32)
        model = (
            Builder(name, "image", [1, CHANNELS, side, side])
            .conv("conv", weight, bias, pad=1)
            .node("Relu", "relu", output="features")
            .model([1, outputs, side, side])
        )
        gap = check(model, x, forward(x, weight, bias))
        FIXTURES.mkdir(parents=True, exist_ok=True)
        (FIXTURES / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        save_rows(FIXTURES / f"{name}.calibration.npz", x=x)
        print(name, {"onnxruntime_gap": gap})


if __name__ == "__main__":
    main()
