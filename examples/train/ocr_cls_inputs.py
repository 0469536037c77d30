"""PP-OCR's text angle classifier, a network nobody here trained, and rendered text for it.

    python ocr_cls_inputs.py OUTPUT_DIR [--wheel FILE]

Takes ch_ppocr_mobile_v2.0_cls_infer.onnx out of the PyPI wheel rapidocr-onnxruntime 1.4.4 (by
`pip download`, unless --wheel names it), fixes its input to 1x3x48x192, and writes:

    ocr_cls.onnx               the model; its weights and operators are untouched
    ocr_cls.test.npz           20 rendered lines, then the same turned by 180 degrees
    ocr_cls.calibration.npz    10 other lines, then the same turned

In the npz: x, probabilities, logits (before the softmax), y (arg-max): the last three from
onnxruntime; and angle, 0 or 180, how the line was really rendered. Class 0 is upright, 1 is
turned.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image, ImageDraw, ImageFont

from common import run, save_rows

PACKAGE = "rapidocr-onnxruntime==1.4.4"
MEMBER = "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
HEIGHT, WIDTH = 48, 192

TEST_LINES = [
    "Invoice 2024-117", "Total: 48.20 EUR", "Main Street 12", "Do not enter", "Platform 9",
    "Best before May", "Serial A7K-220", "Hello, world", "Ticket office", "Open daily",
    "Passport number", "Left luggage", "No smoking here", "Page 14 of 52", "Flight LH 1402",
    "Fragile glass", "Gross weight", "Date of birth", "Credit limit", "Emergency exit",
]  # fmt: skip
CALIBRATION_LINES = [
    "Receipt 55-031", "Net amount 9.75", "Church Road 3", "Mind the step", "Gate B22",
    "Keep refrigerated", "Order received", "Family name", "Exchange rate", "Way out",
]  # fmt: skip
INKS = [(0, 255), (40, 255), (0, 215), (255, 30)]  # (text, background), the last one inverted


def fetch(wheel):
    """The model's bytes, from the wheel at that path or from PyPI."""
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
            subprocess.run([*command, PACKAGE], check=True)
            (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return onnx.load_from_string(archive.read(MEMBER))


def fix_shapes(model):
    """Input 1x3x48x192, output 1x2, in place of the dynamic sizes."""
    sizes = ((model.graph.input[0], [1, 3, HEIGHT, WIDTH]), (model.graph.output[0], [1, 2]))
    for value, shape in sizes:
        for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
            dim.dim_value = size
    onnx.checker.check_model(model, full_check=True)
    return model


def with_logits(model):
    """A copy that gives the softmax's input as its only output."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (softmax,) = [node for node in copy.graph.node if node.op_type == "Softmax"]
    del copy.graph.output[:]
    copy.graph.output.append(
        helper.make_tensor_value_info(softmax.input[0], TensorProto.FLOAT, [1, 2])
    )
    return copy


def render(text, number):
    """One line of text as a grey image; font size, margins and inks change with `number`."""
    ink, paper = INKS[number % len(INKS)]
    font = ImageFont.load_default(28 + 4 * (number % 4))
    left, top, right, bottom = font.getbbox(text)
    margin = 4 + number % 5
    size = (math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin)
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
    return image


def preprocess(image):
    """PP-OCR's resize_norm_img: height 48, width at most 192, zeros on the right."""
    width = min(WIDTH, math.ceil(HEIGHT * image.width / image.height))
    pixels = np.asarray(image.resize((width, HEIGHT), Image.Resampling.BILINEAR), np.float32)
    x = np.zeros((3, HEIGHT, WIDTH), np.float32)
    x[:, :, :width] = (pixels / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    return x


def write(path, model, lines):
    images = [render(text, i) for i, text in enumerate(lines)]
    images += [image.transpose(Image.Transpose.ROTATE_180) for image in images]
    x = np.stack([preprocess(image) for image in images])
    probabilities = run(model, x)
    y = probabilities.argmax(axis=1).astype(np.int64)
    angle = np.repeat(np.array([0, 180], np.int64), len(lines))
    logits = run(with_logits(model), x)
    save_rows(path, x=x, y=y, probabilities=probabilities, logits=logits, angle=angle)
    right = int((y == angle // 180).sum())
    margin = float(np.abs(logits[:, 0] - logits[:, 1]).min())
    print(f"{path.name}: {len(x)} rows, {path.stat().st_size} bytes; onnxruntime finds the angle "
          f"of {right}; least distance of the two logits {margin:.3f}")  # fmt: skip


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--wheel", type=Path)
    arguments = arguments.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    model = fix_shapes(fetch(arguments.wheel))
    (arguments.output / "ocr_cls.onnx").write_bytes(model.SerializeToString(deterministic=True))
    write(arguments.output / "ocr_cls.test.npz", model, TEST_LINES)
    write(arguments.output / "ocr_cls.calibration.npz", model, CALIBRATION_LINES)


if __name__ == "__main__":
    main()
