/**
 * `<veristar-badge key="model.vk" proof="score.vproof">`: checks a proof on the reader's device and shows the
 * verdict in place.
 *
 * | attribute | meaning |
 * |---|---|
 * | `key`, `proof` | where the files are |
 * | `fingerprint` | the key's fingerprint, if it is known: another key is refused |
 * | `checker` | a page on which readers can check for themselves; linked |
 * | `state` (set by the badge) | `checking`, `valid`, `refused` or `error` |
 *
 * The event `veristar-verdict` carries `{ state, verdict }`. A badge is worth as much as the page that shows it: a page can
 * paint any badge. Readers who do not trust it save the two files and check them elsewhere.
 */
import { Checker } from './checker.js';
import type { TensorValues, TimedVerdict } from './checker.js';

/** Larger files are not proofs that one checks in passing. */
const LIMIT = 32 << 20;

const STYLE = `
:host { display: inline-block; max-width: 100%; font: 500 0.875rem/1.45 system-ui, sans-serif;
  --line: #c9d1dc; --ground: #fff; --text: #17202e; --quiet: #566377; --tone: #566377; }
:host([hidden]) { display: none; }
:host([state=valid]) { --tone: #0b7a4b; --line: #9fd3ba; }
:host([state=refused]) { --tone: #b4232a; --line: #eab0b3; }
:host([state=error]) { --tone: #8a5a00; --line: #e2c48d; }
@media (prefers-color-scheme: dark) {
  :host { --line: #38445a; --ground: #131b29; --text: #e6ebf3; --quiet: #9aa7bb; --tone: #9aa7bb; }
  :host([state=valid]) { --tone: #4bd197; --line: #1f5c42; }
  :host([state=refused]) { --tone: #ff8f8f; --line: #6d2f35; }
  :host([state=error]) { --tone: #f0bf62; --line: #664d1c; }
}
details { border: 1px solid var(--line); border-radius: 0.6rem; background: var(--ground); color: var(--text);
  overflow: hidden; }
[role=status] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
summary { display: flex; align-items: center; gap: 0.5rem; padding: 0.4rem 0.75rem; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:focus-visible { outline: 2px solid var(--tone); outline-offset: -3px; border-radius: 0.55rem; }
svg { width: 1.15em; height: 1.15em; flex: none; fill: none; stroke: var(--tone); stroke-width: 2.2;
  stroke-linecap: round; stroke-linejoin: round; }
strong { color: var(--tone); font-weight: 650; }
.value { color: var(--quiet); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
dl { margin: 0; padding: 0.6rem 0.75rem 0.7rem; border-top: 1px solid var(--line); display: grid; gap: 0.3rem 0.9rem;
  grid-template-columns: max-content minmax(0, 1fr); font-weight: 400; font-size: 0.8125rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: 0.75rem/1.5 ui-monospace, monospace; }
a { color: inherit; }
`;

const ICONS = {
  checking: 'M12 6v6l4 2 M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  valid: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z M8.5 12l2.5 2.5 4.5-5',
  refused: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z M9.5 9.5l5 5 M14.5 9.5l-5 5',
  error: 'M12 4L2.5 20h19z M12 10v4 M12 17v.01',
} as const;

export type BadgeState = keyof typeof ICONS;

/** One worker for all badges of a page. */
let shared: Checker | undefined;

export class VeristarBadge extends HTMLElement {
  static readonly observedAttributes = ['key', 'proof', 'fingerprint'];

  readonly #root = this.attachShadow({ mode: 'open' });
  readonly #details = element('details');
  /** Read out when it changes. */
  readonly #status = element('div');
  #run = 0;

  connectedCallback(): void {
    if (this.#root.adoptedStyleSheets.length === 0) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.#root.adoptedStyleSheets = [sheet];
      this.#status.setAttribute('role', 'status');
      this.#root.append(this.#status, this.#details);
    }
    void this.check();
  }

  attributeChangedCallback(): void {
    if (this.isConnected) void this.check();
  }

