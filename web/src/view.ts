/** What the page says about a key, a proof and a verdict. */
import type { Claims, ErrorCode, KeyReport, TimedVerdict } from 'veristar-verifier/checker';
import { h, icon } from './dom';
import { foreignText, grouped, number, time } from './format';
import { tensorView } from './tensors';
import { words } from './words';

/** How a file came to the page. */
export type Origin = 'file' | 'link' | 'sample';

const ICON = {
  valid: 'M12 2.8l7.5 3v5.4c0 5-3.2 8.3-7.5 10-4.3-1.7-7.5-5-7.5-10V5.8z M8.3 12.2l2.6 2.6 4.8-5.4',
  refused: 'M12 2.8l7.5 3v5.4c0 5-3.2 8.3-7.5 10-4.3-1.7-7.5-5-7.5-10V5.8z M9.4 9.2l5.2 5.2 M14.6 9.2l-5.2 5.2',
  unclear: 'M12 3.5L2.2 20.5h19.6z M12 10v4.5 M12 17.4v.1',
  copy: 'M9 9h11v11H9z M15 9V4H4v11h5',
  link: 'M10 14a4.5 4.5 0 0 0 6.4 0l3-3a4.5 4.5 0 0 0-6.4-6.4l-1 1 M14 10a4.5 4.5 0 0 0-6.4 0l-3 3a4.5 4.5 0 0 0 6.4 6.4l1-1',
  shown: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z M12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6',
  hidden: 'M4 4l16 16 M9.6 6c.8-.3 1.6-.5 2.4-.5 6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-3 3.7 M6 7.6A16 16 0 0 0 2.5 12S6 18.5 12 18.5c1.6 0 3-.4 4.200-1',
} as const;

function banner(state: 'valid' | 'refused' | 'unclear', title: string, ...children: (Node | null)[]): HTMLElement {
  return h(
    'section',
    { class: `verdict ${state}`, 'aria-labelledby': 'verdict-title' },
    icon(ICON[state]),
    h('div', {}, h('h2', { id: 'verdict-title', tabindex: '-1' }, title), ...children),
  );
}

/** A verdict in full. `claims` is what a refused proof says of itself. */
export function verdictView(
  verdict: TimedVerdict,
  key: KeyReport,
  claims: Claims | null,
  origin: Origin,
  share: (() => Promise<void>) | null,
): HTMLElement[] {
  const checked = h('p', {}, `Checked on this device in ${time(verdict.milliseconds)}.`);
  if (verdict.valid) {
    return [
      banner('valid', 'The proof holds', checked, share && shareButton(share)),
      h('div', { class: 'columns' }, provenCard(verdict, key), trustCard(key, origin)),
    ];
  }
  const { what, next } = words(verdict.reason.code);
  const explained = h('p', { class: 'what' }, what);
  const fingerprints =
    verdict.reason.expected && verdict.reason.got
      ? h('dl', { class: 'pair' },
          h('dt', {}, 'This key'), h('dd', {}, fingerprint(verdict.reason.expected)),
          h('dt', {}, 'The proof’s key'), h('dd', {}, fingerprint(verdict.reason.got)))
      : null;
  const own = h('p', { class: 'quiet' }, 'The verifier’s words: ', h('q', {}, verdict.reason.message), ` (after ${time(verdict.milliseconds)})`);
  return [
    banner('refused', 'The proof is refused', explained, h('p', {}, next), fingerprints, own),
    h('div', { class: 'columns' }, refusedCard(claims, key), trustCard(key, origin)),
  ];
}

/** The check ended without a verdict. */
export function failureView(code: ErrorCode, message: string): HTMLElement[] {
  const { what, next } = words(code);
  return [
    banner('unclear', 'Not checked', h('p', { class: 'what' }, what), h('p', {}, next),
      h('p', { class: 'quiet' }, 'The checker’s words: ', h('q', {}, message))),
  ];
}

/** A key alone. */
export function keyView(key: KeyReport, origin: Origin): HTMLElement[] {
  return [
    h('div', { class: 'columns' },
      h('section', { class: 'card' },
        h('h2', {}, 'This key'),
        h('p', {}, 'It stands for the model ', modelName(key), '. Proofs under it show ', shownSentence(key), '.'),
        h('p', { class: 'quiet' }, 'Now drop a proof, and it is checked at once.')),
      trustCard(key, origin)),
  ];
}

