// The built page in Chromium: `npm run build` first. With SCREENSHOTS=folder, a picture of every state goes there.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, openSync, closeSync, ftruncateSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';
import { allProofs, madeProof, median, native, sample, scratch, starknet, tampered, WEB } from './support.mjs';

const DIST = join(WEB, 'dist');
const SCREENSHOTS = process.env.SCREENSHOTS && join(WEB, process.env.SCREENSHOTS);
const EXECUTABLE = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
];

const folder = scratch();
const file = (name, bytes) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
const KEY = file('credit-risk.vk', sample.key);
const PROOF = file('credit-risk.vproof', sample.proof);

let server;
let browser;

/** A page that is loaded, in a context of its own; everything that goes wrong in it is collected. */
async function open({ path = '', look = LOOKS[0], ready = true, ...options } = {}) {
  const { colorScheme, viewport } = look;
  const context = await browser.newContext({ colorScheme, viewport, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
  });
  await page.goto(server.url + path);
  if (ready) await page.waitForSelector('html[data-ready=yes]');
  return { page, context, wrong };
}

async function choose(page, ...paths) {
  await page.setInputFiles('#pick-key', paths);
}

async function verdict(page) {
  await page.waitForSelector('.verdict');
  await page.waitForSelector('#result[aria-busy=false]');
  return {
    title: await page.textContent('#verdict-title'),
    words: (await page.$('.verdict q')) && (await page.textContent('.verdict q')),
    announced: await page.textContent('#announce'),
  };
}

