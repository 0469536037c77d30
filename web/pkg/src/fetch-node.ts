/** Gets a wasm file in Node, whose `fetch` reads no files. */
// @ts-expect-error: types of Node are not needed for one function
import { readFile } from 'node:fs/promises';

export function fetchWasm(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(url);
}
