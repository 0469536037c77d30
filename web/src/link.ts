/**
 * Links that carry a key and a proof in the fragment, which browsers send to nobody.
 *
 *     #key=<base64url>&proof=<base64url>
 */

/** Larger files make links that browsers and messengers cut. */
export const LINK_LIMIT = 256 * 1024;

export interface Shared {
  readonly key: Uint8Array;
  readonly proof: Uint8Array;
}

export function encode(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Throws on text that is not base64url. */
export function decode(text: string): Uint8Array {
  if (!/^[\w-]*$/.test(text)) throw new Error('not base64url');
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}

export function canShare({ key, proof }: Shared): boolean {
  return key.length + proof.length <= LINK_LIMIT;
}

/** The page's address with the files in its fragment. */
export function link(page: string, { key, proof }: Shared): string {
  return `${page.split('#')[0]}#key=${encode(key)}&proof=${encode(proof)}`;
}

/** What a fragment carries; `null` if it carries no files, `'damaged'` if it cannot be read. */
export function shared(fragment: string): Shared | null | 'damaged' {
  const parts = new Map(
    fragment
      .replace(/^#/, '')
      .split('&')
      .map((part): [string, string] => {
        const at = part.indexOf('=');
        return [part.slice(0, at), part.slice(at + 1)];
      }),
  );
  const [key, proof] = [parts.get('key'), parts.get('proof')];
  if (key === undefined && proof === undefined) return null;
  // base64 of the limit, with room for both names.
  if (!key || !proof || fragment.length > LINK_LIMIT * 1.5) return 'damaged';
  try {
    return { key: decode(key), proof: decode(proof) };
  } catch {
    return 'damaged';
  }
}