/** A picture of a state in every look. */
async function picture(name, act, looks = LOOKS) {
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  for (const look of looks) {
    const { page, context } = await open({ look });
    await act(page);
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.${look.name}.png`), fullPage: true });
    await context.close();
  }
}

before(async () => {
  assert(existsSync(join(DIST, 'index.html')), 'the page is not built: npm run build');
  assert(EXECUTABLE, 'no Chromium: apt-get install chromium, or set CHROMIUM');
  server = await serve(DIST);
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
});

after(async () => {
  await browser?.close();
  await server?.close();
});

describe('verdicts', () => {
  test('the sample is valid, with its value as a real number', async () => {
    const { page, context, wrong } = await open();
    await page.click('#sample');
    assert.equal((await verdict(page)).title, 'The proof holds');
    assert.equal(await page.textContent('#announce'), 'The proof holds.');
    const value = Number(await page.textContent('.big'));
    assert(value > 0 && value < 1);
    assert.match(await page.textContent('#result'), /credit_risk/);
    assert.match(await page.textContent('#result'), /Inputs: not shown/);
    assert.match(await page.textContent('#result'), /\d\d bits by conjecture/);
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('start', async () => {});
    await picture('valid', async (page) => {
      await page.click('#sample');
      await verdict(page);
    });
    await picture('technical', async (page) => {
      await page.click('#sample');
      await verdict(page);
      await page.click('text=Technical details');
    }, [LOOKS[0], LOOKS[2]]);
  });

  test('files in any order, by any picker, or dropped', async () => {
    const { page, context, wrong } = await open();
    await choose(page, PROOF);
    await page.waitForSelector('text=This proof needs its key');
    await choose(page, KEY);
    assert.equal((await verdict(page)).title, 'The proof holds');
    await page.click('#clear');
    await page.setInputFiles('#pick-proof', [KEY]);
    await page.waitForSelector('text=This key');
    await page.setInputFiles('#pick-key', [PROOF]);
    assert.equal((await verdict(page)).title, 'The proof holds');
    await page.click('#clear');
    // Both at once, by a drop on the page.
    await page.evaluate(
      async ([key, proof]) => {
        const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes(proof)], 'a.vproof'));
        data.items.add(new File([bytes(key)], 'a.vk'));
        document.body.dispatchEvent(new DragEvent('dragover', { dataTransfer: data, bubbles: true, cancelable: true }));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [sample.key.toString('base64'), sample.proof.toString('base64')],
    );
    assert.equal((await verdict(page)).title, 'The proof holds');
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('key-only', async (page) => {
      await choose(page, KEY);
      await page.waitForSelector('text=This key');
    }, LOOKS.slice(0, 2));
    await picture('proof-only', async (page) => {
      await choose(page, PROOF);
      await page.waitForSelector('text=This proof needs its key');
    }, LOOKS.slice(0, 2));
  });

  test('each of 20 tampered proofs is refused, with the native reason', async (t) => {
    const changes = tampered(sample.proof);
    const expected = await native(changes.map(({ bytes }) => ({ key: sample.key, proof: bytes })));
    const { page, context, wrong } = await open();
    await choose(page, KEY);
    for (const [i, { name, bytes }] of changes.entries()) {
      await page.evaluate(() => document.querySelector('.verdict')?.remove());
      await choose(page, file(`tampered-${i}.vproof`, bytes));
      const got = await verdict(page);
      assert.equal(got.title, 'The proof is refused', name);
      assert.equal(got.words, expected[i].verdict.reason.message, name);
      assert.match(got.announced, /^The proof is refused\. \w/, name);
      assert.match(await page.textContent('.card'), /Nothing\./, name);
      t.diagnostic(`${name}: ${got.words}`);
    }
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('refused', async (page) => {
      await choose(page, KEY, file('changed.vproof', changes[0].bytes));
      await verdict(page);
      await page.click('text=What it claims, without proof');
    });
  });

  test('every proof gets the native verdict and reason', async (t) => {
    const proofs = allProofs();
    const expected = await native(proofs);
    const { page, context, wrong } = await open();
    for (const [i, { name, key, proof }] of proofs.entries()) {
      await page.evaluate(() => document.querySelector('.verdict')?.remove());
      await choose(page, file('k.vk', key), file('p.vproof', proof));
      const got = await verdict(page);
      const { valid, reason } = expected[i].verdict;
      assert.equal(got.title, valid ? 'The proof holds' : 'The proof is refused', name);
      if (!valid) assert.equal(got.words, reason.message, name);
    }
    t.diagnostic(`${proofs.length} proofs`);
    assert.deepEqual(wrong, []);
    await context.close();
    for (const [name, from] of [['public-inputs', 'credit_risk_public'], ['many-outputs', 'digits'], ['batch', 'digits_batch'], ['not-hiding', 'credit_risk_open']]) {
      const made = madeProof(from);
      if (!made) continue;
      await picture(name, async (page) => {
        await choose(page, file(`${name}.vk`, made.key), file(`${name}.vproof`, made.proof));
        await verdict(page);
      }, [LOOKS[0], LOOKS[3]]);
    }
  });

  test('another model’s key', async (t) => {
    const changes = Uint8Array.from(sample.key);
    // A letter of the model's name: still a key, but another one.
    const at = Buffer.from(sample.key).indexOf('credit_risk');
    changes[at] ^= 1;
    const { page, context } = await open();
    const other = file('other.vk', changes);
    await choose(page, other, PROOF);
    const got = await verdict(page);
    assert.equal(got.title, 'The proof is refused');
    assert.match(got.words, /made for another key/);
    assert.equal(await page.locator('.pair .fingerprint').count(), 2);
    await context.close();
    await picture('other-key', async (page) => {
      await choose(page, other, PROOF);
      await verdict(page);
    });
    t.diagnostic(got.words);
  });
});

describe('files that are something else', () => {
  test('foreign, empty, damaged', async () => {
    const { page, context, wrong } = await open();
    const foreign = file('holiday.jpg', Buffer.from('\xff\xd8\xff\xe0 not a proof', 'latin1'));
    await choose(page, foreign);
    await page.waitForSelector('.problem >> text=“holiday.jpg” is not a key or a proof');
    assert.equal(await page.locator('.verdict').count(), 0);
    await choose(page, file('empty.vk', ''));
    await page.waitForSelector('.problem >> text=“empty.vk” is empty');
    await choose(page, file('model.vsm', 'VERISTRM and weights'));
    await page.waitForSelector('.problem >> text=model package');
    await choose(page, file('cut.vk', sample.key.subarray(0, 60)));
    await page.waitForSelector('.problem >> text=The key “cut.vk” cannot be used');
    await page.waitForSelector('#slot-key[data-state=bad]');
    // And after all that, right files still work.
    await choose(page, KEY, PROOF);
    assert.equal((await verdict(page)).title, 'The proof holds');
    assert.equal(await page.locator('.problem').count(), 0);
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('foreign', async (page) => {
      await choose(page, foreign);
      await page.waitForSelector('.problem');
    });
    await picture('damaged-key', async (page) => {
      await choose(page, join(folder, 'cut.vk'));
      await page.waitForSelector('.problem');
    }, LOOKS.slice(0, 2));
  });

  test('200 MB are refused at once, unread', async (t) => {
    const path = join(folder, 'huge.vproof');
    const handle = openSync(path, 'w');
    ftruncateSync(handle, 200_000_000);
    closeSync(handle);
    const { page, context, wrong } = await open();
    await page.evaluate(() => {
      window.bytesRead = 0;
      for (const name of ['arrayBuffer', 'bytes', 'text', 'stream']) {
        const read = Blob.prototype[name];
        if (!read) continue;
        Blob.prototype[name] = function (...rest) {
          window.bytesRead += this.size;
          return read.apply(this, rest);
        };
      }
    });
    const start = performance.now();
    await page.setInputFiles('#pick-proof', path);
    await page.waitForSelector('.problem >> text=“huge.vproof” is too large');
    t.diagnostic(`refused in ${(performance.now() - start).toFixed(0)} ms`);
    assert.equal(await page.evaluate(() => window.bytesRead), 0);
    // The counter counts.
    await choose(page, KEY, PROOF);
    await verdict(page);
    assert(await page.evaluate(() => window.bytesRead) >= sample.proof.length);
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('too-large', async (page) => {
      await page.setInputFiles('#pick-proof', path);
      await page.waitForSelector('.problem');
    }, LOOKS.slice(0, 2));
  });

  test('names from files are text: no markup, no trickery', async () => {
    const name = '<img src=x onerror=alert(1)>\u202egpj.vk';
    const { page, context, wrong } = await open();
    await page.evaluate((name) => {
      const data = new DataTransfer();
      data.items.add(new File(['something else'], name));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }, name);
    await page.waitForSelector('.problem');
    assert.equal(await page.locator('.problem img').count(), 0);
    assert(!(await page.textContent('.problem')).includes('\u202e'));
    assert.deepEqual(wrong, []);
    await context.close();
  });
});

describe('links', () => {
  const fragment = (key, proof) => `#key=${key.toString('base64url')}&proof=${proof.toString('base64url')}`;

  test('a link holds key and proof, and the page makes such links', async () => {
    const { page, context, wrong } = await open({ path: fragment(sample.key, sample.proof), permissions: ['clipboard-read', 'clipboard-write'] });
    assert.equal((await verdict(page)).title, 'The proof holds');
    assert.match(await page.textContent('#result'), /came in the same link/);
    await page.click('#share');
    await page.waitForSelector('text=Copied.');
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, server.url + fragment(sample.key, sample.proof));
    assert(!server.requests.some((request) => request.includes('proof=')));
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('link', async (page) => {
      await page.evaluate((hash) => (location.hash = hash), fragment(sample.key, sample.proof));
      await verdict(page);
    }, LOOKS.slice(0, 2));
  });

  test('a damaged link is said to be damaged; a changed one is refused', async () => {
    for (const bad of ['#key=AAAA', '#proof=', '#key=%41&proof=AA', '#key=A&proof=A']) {
      const { page, context, wrong } = await open({ path: bad });
      await page.waitForSelector('.problem >> text=The link is damaged');
      assert.deepEqual(wrong, []);
      await context.close();
    }
    const cut = fragment(sample.key, sample.proof).slice(0, 5000);
    const { page, context } = await open({ path: cut });
    assert.match((await verdict(page)).words, /ends too early/);
    await context.close();
  });
});

