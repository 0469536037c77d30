/** Reasons in plain words. The verifier's own line is shown below them. */
import type { ErrorCode } from 'veristar-verifier/checker';

interface Words {
  /** What is wrong. */
  readonly what: string;
  /** What to do next. */
  readonly next: string;
}

const DAMAGED = 'Get the proof again from whoever gave it to you.';
const CHANGED = 'Do not rely on what it claims. Ask whoever gave it to you for an undamaged proof.';

const WORDS: Record<ErrorCode, Words> = {
  'wrong-kind': { what: 'The file is not what it should be.', next: 'Choose a key and a proof of Veristar.' },
  version: {
    what: 'The file is of another version of Veristar.',
    next: 'Ask for a new one, or check it with the version that made it.',
  },
  truncated: { what: 'The file ends too early: a part of it is missing.', next: DAMAGED },
  trailing: { what: 'The file has bytes at its end that do not belong to it.', next: DAMAGED },
  malformed: { what: 'The file holds something that no honest program writes.', next: DAMAGED },
  'other-key': {
    what: 'This proof was made for another key, so it says nothing about this one.',
    next: 'Get the key that belongs to the proof, and compare its fingerprint with the one that the model’s publisher states.',
  },
  'unusable-key': { what: 'The key cannot be used.', next: 'Get it again from whoever publishes the model.' },
  insecure: {
    what: 'Proofs under this key would be too easy to forge.',
    next: 'Ask the model’s publisher for a key with more bits of security.',
  },
  'degenerate-point': {
    what: 'By a rare chance, or by intent, this proof cannot be checked.',
    next: 'Ask for another proof of the same inference.',
  },
  'public-range': {
    what: 'It claims a value that the model cannot give.',
    next: CHANGED,
  },
  totals: {
    what: 'The values it shows do not fit the computation that it proves: one or the other was changed.',
    next: CHANGED,
  },
  'other-weights': { what: 'It is about other weights than the key’s.', next: CHANGED },
  constraints: { what: 'The computation in it does not follow the model’s rules.', next: CHANGED },
  'proof-of-work': { what: 'A part of it that is costly to make is missing or was changed.', next: CHANGED },
  opening: { what: 'It shows data that does not belong to what it committed to.', next: CHANGED },
  'low-degree': { what: 'Its data does not fit together as a real computation’s does.', next: CHANGED },
  shape: { what: 'It has the wrong number of values.', next: DAMAGED },
  'not-initialised': { what: 'The checker is not ready yet.', next: 'Load the page again.' },
  stopped: {
    what: 'The checker stopped without an answer. That says nothing about the proof.',
    next: 'Load the page again. If it happens again, this browser may be too old, or out of memory.',
  },
  timeout: {
    what: 'The check took too long and was given up. That says nothing about the proof.',
    next: 'An honest key and proof are checked in well under a second: be careful with these.',
  },
};

export function words(code: ErrorCode): Words {
  return WORDS[code] ?? { what: 'It cannot be checked.', next: DAMAGED };
}
