/**
 * The page: takes a key and a proof in any order and by any way, has them checked in a worker, and shows what
 * follows.
 */
import { Checker, VeristarError } from 'veristar-verifier/checker';
import type { KeyReport, Reason } from 'veristar-verifier/checker';
import { h, part } from './dom';
import { foreignText, short, size } from './format';
import { look } from './files';
import type { FileKind, Problem } from './files';
import { canShare, link, shared } from './link';
import { failureView, keyView, proofView, verdictView } from './view';
import type { Origin } from './view';
import { words } from './words';

interface Loaded {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly origin: Origin;
}

interface Given extends Loaded {
  readonly kind: FileKind;
}

// The policy allows scripts of this page only, where it starts workers.
interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string | null }): unknown;
}
(window as { trustedTypes?: Policies }).trustedTypes?.createPolicy('default', {
  createScriptURL: (url) => (new URL(url, location.href).origin === location.origin ? url : null),
});

const checker = new Checker();
let key: (Loaded & { report: KeyReport }) | undefined;
let proof: (Loaded & { madeFor: string }) | undefined;
/** Number of the check under way: a later one makes it void. */
let current = 0;

const result = part('result');
const problems = part('problems');
const announce = part('announce');

function problem({ title, text }: Problem, reason?: Reason): void {
  const own = reason && h('p', { class: 'quiet' }, 'The verifier’s words: ', h('q', {}, reason.message));
  problems.append(h('div', { class: 'problem' }, h('h2', {}, title), h('p', {}, text), own));
}

function slot(kind: FileKind, state: 'empty' | 'full' | 'bad', text: string): void {
  part(`slot-${kind}`).dataset['state'] = state;
  part(`slot-${kind}-state`).textContent = text;
}

function forget(kind: FileKind): void {
  if (kind === 'key') key = undefined;
  else proof = undefined;
}

/** Reads what files are, keeps the last key and the last proof, and checks as soon as there are both. */
async function take(files: readonly Given[]): Promise<void> {
  const run = ++current;
  part('clear').hidden = false;
  for (const { kind, name, bytes, origin } of files) {
    const inspection = await checker.inspect(bytes);
    if (run !== current) return;
    if (inspection.kind === 'key') {
      key = { name, bytes, origin, report: inspection.key };
      slot('key', 'full', `${foreignText(inspection.key.name, 40)} · ${name}, ${size(bytes.length)}`);
    } else if (inspection.kind === 'proof') {
      proof = { name, bytes, origin, madeFor: inspection.madeFor };
      slot('proof', 'full', `for key ${short(inspection.madeFor)} · ${name}, ${size(bytes.length)}`);
    } else {
      forget(kind);
      const what = kind === 'key' ? 'key' : 'proof';
      slot(kind, 'bad', `${name} cannot be used`);
      const reason = inspection.kind === 'unusable' ? inspection.reason : undefined;
      const text = reason ? words(reason.code) : words('wrong-kind');
      problem({ title: `The ${what} “${name}” cannot be used`, text: `${text.what} ${text.next}` }, reason);
    }
  }
  await check(run);
}

async function check(run: number): Promise<void> {
  const [k, p] = [key, proof];
  if (k && p) {
    const verdict = await checker.verify(k.bytes, p.bytes);
    const claims = verdict.valid ? null : await checker.inspect(p.bytes, k.bytes);
    if (run !== current) return;
    const claimed = claims?.kind === 'proof' ? claims.claims : null;
    const files = { key: k.bytes, proof: p.bytes };
    const share = canShare(files) ? () => copyLink(link(location.href, files)) : null;
    result.replaceChildren(...verdictView(verdict, k.report, claimed, k.origin, share));
    const { valid, reason } = verdict;
    say(valid ? 'The proof holds.' : `The proof is refused. ${words(reason!.code).what}`);
  } else if (k) {
    result.replaceChildren(...keyView(k.report, k.origin));
    say('The key is read. Now choose a proof.');
  } else if (p) {
    result.replaceChildren(...proofView(p.madeFor));
    say('The proof is read. Now choose its key.');
  } else {
    result.replaceChildren();
  }
}

function say(text: string): void {
  announce.textContent = text;
}

async function copyLink(address: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(address);
  } catch (error) {
    history.replaceState(null, '', address);
    throw error;
  }
}