describe('how it is used', () => {
  test('by keyboard only', async () => {
    const { page, context, wrong } = await open();
    const focused = () =>
      page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim().split('\n')[0]);
    const seen = [];
    for (let i = 0; i < 7; i++) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
    }
    assert.deepEqual(seen, ['Skip to the content', 'Veristar', 'nav-check', 'nav-how', 'pick-key', 'pick-proof', 'sample']);
    // The focus can be seen.
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid');
    if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, 'keyboard-focus.light.png') });
    await page.keyboard.press('Enter');
    assert.equal((await verdict(page)).title, 'The proof holds');
    // On to the result: every control can be reached and used.
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'clear');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'share');
    const fingerprint = (await page.textContent('.card .fingerprint code')).replaceAll(' ', '');
    while ((await focused()) !== 'expected') await page.keyboard.press('Tab');
    await page.keyboard.type(fingerprint.slice(0, 8));
    await page.waitForSelector('.answer[data-state=part]');
    await page.keyboard.type(fingerprint.slice(8));
    await page.waitForSelector('.answer[data-state=same]');
    await page.keyboard.press('Backspace');
    await page.keyboard.type('x');
    await page.waitForSelector('.answer[data-state=other]');
    while ((await focused()) !== 'Technical details') await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=Weights root');
    // A file picker opens by keyboard.
    await page.focus('#pick-proof');
    const picker = page.waitForEvent('filechooser');
    await page.keyboard.press('Space');
    await (await picker).setFiles(file('cut.vproof', sample.proof.subarray(0, 500)));
    await page.waitForSelector('.verdict.refused');
    // The second view, and back.
    await page.focus('#nav-how');
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1:text("How to read this")');
    assert.equal(await page.getAttribute('#nav-how', 'aria-current'), 'page');
    await page.focus('#nav-check');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.verdict.refused');
    assert.deepEqual(wrong, []);
    await context.close();
    await picture('how-to-read', async (page) => {
      await page.click('#nav-how');
      await page.waitForSelector('h1:text("How to read this")');
    });
  });

  test('names, roles, live regions and contrast', async () => {
    for (const look of LOOKS.slice(0, 2)) {
      for (const files of [[KEY, PROOF], [KEY, file('c.vproof', tampered(sample.proof)[0].bytes)]]) {
        const { page, context } = await open({ look });
        await choose(page, ...files);
        await verdict(page);
        await page.evaluate(() => document.querySelectorAll('details').forEach((d) => (d.open = true)));
        assert.equal(await page.getAttribute('#announce', 'aria-live'), 'polite');
        const nameless = await page.evaluate(() =>
          [...document.querySelectorAll('button, a, input')]
            .filter((e) => !(e.textContent.trim() || e.labels?.[0]?.textContent.trim() || e.getAttribute('aria-label')))
            .map((e) => e.outerHTML),
        );
        assert.deepEqual(nameless, []);
        const weak = await page.evaluate(lowContrast);
        assert.deepEqual(weak, [], look.name);
        await context.close();
      }
      const { page, context } = await open({ look, path: '#how' });
      assert.deepEqual(await page.evaluate(lowContrast), []);
      await context.close();
    }
  });

  test('on a phone nothing is wider than the screen', async () => {
    const { page, context } = await open({ look: LOOKS[2] });
    for (const act of [() => {}, () => page.click('#sample'), () => choose(page, KEY, file('n.vproof', tampered(sample.proof)[2].bytes)), () => page.click('#nav-how')]) {
      await act();
      await page.waitForTimeout(150);
      assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }
    await context.close();
  });
});

