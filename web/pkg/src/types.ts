/** What keys, proofs and verdicts say. Mirrors `verifier-wasm/src/report.rs`. */

/** Why bytes are unusable, or a proof is refused. */
export type ReasonCode =
  | 'wrong-kind'
  | 'version'
  | 'truncated'
  | 'trailing'
  | 'malformed'
  | 'other-key'
  | 'unusable-key'
  | 'insecure'
  | 'degenerate-point'
  | 'public-range'
  | 'totals'
  | 'other-weights'
  | 'constraints'
  | 'proof-of-work'
  | 'opening'
  | 'low-degree'
  | 'shape';

export interface Reason {
  readonly code: ReasonCode;
  /** One line, the same that the native verifier prints. */
  readonly message: string;
  /** Where two fingerprints differ: the key's, hexadecimal. */
  readonly expected?: string;
  /** Where two fingerprints differ: the one in the proof, hexadecimal. */
  readonly got?: string;
}

/** A public input or output, as the key describes it. */
export interface Tensor {
  readonly name: string;
  /** Extents of one inference. */
  readonly shape: readonly number[];
  /** Real value of one integer step. */
  readonly scale: number;
  /** The integer of real zero. */
  readonly zeroPoint: number;
  /** Smallest real value that it can have. */
  readonly min: number;
  /** Largest real value that it can have. */
  readonly max: number;
}

/** A public input or output with its values: inference by inference, row-major. */
export interface TensorValues extends Tensor {
  /** Real values: `(integer - zeroPoint) * scale`. */
  readonly values: readonly number[];
  /** The integers that the proof is about. */
  readonly integers: readonly number[];
}

export interface Claims {
  readonly publicInputs: readonly TensorValues[];
  readonly outputs: readonly TensorValues[];
}

/** What proofs under a key do not show. */
export interface Hidden {
  readonly weights: boolean;
  readonly inputs: boolean;
  readonly outputs: boolean;
  /** Whether proofs are made so that they do not leak what they do not show. */
  readonly zeroKnowledge: boolean;
  /** For how many proofs that is argued. */
  readonly proofs: number;
}

/** Bits of security of one step of the protocol. */
export interface SecuritySource {
  readonly name: string;
  readonly conjectured: number;
  readonly randomWords: number;
  readonly uniqueDecoding: number;
  readonly johnson: number;
}

/** Bits of security of a key's proofs. */
export interface Security {
  /** By conjecture: this one decides what is accepted, from 96 bits. */
  readonly conjectured: number;
  /** By conjecture, corrected for what random words attain. */
  readonly randomWords: number;
  /** By proven theorems. */
  readonly proven: number;
  readonly sources: readonly SecuritySource[];
}

export interface KeyReport {
  /** As whoever made the key wrote it: show it as text, and do not trust it. */
  readonly name: string;
  /** BLAKE3 hash of the key's bytes, or for Starknet the model's Poseidon hash, hexadecimal: what people compare. */
  readonly fingerprint: string;
  readonly architecture: string;
  readonly programRoot: string;
  readonly weightsRoot: string;
  readonly preset: string;
  /** Inferences in one proof. */
  readonly batch: number;
  readonly publicInputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly hidden: Hidden;
  readonly security: Security;
}

interface Checked extends Claims {
  /** Fingerprint of the key that the proof was checked under. */
  readonly fingerprint: string;
  readonly security: Security;
}

/** The proof holds: inputs and outputs are proven. */
export interface Valid extends Checked {
  readonly valid: true;
  readonly reason: null;
}

/** The proof is refused: inputs and outputs are empty, because nothing is proven. */
export interface Refused extends Checked {
  readonly valid: false;
  readonly reason: Reason;
}

export type Verdict = Valid | Refused;

/** What a file is, without checking a proof. */
export type Inspection =
  | { readonly kind: 'key'; readonly key: KeyReport }
  | {
      readonly kind: 'proof';
      /** Fingerprint of the key that it names. */
      readonly madeFor: string;
      /** If its key was given: what it claims. Unproven. */
      readonly claims: Claims | null;
      /** If its key was given: why it cannot be read. */
      readonly reason: Reason | null;
    }
  /** A model package: it holds weights, and is for whoever makes proofs. */
  | { readonly kind: 'package' }
  /** A proof of the weights' ranges: `veristar verify-ranges` checks it. */
  | { readonly kind: 'ranges' }
  | { readonly kind: 'unusable'; readonly of: 'key' | 'proof'; readonly reason: Reason }
  | { readonly kind: 'foreign' };

/** `stopped`: the checker ended without an answer; `timeout`: it took too long. Neither says anything of the proof. */
export type ErrorCode = ReasonCode | 'not-initialised' | 'stopped' | 'timeout';

export class VeristarError extends Error {
  override readonly name = 'VeristarError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
