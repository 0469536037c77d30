// The package in Node: its functions, its errors, and that it says what the native verifier says.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { init, inspect, Key, loadKey, simd, verify, VeristarError } from 'veristar-verifier';
import { allProofs, hostile, HEAD, median, native, sample, starknet, tampered, WEB } from './support.mjs';

const code = (work) => {
  try {
    work();
  } catch (error) {
    assert(error instanceof VeristarError, String(error));
    return error.code;
  }
  return 'none';
};

/** The wasm verifier's answer in the native one's form. */
function wasm({ key, proof }) {
  let loaded;
  try {
    loaded = loadKey(key);
  } catch (error) {
    assert(error instanceof VeristarError, String(error));
    const { code, message } = error;
    return { error: { code, message } };
  }
  const verdict = verify(loaded, proof);
  loaded.free();
  return { verdict };
}

describe('before init()', () => {
  test('every function says what to do', () => {
    assert.equal(code(() => loadKey(sample.key)), 'not-initialised');
    assert.equal(code(() => inspect(sample.key)), 'not-initialised');
  });
});

describe('package', () => {
  before(() => init());

  test('the sample holds (if it is of an older format: web/scripts/sample)', () => {
    const key = loadKey(sample.key);
    assert(key instanceof Key);
    assert.equal(key.report.name, 'credit_risk');
    const verdict = verify(key, sample.proof);
    assert.equal(verdict.reason, null);
    assert.equal(verdict.valid, true);
    const [output] = verdict.outputs;
    assert.equal(output.name, 'probability');
    assert.equal(output.values[0], (output.integers[0] - output.zeroPoint) * output.scale);
    assert(output.values[0] >= output.min && output.values[0] <= output.max);
    assert.deepEqual(verdict.publicInputs, []);
    assert(verdict.security.conjectured >= 96 && verdict.security.proven > 0);
    assert.equal(verdict.fingerprint, key.report.fingerprint);
    assert.equal(typeof key.report.hidden.zeroKnowledge, 'boolean');
  });

  test('files are told apart without a check', () => {
    assert.equal(inspect(sample.key).kind, 'key');
    const proof = inspect(sample.proof);
    assert.equal(proof.kind, 'proof');
    assert.equal(proof.claims, null);
    assert.equal(inspect(sample.proof, loadKey(sample.key)).claims.outputs.length, 1);
    assert.equal(inspect(new TextEncoder().encode('VERISTRM and more')).kind, 'package');
    assert.equal(inspect(new TextEncoder().encode('%PDF-1.7')).kind, 'foreign');
    assert.equal(inspect(new Uint8Array()).kind, 'foreign');
    assert.deepEqual(inspect(sample.key.subarray(0, 30)).of, 'key');
  });

  test('errors are typed', () => {
    assert.equal(code(() => loadKey(sample.proof)), 'wrong-kind');
    assert.equal(code(() => loadKey(sample.key.subarray(0, 40))), 'malformed');
    const newer = Uint8Array.from(sample.key);
    newer[8] = 250;
    assert.equal(code(() => loadKey(newer)), 'version');
    const other = verify(loadKey(sample.key), tampered(sample.proof)[2].bytes);
    assert.equal(other.reason.code, 'other-key');
    assert.equal(other.reason.expected, other.fingerprint);
    assert.match(other.reason.got, /^[0-9a-f]{64}$/);
  });

  test('20 tampered proofs are refused with a reason and prove nothing', () => {
    const key = loadKey(sample.key);
    const changes = tampered(sample.proof);
    assert.equal(changes.length, 20);
    const codes = new Set();
    for (const { name, bytes } of changes) {
      const verdict = verify(key, bytes);
      assert.equal(verdict.valid, false, name);
      assert(verdict.reason.code && verdict.reason.message, name);
      assert.deepEqual([verdict.outputs, verdict.publicInputs], [[], []], name);
      codes.add(verdict.reason.code);
    }
    for (const expected of ['totals', 'public-range', 'other-key', 'truncated', 'trailing', 'malformed']) {
      assert(codes.has(expected), `${expected} is not among ${[...codes]}`);
    }
  });

  test('verdict, reason and values are the native ones, for every proof and 20 changes of each', async (t) => {
    const proofs = allProofs();
    const cases = proofs.flatMap(({ key, proof }) => [
      { key, proof },
      ...tampered(proof).map(({ bytes }) => ({ key, proof: bytes })),
      // Under each other's keys.
      ...proofs.slice(0, 3).map((other) => ({ key: other.key, proof })),
    ]);
    const expected = await native(cases);
    let valid = 0;
    for (const [i, one] of cases.entries()) {
      delete expected[i].milliseconds;
      assert.deepEqual(wasm(one), expected[i]);
      valid += Number(expected[i].verdict?.valid === true);
    }
    assert(valid >= proofs.length);
    t.diagnostic(`${proofs.length} proofs, ${cases.length} cases, ${valid} of them valid`);
  });

  test('hostile bytes: no trap, and the native answer', async (t) => {
    const cases = [];
    for (const key of hostile(sample.key, 400, 1)) cases.push({ key, proof: sample.proof });
    for (const proof of hostile(sample.proof, 400, 2)) cases.push({ key: sample.key, proof });
    // A hostile key with a proof that names it.
    for (const key of hostile(sample.key, 1500, 3)) {
      const inspection = inspect(key);
      if (inspection.kind !== 'key') continue;
      const proof = Uint8Array.from(sample.proof);
      proof.set(Buffer.from(inspection.key.fingerprint, 'hex'), HEAD - 32);
      cases.push({ key, proof });
    }
    // Few, because Poseidon is slow.
    for (const key of hostile(starknet.key, 200, 4)) cases.push({ key, proof: starknet.proof });
    for (const proof of hostile(starknet.proof, 60, 5)) cases.push({ key: starknet.key, proof });
    const expected = await native(cases);
    let keys = 0;
    let allowed = 0;
    for (const [i, one] of cases.entries()) {
      delete expected[i].milliseconds;
      const got = wasm(one);
      keys += Number('verdict' in got);
      // Numbers that a 32-bit machine cannot hold are refused earlier there, in other words.
      if (got.error?.code === 'malformed' && expected[i].error && expected[i].error.code !== 'malformed') allowed++;
      else assert.deepEqual(got, expected[i], `case ${i}`);
      assert(!got.verdict?.valid, `case ${i} is valid`);
    }
    t.diagnostic(`${cases.length} cases, ${keys} with a usable key, ${allowed} keys refused in other words`);
    assert(allowed < 20);
  });

  test('both wasm files fit in 400 KB, and their time is at most 8 times native', async (t) => {
    for (const name of ['veristar', 'veristar_simd']) {
      const { size } = statSync(join(WEB, `pkg/dist/wasm/${name}.wasm`));
      t.diagnostic(`${name}.wasm: ${size} bytes`);
      assert(size <= 400 * 1024, `${name}.wasm has ${size} bytes`);
    }
    const [{ milliseconds }] = await native([{ ...sample, repeat: 41 }]);
    const key = loadKey(sample.key);
    const times = Array.from({ length: 61 }, () => {
      const start = performance.now();
      verify(key, sample.proof);
      return performance.now() - start;
    });
    const here = median(times);
    t.diagnostic(`SIMD ${simd}; first ${times[0].toFixed(1)} ms, median ${here.toFixed(2)} ms; native ${milliseconds.toFixed(2)} ms; ratio ${(here / milliseconds).toFixed(2)}`);
    assert(here <= 8 * milliseconds);
  });

  test('a proof for Starknet holds, changed ones do not, in at most 8 times the native time', async (t) => {
    const key = loadKey(starknet.key);
    assert.equal(key.report.preset, 'starknet');
    const verdict = verify(key, starknet.proof);
    assert.deepEqual([verdict.valid, verdict.reason, verdict.fingerprint], [true, null, key.report.fingerprint]);
    assert.equal(verdict.outputs[0].name, 'probability');
    for (const { name, bytes } of tampered(starknet.proof)) {
      const refused = verify(key, bytes);
      assert.equal(refused.valid, false, name);
      assert(refused.reason.code && refused.reason.message, name);
    }
    const [{ milliseconds }] = await native([{ ...starknet, repeat: 11 }]);
    const times = Array.from({ length: 15 }, () => {
      const start = performance.now();
      verify(key, starknet.proof);
      return performance.now() - start;
    });
    const here = median(times);
    t.diagnostic(`median ${here.toFixed(1)} ms; native ${milliseconds.toFixed(1)} ms; ratio ${(here / milliseconds).toFixed(2)}`);
    assert(here <= 8 * milliseconds);
  });

  test('the file for engines without SIMD gives the same verdict', async () => {
    // A second copy of the module, with the other file.
    const { default: load, loadKey: read, verify: check } = await import('../pkg/dist/wasm/veristar.js?plain');
    await load({ module_or_path: readFileSync(join(WEB, 'pkg/dist/wasm/veristar.wasm')) });
    const key = read(sample.key);
    assert.deepEqual(check(key, sample.proof), verify(loadKey(sample.key), sample.proof));
    const { bytes } = tampered(sample.proof)[15];
    assert.deepEqual(check(key, bytes), verify(loadKey(sample.key), bytes));
    const forStarknet = read(starknet.key);
    assert.equal(check(forStarknet, starknet.proof).valid, true);
    const changed = tampered(starknet.proof)[15].bytes;
    assert.deepEqual(check(forStarknet, changed), verify(loadKey(starknet.key), changed));
  });
});