/** Runs one step of the page; whatever goes wrong is shown. */
async function step(work: () => Promise<void>): Promise<void> {
  problems.replaceChildren();
  say('');
  result.setAttribute('aria-busy', 'true');
  try {
    await work();
  } catch (error) {
    const code = error instanceof VeristarError ? error.code : 'stopped';
    const message = error instanceof Error ? error.message : String(error);
    result.replaceChildren(...failureView(code, message));
    say(`Not checked. ${words(code).what}`);
  } finally {
    result.setAttribute('aria-busy', 'false');
  }
}

async function takeFiles(files: readonly File[]): Promise<void> {
  const given: Given[] = [];
  for (const file of files.slice(0, 20)) {
    const looked = await look(file);
    if ('kind' in looked) given.push({ ...looked, origin: 'file' });
    else problem(looked);
  }
  if (given.length > 0) await take(given);
}

// Choosing files.
for (const id of ['pick-key', 'pick-proof']) {
  const input = part<HTMLInputElement>(id);
  input.multiple = true;
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // The same file can be chosen again.
    input.value = '';
    if (files.length > 0) void step(() => takeFiles(files));
  });
}

// Dropping files anywhere on the page.
const drop = part('drop');
addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) drop.classList.remove('over');
});
addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  const files = [...(event.dataTransfer?.files ?? [])];
  if (files.length > 0) {
    if (location.hash) location.hash = '';
    void step(() => takeFiles(files));
  }
});

part('clear').addEventListener('click', () => {
  current++;
  key = undefined;
  proof = undefined;
  slot('key', 'empty', 'A .vk file, from whoever publishes the model');
  slot('proof', 'empty', 'A .vproof file, from whoever gave the answer');
  problems.replaceChildren();
  result.replaceChildren();
  say('');
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  part('clear').hidden = true;
  part('sample').focus();
});

// The sample is fetched when the page loads: after that there is nothing left to fetch.
const SAMPLE = { key: 'credit-risk.vk', proof: 'credit-risk.vproof' } as const;

async function sampleFile(kind: FileKind): Promise<Given> {
  const name = SAMPLE[kind];
  const response = await fetch(new URL(`sample/${name}`, document.baseURI));
  if (!response.ok) throw new Error(`the sample cannot be loaded (${response.status})`);
  return { kind, name, bytes: new Uint8Array(await response.arrayBuffer()), origin: 'sample' };
}

const sample = Promise.all([sampleFile('key'), sampleFile('proof')] as const);
sample.catch(() => undefined);
part('sample').addEventListener('click', () => void step(async () => take(await sample)));

// Views and links.
function route(): void {
  const how = location.hash === '#how';
  part('view-how').hidden = !how;
  part('view-check').hidden = how;
  for (const [id, here] of [['nav-how', how], ['nav-check', !how]] as const) {
    if (here) part(id).setAttribute('aria-current', 'page');
    else part(id).removeAttribute('aria-current');
  }
  document.title = how ? 'Veristar: how to read this' : 'Veristar: check a proof';
  if (how) {
    scrollTo(0, 0);
    return;
  }
  const files = shared(location.hash);
  if (files === 'damaged') {
    void step(async () =>
      problem({ title: 'The link is damaged', text: 'A part of it is missing or was changed, perhaps because it is long. Ask for it again, or for the two files.' }),
    );
  } else if (files) {
    const given = (kind: FileKind): Given => ({ kind, name: 'from the link', bytes: files[kind], origin: 'link' });
    void step(() => take([given('key'), given('proof')]));
  }
}
addEventListener('hashchange', route);
route();

// Ready: everything is loaded, and the verifier accepts the sample. That tests it, and the engine has compiled
// it before it is needed. Then the service worker keeps everything for when there is no network.
async function start(): Promise<void> {
  const [{ simd }, [sampleKey, sampleProof]] = await Promise.all([checker.ready(), sample]);
  const test = await checker.verify(sampleKey.bytes, sampleProof.bytes);
  if (!test.valid) throw new Error(`the verifier refuses the sample: ${test.reason.message}`);
  part('engine').textContent = simd ? 'Verifier with SIMD.' : 'Verifier without SIMD.';
  document.documentElement.dataset['ready'] = 'yes';
  if (import.meta.env.PROD && 'serviceWorker' in navigator) {
    await navigator.serviceWorker.register('sw.js');
    await navigator.serviceWorker.ready;
    part('offline').textContent = 'Nothing is uploaded. Works offline now.';
    document.documentElement.dataset['offline'] = 'yes';
  }
}
start().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  // Without a service worker the page works, but not offline.
  if (document.documentElement.dataset['ready'] === 'yes') console.warn(message);
  else problem({ title: 'The checker does not work in this browser', text: `${message}. Try to load the page again, or another browser.` });
});
