// What the tests share: files, changes to proofs, the native verifier.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const WEB = fileURLToPath(new URL('..', import.meta.url));
const ROOT = join(WEB, '..');

/** Key and proof of the sample. */
export const sample = {
  key: readFileSync(join(WEB, 'public/sample/credit-risk.vk')),
  proof: readFileSync(join(WEB, 'public/sample/credit-risk.vproof')),
};

/** Key and proof of the preset `starknet`, which hashes by Poseidon. */
export const starknet = {
  key: readFileSync(join(ROOT, 'tests/fixtures/starknet/hiding.vk')),
  proof: readFileSync(join(ROOT, 'tests/fixtures/starknet/hiding.vproof')),
};

/** A folder that goes away with the process. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'veristar-web-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function pairs(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.vproof'))
    .map((name) => join(folder, name))
    .map((proof) => ({ name: basename(proof, '.vproof'), key: proof.replace(/\.vproof$/, '.vk'), proof }))
    .filter(({ key }) => existsSync(key));
}

/**
 * Every proof with its key beside it: the sample, frozen ones of the repository, and those that
 * `scripts/fixtures` made in the folder that VERISTAR_FIXTURES names. Not those of the Winterfell
 * backend, which need another build of the verifier.
 */
export function allProofs() {
  const folders = [join(WEB, 'public/sample'), join(ROOT, 'tests/fixtures'), process.env.VERISTAR_FIXTURES ?? ''];
  return folders
    .filter((folder) => folder !== '')
    .flatMap(pairs)
    .filter(({ proof }) => basename(dirname(proof)) !== 'winterfell')
    .map(({ name, key, proof }) => ({ name, key: readFileSync(key), proof: readFileSync(proof) }));
}

/** A proof that `scripts/fixtures` made, or undefined. */
export function madeProof(name) {
  return allProofs().find((proof) => proof.name === name);
}

/** Bytes before the public values: magic, version, fingerprint of the key. */
export const HEAD = 8 + 2 + 32;

function flipped(bytes, at, bit = 0) {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
}

/** Twenty ways to tamper with a proof, each of which must be refused. */
export function tampered(proof) {
  const n = proof.length;
  const changes = [
    ['the first public value', flipped(proof, HEAD)],
    ['a public value out of its range', flipped(proof, HEAD + 3, 6)],
    ['the name of the key', flipped(proof, 10)],
    ['the first total', flipped(proof, HEAD + 4)],
    ['the last byte', flipped(proof, n - 1, 2)],
    ['cut by one byte', proof.slice(0, n - 1)],
    ['cut in the middle', proof.slice(0, n >> 1)],
    ['only the head', proof.slice(0, HEAD)],
    ['one byte more', Uint8Array.from([...proof, 0])],
    ['twice the proof', Uint8Array.from([...proof, ...proof])],
    ['a number that is not in the field', (() => {
      const copy = Uint8Array.from(proof);
      copy.fill(0xff, HEAD + 4, HEAD + 8);
      return copy;
    })()],
    ['zeros after the head', (() => {
      const copy = Uint8Array.from(proof);
      copy.fill(0, HEAD);
      return copy;
    })()],
  ];
  // The others go through the sections, one bit each.
  const more = 20 - changes.length;
  for (let i = 1; i <= more; i++) {
    const at = HEAD + Math.floor(((n - HEAD) * i) / (more + 1));
    changes.push([`one bit of byte ${at}`, flipped(proof, at, i % 7)]);
  }
  return changes.map(([name, bytes]) => ({ name, bytes }));
}

/** Pseudo-random numbers below 2^32, the same in every run. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let x = state;
    x ^= x >>> 15;
    x = Math.imul(x, 0x2c1b3c6d) >>> 0;
    return (x ^ (x >>> 12)) >>> 0;
  };
}

/** Hostile bytes: flips, cuts, insertions, overwritten stretches, everything random. */
export function* hostile(bytes, count, seed) {
  const next = random(seed);
  for (let i = 0; i < count; i++) {
    let copy = Uint8Array.from(bytes);
    const at = next() % copy.length;
    switch (i % 5) {
      case 0:
        copy[at] ^= 1 << next() % 8;
        break;
      case 1:
        copy = copy.slice(0, at);
        break;
      case 2:
        for (let k = 0; k < 4 && at + k < copy.length; k++) copy[at + k] = next() % 2 ? 0xff : next();
        break;
      case 3:
        copy = Uint8Array.from([...copy.slice(0, at), next(), ...copy.slice(at)]);
        break;
      default:
        for (let k = 10 + (next() % 40); k < copy.length; k += 1 + (next() % 97)) copy[k] = next();
    }
    // Writing over can change nothing.
    if (Buffer.compare(copy, bytes) !== 0) yield copy;
  }
}

/**
 * What the native verifier says of each `{ key, proof, repeat? }`: `{ verdict, milliseconds }`, or `{ error }` of
 * an unusable key.
 */
export async function native(cases) {
  const folder = scratch();
  const list = cases.map(({ key, proof, repeat }, i) => {
    const paths = { key: join(folder, `${i}.vk`), proof: join(folder, `${i}.vproof`) };
    writeFileSync(paths.key, key);
    writeFileSync(paths.proof, proof);
    return { ...paths, repeat };
  });
  const file = join(folder, 'cases.json');
  writeFileSync(file, JSON.stringify(list));
  const arguments_ = ['run', '--quiet', '--release', '-p', 'veristar-verifier-wasm', '--example', 'native', '--', file];
  const { stdout } = await promisify(execFile)('cargo', arguments_, { cwd: ROOT, maxBuffer: 1 << 28 });
  rmSync(folder, { recursive: true });
  return JSON.parse(stdout);
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
