/** Numbers, sizes, times and other people's text, for people. */

/** Five significant digits, without trailing zeros. */
export function number(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e7) return minus(value.toExponential(3));
  return minus(String(Number(value.toPrecision(5))));
}

function minus(text: string): string {
  return text.replace(/-/g, '\u2212');
}

/** Bytes, in decimal units. */
export function size(bytes: number): string {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} KB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function time(milliseconds: number): string {
  if (milliseconds < 1) return 'less than 1 ms';
  if (milliseconds < 100) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Groups of four, which people can compare. */
export function grouped(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}

/** First and last digits. */
export function short(fingerprint: string): string {
  return `${fingerprint.slice(0, 8)}…${fingerprint.slice(-8)}`;
}

/**
 * A name from a file, as harmless text: no control characters, nothing that changes the direction of
 * writing, not endless.
 */
export function foreignText(text: string, limit = 80): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd').trim();
  const characters = [...clean];
  if (characters.length === 0) return 'without a name';
  return characters.length > limit ? `${characters.slice(0, limit).join('')}…` : clean;
}