describe('what it asks of the network', () => {
  test('nothing after it is loaded; without a network it works, also after a reload', async () => {
    const { page, context, wrong } = await open();
    await page.waitForSelector('html[data-offline=yes]');
    const before = server.requests.length;
    const asked = [];
    context.on('request', (request) => asked.push(request.url()));
    const sockets = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    await page.click('#sample');
    await verdict(page);
    await choose(page, file('x.vproof', tampered(sample.proof)[5].bytes));
    await page.waitForSelector('.verdict.refused');
    await choose(page, KEY, PROOF);
    await page.waitForSelector('.verdict.valid');
    await page.click('#nav-how');
    await page.click('#nav-check');
    await page.click('#share');
    await page.waitForTimeout(300);
    assert.deepEqual(asked, []);
    assert.deepEqual(sockets, []);
    assert.deepEqual(server.requests.slice(before), []);

    await context.setOffline(true);
    await page.goto(server.url);
    await page.waitForSelector('html[data-ready=yes]');
    await page.click('#sample');
    assert.equal((await verdict(page)).title, 'The proof holds');
    assert.deepEqual(server.requests.slice(before), []);
    assert.deepEqual(wrong, []);
    await context.close();
  });

  test('the policy forbids other servers and evaluated code', async () => {
    const { page, context } = await open();
    const outcome = await page.evaluate(async () => {
      const violations = [];
      addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
      await fetch('http://127.0.0.1:9/').catch(() => 0);
      // From a timer, because what the test evaluates itself is exempt from the policy.
      await new Promise((resolve) => setTimeout(() => {
        try {
          new Function('return 1')();
          violations.push('code was evaluated');
        } catch { /* wanted */ }
        resolve();
      }));
      try { document.body.innerHTML = '<b>x</b>'; } catch { /* wanted */ }
      const image = new Image();
      image.src = '/icon.png';
      await new Promise((resolve) => setTimeout(resolve, 200));
      return violations;
    });
    for (const directive of ['connect-src', 'require-trusted-types-for', 'img-src']) {
      assert(outcome.includes(directive), `${directive} is not among ${outcome}`);
    }
    assert(!outcome.includes('code was evaluated'));
    await context.close();
  });
});

