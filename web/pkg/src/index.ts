/**
 * Checks Veristar proofs.
 *
 *     import { init, loadKey, verify } from 'veristar-verifier';
 *     await init();
 *     const key = loadKey(keyBytes);             // throws VeristarError
 *     const verdict = verify(key, proofBytes);   // never throws for a bad proof
 *     if (verdict.valid) console.log(verdict.outputs[0].values);
 *
 * Runs on the thread that calls it; `veristar-verifier/checker` runs it in a worker.
 */
import { fetchWasm } from '#fetch';
import * as glue from './wasm/veristar.js';
import { VeristarError } from './types.js';
import type { Inspection, KeyReport, Reason, Verdict } from './types.js';

export * from './types.js';

/** Where the wasm file comes from, if not from beside this module. */
export type WasmSource = URL | Response | BufferSource | WebAssembly.Module;

/** A function with one SIMD instruction: engines without SIMD find it invalid. */
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

/** Whether this engine has SIMD, so that the faster wasm file is taken. */
export const simd: boolean = WebAssembly.validate(SIMD);

let state: 'absent' | 'ready' | 'stopped' = 'absent';
let loading: Promise<void> | undefined;

/** Loads the verifier. Call it before anything else; calling it again does nothing. */
export function init(source?: WasmSource): Promise<void> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(source?: WasmSource): Promise<void> {
  const module_or_path =
    source ??
    (await fetchWasm(
      simd
        ? new URL('./wasm/veristar_simd.wasm', import.meta.url)
        : new URL('./wasm/veristar.wasm', import.meta.url),
    ));
  await glue.default({ module_or_path });
  state = 'ready';
}

/** A key that was read and found usable. */
export class Key {
  /** What the key says. */
  readonly report: KeyReport;
  /** @internal */
  readonly handle: glue.Key;

  /** @internal */
  constructor(handle: glue.Key) {
    this.handle = handle;
    this.report = guarded(() => handle.report() as KeyReport);
  }

  /** Gives the key's memory back at once, instead of when it is collected. */
  free(): void {
    this.handle.free();
  }
}

/**
 * Reads a key.
 *
 * @throws VeristarError why it is unusable
 */
export function loadKey(bytes: Uint8Array): Key {
  return new Key(guarded(() => glue.loadKey(bytes)));
}

/** Checks a proof under a key. Whatever is wrong with the proof is a verdict, not an error. */
export function verify(key: Key, proof: Uint8Array): Verdict {
  return guarded(() => glue.verify(key.handle, proof) as Verdict);
}

/** Says what a file is, without checking it; with a proof's key, also what the proof claims. */
export function inspect(bytes: Uint8Array, key?: Key): Inspection {
  return guarded(() => (key ? glue.inspectWith(bytes, key.handle) : glue.inspect(bytes)) as Inspection);
}

function isReason(value: unknown): value is Reason {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}

/**
 * Turns what the wasm code throws into `VeristarError`. A trap (which would be a defect, or memory that ran
 * out) leaves the instance in an unknown state: it answers nothing any more.
 */
function guarded<T>(work: () => T): T {
  if (state === 'absent') throw new VeristarError('not-initialised', 'call and await init() first');
  if (state === 'stopped') throw new VeristarError('stopped', 'the verifier stopped earlier: load it again');
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof Error) && isReason(thrown)) {
      throw new VeristarError(thrown.code, thrown.message, { cause: thrown });
    }
    if (thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError) {
      state = 'stopped';
      throw new VeristarError('stopped', 'the verifier stopped without an answer', { cause: thrown });
    }
    throw thrown;
  }
}