  /** Fetches and checks again. */
  async check(): Promise<void> {
    const run = ++this.#run;
    this.#show('checking', 'Checking the proof…', '', []);
    let show: () => void;
    try {
      const [key, proof] = await Promise.all([this.#fetch('key'), this.#fetch('proof')]);
      shared ??= new Checker();
      const verdict = await shared.verify(key, proof);
      show = () => this.#verdict(verdict);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      show = () => this.#show('error', 'Proof not checked', '', [['Reason', message]]);
    }
    if (run === this.#run) show();
  }

  async #fetch(attribute: 'key' | 'proof'): Promise<Uint8Array> {
    const address = this.getAttribute(attribute);
    if (!address) throw new Error(`the badge has no attribute "${attribute}"`);
    const response = await fetch(new URL(address, document.baseURI), { credentials: 'omit' });
    if (!response.ok) throw new Error(`the ${attribute} cannot be fetched (${response.status})`);
    const chunks: Uint8Array[] = [];
    let length = 0;
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      chunks.push(part.value);
      length += part.value.length;
      if (length > LIMIT) {
        await reader?.cancel();
        throw new Error(`the ${attribute} is larger than ${LIMIT >> 20} MB`);
      }
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  #verdict(verdict: TimedVerdict): void {
    const pinned = this.getAttribute('fingerprint')?.trim().toLowerCase();
    const facts: [string, string][] = [['Key', verdict.fingerprint]];
    if (pinned && pinned !== verdict.fingerprint) {
      this.#show('refused', 'Another key', '', [...facts, ['Expected', pinned]]);
    } else if (verdict.valid) {
      const output = verdict.outputs[0];
      facts.push(['Checked', `on this device, in ${number(verdict.milliseconds)} ms`]);
      facts.push(['Security', `${verdict.security.conjectured} bits, by conjecture`]);
      for (const tensor of verdict.outputs) facts.push([tensor.name, values(tensor)]);
      this.#show('valid', 'Proof holds', output ? `${output.name} ${values(output)}` : '', facts);
    } else {
      this.#show('refused', 'Proof refused', '', [['Reason', verdict.reason.message], ...facts]);
    }
    const detail = { state: this.getAttribute('state'), verdict };
    this.dispatchEvent(new CustomEvent('veristar-verdict', { detail, bubbles: true, composed: true }));
  }

  #show(state: BadgeState, title: string, value: string, facts: readonly (readonly [string, string])[]): void {
    this.setAttribute('state', state);
    const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    icon.setAttribute('viewBox', '0 0 24 24');
    icon.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', ICONS[state]);
    icon.append(path);
    const summary = element('summary', icon, element('strong', title));
    if (value) {
      const text = element('span', value);
      text.className = 'value';
      summary.append(text);
    }
    const list = element('dl');
    for (const [name, fact] of facts) {
      const long = /^[0-9a-f]{64}$/.test(fact);
      list.append(element('dt', name), element('dd', long ? element('code', fact) : fact));
    }
    const page = this.getAttribute('checker');
    if (page && /^https?:$/.test(new URL(page, document.baseURI).protocol)) {
      const link = element('a', 'check it on an independent page');
      link.setAttribute('href', page);
      link.setAttribute('rel', 'noopener noreferrer');
      list.append(element('dt', 'In doubt'), element('dd', link));
    }
    this.#status.textContent = state === 'checking' ? '' : `${title}. ${value}`;
    this.#details.replaceChildren(summary, list);
  }
}

function element(name: string, ...children: (Node | string)[]): HTMLElement {
  const result = document.createElement(name);
  result.append(...children);
  return result;
}

/** Five significant digits. */
function number(value: number): string {
  return String(Number(value.toPrecision(5)));
}

function values(tensor: TensorValues): string {
  const shown = tensor.values.slice(0, 8).map(number).join(', ');
  return tensor.values.length > 8 ? `${shown}, … (${tensor.values.length} values)` : shown;
}

if (!customElements.get('veristar-badge')) customElements.define('veristar-badge', VeristarBadge);

declare global {
  interface HTMLElementTagNameMap {
    'veristar-badge': VeristarBadge;
  }
}