describe('time', () => {
  test('the credit-risk proof in at most 30 ms, and at most 8 times native', async (t) => {
    const [{ milliseconds: machine }] = await native([{ ...sample, repeat: 41 }]);
    const { page, context } = await open();
    const times = [];
    for (let i = 0; i < 15; i++) {
      await page.evaluate(() => document.querySelector('.verdict')?.remove());
      await page.click('#sample');
      await verdict(page);
      const [, text] = (await page.textContent('.verdict')).match(/in (less than 1|[\d.]+) ms/);
      times.push(text.startsWith('less') ? 1 : Number(text));
    }
    t.diagnostic(`first ${times[0]} ms, median ${median(times)} ms, native ${machine.toFixed(2)} ms, ratio ${(median(times) / machine).toFixed(2)}`);
    assert(median(times) <= 30);
    assert(median(times) <= 8 * machine);
    await context.close();
  });

  test('a proof for Starknet in at most 8 times native', async (t) => {
    const [{ milliseconds: machine }] = await native([{ ...starknet, repeat: 11 }]);
    const { page, context, wrong } = await open();
    const times = [];
    for (let i = 0; i < 7; i++) {
      await page.evaluate(() => document.querySelector('.verdict')?.remove());
      await choose(page, file('starknet.vk', starknet.key), file('starknet.vproof', starknet.proof));
      const { title } = await verdict(page);
      assert.equal(title, 'The proof holds');
      const [, text] = (await page.textContent('.verdict')).match(/in ([\d.]+) ms/);
      times.push(Number(text));
    }
    t.diagnostic(`first ${times[0]} ms, median ${median(times)} ms, native ${machine.toFixed(1)} ms, ratio ${(median(times) / machine).toFixed(2)}`);
    assert(median(times) <= 8 * machine);
    assert.deepEqual(wrong, []);
    await context.close();
  });
});

describe('badge', () => {
  test('checks in place, says what is wrong, and honours a pinned fingerprint', async () => {
    const { page, context } = await open({ path: 'badge.html', ready: false });
    for (const [id, state] of [['good', 'valid'], ['pinned', 'refused'], ['foreign', 'refused'], ['missing', 'error']]) {
      await page.waitForSelector(`#${id}[state=${state}]`);
    }
    const text = (id) => page.locator(`#${id}`).evaluate((badge) => badge.shadowRoot.textContent);
    assert.match(await text('good'), /Proof holds.*probability 0\.\d+/);
    assert.match(await text('pinned'), /Another key/);
    assert.match(await text('foreign'), /not a Veristar proof/);
    assert.match(await text('missing'), /404/);
    // It can be opened by keyboard, and a change is checked.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert(await page.locator('#good details').evaluate((details) => details.open));
    const event = page.evaluate(
      () => new Promise((resolve) => addEventListener('veristar-verdict', ({ detail }) => resolve(detail.verdict.valid), { once: true })),
    );
    await page.locator('#missing').evaluate((badge) => badge.setAttribute('key', './sample/credit-risk.vk'));
    assert.equal(await event, true);
    await page.waitForSelector('#missing[state=valid]');
    await context.close();
    if (!SCREENSHOTS) return;
    for (const look of LOOKS) {
      const { page, context } = await open({ path: 'badge.html', ready: false, look });
      await page.waitForSelector('#good[state=valid]');
      await page.waitForSelector('#foreign[state=refused]');
      await page.waitForSelector('#missing[state=error]');
      await page.locator('#good').click();
      await page.screenshot({ path: join(SCREENSHOTS, `badge.${look.name}.png`), fullPage: true });
      await context.close();
    }
  });
});

/** In the page: texts whose contrast with what is behind them is too low (WCAG AA). */
function lowContrast() {
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length >= 3 && (color[3] ?? 1) > 0) return color;
    }
    return [255, 255, 255];
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const box = element.getBoundingClientRect();
    if (!node.data.trim() || box.width < 2 || box.height < 2 || element.closest('script, style, .hidden, .skip')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (contrast < (large ? 3 : 4.5)) weak.push(`${contrast.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
  }
  return weak;
}
