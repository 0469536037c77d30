import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vite';

/** Files of `public`, relative to it. */
function publicFiles(folder, prefix = '') {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? publicFiles(join(folder, entry.name), `${prefix}${entry.name}/`)
      : [`${prefix}${entry.name}`],
  );
}

/** Writes `sw.js` with the list of everything that the page consists of. */
function serviceWorker() {
  let root;
  return {
    name: 'service-worker',
    apply: 'build',
    configResolved(config) {
      root = config.root;
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const hash = createHash('sha256');
        const files = Object.keys(bundle).sort();
        for (const name of files) hash.update(name).update(bundle[name].code ?? bundle[name].source);
        const still = publicFiles(join(root, 'public')).sort();
        for (const name of still) hash.update(name).update(readFileSync(join(root, 'public', name)));
        const code = readFileSync(join(root, 'src/sw.js'), 'utf8')
          .replace('"%FILES%"', JSON.stringify(['./', ...files, ...still]))
          .replace('"%VERSION%"', JSON.stringify(hash.digest('hex').slice(0, 16)));
        this.emitFile({ type: 'asset', fileName: 'sw.js', source: code });
      },
    },
  };
}

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { input: { index: 'index.html', badge: 'badge.html' } },
  },
  worker: { format: 'es' },
  plugins: [serviceWorker()],
});