/** A proof alone. */
export function proofView(madeFor: string): HTMLElement[] {
  return [
    h('section', { class: 'card' },
      h('h2', {}, 'This proof needs its key'),
      h('p', {}, 'It was made for the key with this fingerprint:'),
      h('p', {}, fingerprint(madeFor)),
      h('p', { class: 'quiet' }, 'Get the key from whoever publishes the model, and drop it here.')),
  ];
}

function modelName(key: KeyReport): HTMLElement {
  return h('strong', {}, h('bdi', {}, foreignText(key.name)));
}

function shownSentence(key: KeyReport): string {
  const { inputs, outputs } = key.hidden;
  if (inputs && outputs) return 'neither inputs nor outputs';
  if (inputs) return 'the outputs, not the inputs';
  return outputs ? 'the inputs, not the outputs' : 'inputs and outputs';
}

function provenCard(claims: Claims, key: KeyReport): HTMLElement {
  return h('section', { class: 'card', 'aria-labelledby': 'claim-title' }, h('h2', { id: 'claim-title' }, 'What is proven'), ...claimParts(claims, key));
}

function refusedCard(claims: Claims | null, key: KeyReport): HTMLElement {
  const title = h('h2', { id: 'claim-title' }, 'What is proven');
  const nothing = h('p', {}, 'Nothing. Whatever came with this proof, you know no more than without it.');
  const claimed =
    claims &&
    h('details', {}, h('summary', {}, 'What it claims, without proof'), h('div', { class: 'unproven' }, ...claimParts(claims, key)));
  return h('section', { class: 'card', 'aria-labelledby': 'claim-title' }, title, nothing, claimed);
}

function claimParts(claims: Claims, key: KeyReport): HTMLElement[] {
  const runs = key.batch > 1 ? ` (${key.batch} inferences at once)` : '';
  const inputs = claims.publicInputs.map((tensor) => tensorView(tensor, key.batch));
  const outputs = claims.outputs.map((tensor) => tensorView(tensor, key.batch));
  const model = ['The model ', modelName(key), ', with the weights that the key commits to, '];
  const gave = outputs.length > 0 ? 'gave:' : 'gave outputs that are not shown.';
  if (inputs.length === 0) {
    return [h('p', {}, ...model, 'was run on ', h('strong', {}, 'inputs that are not shown'), `${runs} and ${gave}`), ...outputs];
  }
  return [h('p', {}, ...model, `was run on these inputs${runs}:`), ...inputs, h('p', {}, `It ${gave}`), ...outputs];
}

function trustCard(key: KeyReport, origin: Origin): HTMLElement {
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'trust-title' },
    h('h2', { id: 'trust-title' }, 'What it rests on'),
    h('h3', {}, 'The model’s key'),
    h('p', {}, fingerprint(key.fingerprint)),
    h('p', { class: 'quiet' }, ORIGIN[origin]),
    compare(key.fingerprint),
    h('h3', {}, 'Shown and hidden'),
    hiddenList(key),
    h('h3', {}, 'Strength'),
    strength(key),
    technical(key),
  );
}

const ORIGIN: Record<Origin, string> = {
  file: 'Anyone can make a key. It is the right one if the model’s publisher states this fingerprint.',
  link: 'The key came in the same link as the proof, and anyone can make a key. It is the right one only if the model’s publisher states this fingerprint.',
  sample: 'The sample’s key came with this page. For other keys: it is the right one if the model’s publisher states this fingerprint.',
};

