/** The worker: loads the verifier and answers requests, one after the other. */
import { init, inspect, loadKey, simd, verify, VeristarError } from './index.js';
import type { Inspection, Key } from './index.js';
import type { Request, Response, TimedVerdict } from './protocol.js';

const scope = self as unknown as {
  postMessage(message: Response): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void;
};

const loaded = init();

function withKey<T>(bytes: Uint8Array, work: (key: Key) => T): T {
  const key = loadKey(bytes);
  const result = work(key);
  key.free();
  return result;
}

function answer(request: Request): Inspection | TimedVerdict {
  if (request.task === 'inspect') {
    const { bytes, key } = request;
    return key ? withKey(key, (key) => inspect(bytes, key)) : inspect(bytes);
  }
  return withKey(request.key, (key) => {
    const start = performance.now();
    const verdict = verify(key, request.proof);
    return { ...verdict, milliseconds: performance.now() - start };
  });
}

scope.addEventListener('message', async ({ data }) => {
  try {
    await loaded;
    scope.postMessage({ id: data.id, result: answer(data) });
  } catch (thrown) {
    const code = thrown instanceof VeristarError ? thrown.code : 'stopped';
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    scope.postMessage({ id: data.id, error: { code, message } });
  }
});

// A failure to load is told by the first answer.
loaded.then(
  () => scope.postMessage({ id: 0, simd }),
  () => undefined,
);
