// A program against the package's declared types; `tsc -p .` checks it, nothing runs it.
import { init, inspect, loadKey, verify, VeristarError } from 'veristar-verifier';
import type { Inspection, KeyReport, Reason, Verdict } from 'veristar-verifier';
import { Checker } from 'veristar-verifier/checker';
import type { VeristarBadge } from 'veristar-verifier/badge';

export async function use(keyBytes: Uint8Array, proofBytes: Uint8Array): Promise<number | string> {
  await init();
  try {
    const key = loadKey(keyBytes);
    const report: KeyReport = key.report;
    const verdict: Verdict = verify(key, proofBytes);
    key.free();
    if (verdict.valid) {
      const none: null = verdict.reason;
      return verdict.outputs[0]?.values[0] ?? report.security.conjectured + Number(none);
    }
    const reason: Reason = verdict.reason;
    // @ts-expect-error: no such code
    if (reason.code === 'no-such-code') return 0;
    return reason.code;
  } catch (error) {
    return error instanceof VeristarError ? error.code : 'other';
  }
}

export function name(inspection: Inspection): string {
  switch (inspection.kind) {
    case 'key':
      return inspection.key.fingerprint;
    case 'proof':
      return inspection.madeFor;
    case 'unusable':
      return inspection.reason.message;
    case 'package':
    case 'ranges':
    case 'foreign':
      return inspection.kind;
  }
}

export async function inWorker(key: Uint8Array, proof: Uint8Array): Promise<number> {
  const checker = new Checker({ timeout: 5000 });
  const { milliseconds } = await checker.verify(key, proof);
  checker.close();
  return milliseconds;
}

export function again(badge: VeristarBadge): Promise<void> {
  inspect(new Uint8Array());
  return document.querySelector('veristar-badge')?.check() ?? badge.check();
}
