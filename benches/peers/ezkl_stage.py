"""One stage of EZKL in a process of its own, so that its peak of memory is the stage's: ezkl_stage.py STAGE FOLDER [JSON]

The folder holds model.onnx, input.json and calibration.json; everything else is put there. Prints the seconds of
the stage itself, without start-up and imports.
"""

import asyncio
import inspect
import json
import sys
import time
from pathlib import Path

import ezkl


async def call(function, *arguments, **options):
    result = function(*arguments, **options)
    return await result if inspect.isawaitable(result) else result


def run_arguments(weights, scale):
    arguments = ezkl.PyRunArgs()
    arguments.input_visibility = "private"
    arguments.param_visibility = weights
    arguments.output_visibility = "public"
    if scale is not None:
        arguments.input_scale = arguments.param_scale = scale
    return arguments


async def stage(name, folder, options):
    def path(file):
        return str(folder / file)

    model, settings, circuit = path("model.onnx"), path("settings.json"), path("circuit.ezkl")
    keys = path("key.vk"), path("key.pk")
    if name == "settings":
        scale = options.get("scale")
        arguments = run_arguments(options["weights"], scale)
        await call(ezkl.gen_settings, model, settings, py_run_args=arguments)
        scales = {} if scale is None else {"scales": [scale]}
        await call(
            ezkl.calibrate_settings, path("calibration.json"), model, settings, target="resources", **scales
        )
        await call(ezkl.compile_circuit, model, circuit, settings)
        return
    if name == "witness":
        await call(ezkl.gen_witness, path("input.json"), circuit, path("witness.json"))
        return
    log_rows = json.loads(Path(settings).read_text())["run_args"]["logrows"]
    # Made here, insecure, for timing only; shared by the models.
    srs = str(folder.parent / f"kzg{log_rows}.srs")
    if name == "srs":
        if not Path(srs).exists():
            await call(ezkl.gen_srs, srs, log_rows)
    elif name == "setup":
        await call(ezkl.setup, circuit, *keys, srs)
    elif name == "prove":
        await call(ezkl.prove, path("witness.json"), circuit, keys[1], path("proof.json"), srs)
    elif name == "verify":
        assert await call(ezkl.verify, path("proof.json"), settings, keys[0], srs)


def main():
    name, folder = sys.argv[1], Path(sys.argv[2])
    options = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    start = time.monotonic()
    asyncio.run(stage(name, folder, options))
    print(json.dumps({"seconds": time.monotonic() - start}))


main()