/** A fingerprint that can be read, compared and copied. */
function fingerprint(value: string): HTMLElement {
  const label = h('span', { class: 'hidden' }, 'Copy the fingerprint');
  const button = h('button', { type: 'button', class: 'icon', title: 'Copy' }, icon(ICON.copy), label);
  button.addEventListener('click', async () => {
    const copied = await copy(value);
    label.textContent = copied ? 'Copied' : 'Cannot copy: select it by hand';
    button.classList.toggle('done', copied);
    setTimeout(() => {
      label.textContent = 'Copy the fingerprint';
      button.classList.remove('done');
    }, 2000);
  });
  return h('span', { class: 'fingerprint' }, h('code', {}, grouped(value)), button);
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A field for the fingerprint that the publisher states. */
function compare(value: string): HTMLElement {
  const answer = h('p', { class: 'answer', role: 'status' });
  const input = h('input', { type: 'text', id: 'expected', autocomplete: 'off', spellcheck: 'false', placeholder: 'paste it here' });
  input.addEventListener('input', () => {
    const given = input.value.replace(/[\s:]/g, '').toLowerCase();
    const state = given === '' ? '' : given === value ? 'same' : given.length < 64 && value.startsWith(given) ? 'part' : 'other';
    answer.dataset['state'] = state;
    answer.textContent = {
      '': '',
      same: 'The same key.',
      part: 'The same so far, but not complete.',
      other: 'Another key: do not rely on this proof.',
    }[state];
  });
  return h('div', { class: 'compare' }, h('label', { for: 'expected' }, 'Fingerprint that the publisher states'), input, answer);
}

function hiddenList(key: KeyReport): HTMLElement {
  const item = (hides: boolean, name: string) =>
    h('li', { class: hides ? 'hides' : 'shows' }, icon(hides ? ICON.hidden : ICON.shown), `${name}: ${hides ? 'not shown' : 'shown'}`);
  const { weights, inputs, outputs, zeroKnowledge, proofs } = key.hidden;
  return h(
    'div',
    {},
    h('ul', { class: 'chips' }, item(weights, 'Weights'), item(inputs, 'Inputs'), item(outputs, 'Outputs')),
    zeroKnowledge
      ? h('p', {}, h('strong', {}, 'Zero-knowledge.'), ` Proofs under this key are built to give nothing else away, if at most ${proofs} are made with it.`)
      : h('p', { class: 'warning' }, h('strong', {}, 'Not zero-knowledge.'), ' A determined reader could learn something about hidden values from the proof’s bytes.'),
  );
}

function strength(key: KeyReport): HTMLElement {
  const { conjectured, proven } = key.security;
  return h(
    'p',
    {},
    h('strong', {}, `${conjectured} bits`),
    ' by conjecture, ',
    h('strong', {}, `${proven} bits`),
    ' by theorems alone. ',
    h('a', { href: '#how' }, 'What does that mean?'),
  );
}

function technical(key: KeyReport): HTMLElement {
  const { security } = key;
  const row = (name: string, ...bits: number[]) =>
    h('tr', {}, h('th', { scope: 'row' }, name), ...bits.map((b) => h('td', { class: 'number' }, String(b))));
  const head = ['Step of the protocol', 'conjectured', 'random words', 'unique decoding', 'Johnson'];
  const fact = (name: string, value: string, code = false) => [h('dt', {}, name), h('dd', {}, code ? h('code', {}, grouped(value)) : value)];
  const tensors = [...key.publicInputs, ...key.outputs].flatMap((t) =>
    fact(`Range of ${foreignText(t.name)}`, `${number(t.min)} to ${number(t.max)}, in steps of ${number(t.scale)}, zero at ${t.zeroPoint}`),
  );
  return h(
    'details',
    {},
    h('summary', {}, 'Technical details'),
    h('dl', { class: 'facts' },
      ...fact('Preset', key.preset),
      ...fact('Inferences in a proof', String(key.batch)),
      ...tensors,
      ...fact('Architecture', key.architecture, true),
      ...fact('Program root', key.programRoot, true),
      ...fact('Weights root', key.weightsRoot, true)),
    h('p', { class: 'quiet' }, 'Bits of security of every step; the weakest one counts.'),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Bits of security' },
      h('table', { class: 'bits' },
        h('thead', {}, h('tr', {}, ...head.map((name) => h('th', { scope: 'col' }, name)))),
        h('tbody', {}, ...security.sources.map((s) => row(s.name, s.conjectured, s.randomWords, s.uniqueDecoding, s.johnson))))),
  );
}

function shareButton(share: () => Promise<void>): HTMLElement {
  const label = h('span', {}, 'Copy a link to this check');
  const button = h('button', { type: 'button', id: 'share' }, icon(ICON.link), label);
  const note = h('span', { class: 'quiet', role: 'status' });
  button.addEventListener('click', async () => {
    try {
      await share();
      note.textContent = 'Copied. The link holds the key and the proof themselves: it is long, and no server sees them.';
    } catch {
      note.textContent = 'This browser does not allow copying. The link is now in the address bar: copy it there.';
    }
  });
  return h('p', { class: 'actions' }, button, note);
}
