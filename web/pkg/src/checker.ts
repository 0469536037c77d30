/**
 * Checks proofs in a Web Worker, so that a page stays responsive, a check that takes too long can be ended,
 * and one that stops takes nothing with it.
 *
 *     import { Checker } from 'veristar-verifier/checker';
 *     const checker = new Checker();
 *     const verdict = await checker.verify(keyBytes, proofBytes);
 */
import { VeristarError } from './types.js';
import type { ErrorCode, Inspection } from './types.js';
import type { Request, Response, TimedVerdict } from './protocol.js';

export type { TimedVerdict } from './protocol.js';
export * from './types.js';

export interface CheckerOptions {
  /** Starts the worker, if not the one beside this module. */
  readonly worker?: () => Worker;
  /** Milliseconds after which a check is given up. */
  readonly timeout?: number;
}

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: VeristarError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

type Task = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

export class Checker {
  readonly #start: () => Worker;
  readonly #timeout: number;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #ready: Promise<{ simd: boolean }> | undefined;
  #last = 0;

  constructor(options: CheckerOptions = {}) {
    this.#start =
      options.worker ??
      (() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'veristar' }));
    this.#timeout = options.timeout ?? 60_000;
  }

  /** Loads the verifier before it is needed; says whether it uses SIMD. */
  ready(): Promise<{ simd: boolean }> {
    this.#running();
    return this.#ready!;
  }

  /**
   * Checks a proof under a key.
   *
   * @throws VeristarError if the key is unusable, or the check ended without a verdict
   */
  verify(key: Uint8Array, proof: Uint8Array): Promise<TimedVerdict> {
    return this.#ask<TimedVerdict>({ task: 'verify', key, proof });
  }

  /** Says what a file is, without checking it; with a proof's key, also what the proof claims. */
  inspect(bytes: Uint8Array, key?: Uint8Array): Promise<Inspection> {
    return this.#ask<Inspection>(key ? { task: 'inspect', bytes, key } : { task: 'inspect', bytes });
  }

  /** Ends the worker; what is under way fails. The next call starts a new one. */
  close(): void {
    this.#stop('stopped', 'the checker was closed');
  }

  #ask<T>(task: Task): Promise<T> {
    const worker = this.#running();
    const id = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      const late = () => this.#stop('timeout', `no verdict within ${this.#timeout / 1000} s: given up`);
      const timer = setTimeout(late, this.#timeout);
      this.#pending.set(id, { resolve, reject, timer });
      worker.postMessage({ id, ...task });
    });
  }

  #running(): Worker {
    if (this.#worker) return this.#worker;
    const worker = this.#start();
    this.#worker = worker;
    this.#ready = new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }: MessageEvent<Response>) => {
        if ('simd' in data) resolve({ simd: data.simd });
        else this.#settle(data);
      });
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        const message = event.message || 'its files could not be loaded';
        reject(new VeristarError('stopped', `the checker cannot run: ${message}`));
        if (this.#worker === worker) this.#stop('stopped', `the checker cannot run: ${message}`);
      });
    });
    // Whoever does not ask for it is told by the first check.
    this.#ready.catch(() => undefined);
    return worker;
  }

  #settle(data: Exclude<Response, { simd: boolean }>): void {
    const pending = this.#pending.get(data.id);
    if (!pending) return;
    this.#pending.delete(data.id);
    clearTimeout(pending.timer);
    if ('result' in data) {
      pending.resolve(data.result as never);
    } else {
      pending.reject(new VeristarError(data.error.code, data.error.message));
      // A verifier that stopped answers nothing any more: the next call gets a new one.
      if (data.error.code === 'stopped') this.#stop('stopped', data.error.message);
    }
  }

  #stop(code: ErrorCode, message: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#ready = undefined;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new VeristarError(code, message));
    }
    this.#pending.clear();
  }
}
