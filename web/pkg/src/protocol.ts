/** Messages between `checker.ts` and `worker.ts`. */
import type { ErrorCode, Inspection, Verdict } from './types.js';

export type Request =
  | { readonly id: number; readonly task: 'inspect'; readonly bytes: Uint8Array; readonly key?: Uint8Array }
  | { readonly id: number; readonly task: 'verify'; readonly proof: Uint8Array; readonly key: Uint8Array };

/** A verdict with the time that the check took, in milliseconds. */
export type TimedVerdict = Verdict & { readonly milliseconds: number };

export type Response =
  /** The verifier is loaded. */
  | { readonly id: 0; readonly simd: boolean }
  | { readonly id: number; readonly result: Inspection | TimedVerdict }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };
