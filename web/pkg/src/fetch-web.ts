/** Gets a wasm file in browsers and other runtimes with `fetch`. */
export function fetchWasm(url: URL): Promise<Response> {
  return fetch(url, { credentials: 'same-origin' });
}
