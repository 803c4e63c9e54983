// The page of the admin address in a browser, headless Chromium, with traffic behind it. Screenshots
// go to the folder screenshots beside the dependencies'.
//   node chromium_admin_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { Suite, within } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { binFolder, dependenciesFolder, WebSocket } from './dependencies.mjs';
import { Endpoint } from './endpoint.mjs';
import { MortalServer } from './mortal_server.mjs';
import { Peer } from './peer.mjs';
import { freePort, Sluice } from './sluice.mjs';

const screenshots = path.join(dependenciesFolder, '..', 'screenshots');
const patience = { timeout: 15_000 };
const hostile = '<img src=x onerror=hurt()>';
const hostilePath = '/&lt;img/src=x/onerror=hurt()&gt;x';  // as far as a path may hold it
const hostileSocket = `unix:${os.tmpdir()}/${hostile}-${process.pid}.sock`;

const suite = new Suite();
let browser;
let page;
let echo;
let mortal;
let sluice;
let admin;
const errors = [];
const elsewhere = [];

async function startSluice() {
  admin = `http://127.0.0.1:${await freePort()}`;
  const check = '  health_check tcp interval=200ms timeout=200ms fall=1 rise=1';
  const routes = [
    { path: '/chat', server: 'chat' },
    { path: '/rooms/with/a/path/that/is/much/longer/than/a/narrow/screen/is/wide', server: 'chat' },
    { path: hostilePath, server: 'mortal' },
  ];
  sluice = new Sluice(binFolder, routes, {
    top: [`admin ${admin.slice('http://'.length)}`, 'admin_allow 127.0.0.0/8', 'healthz /up',
          `listen "${hostileSocket}"`,
          'upstream chat', `  server ws://127.0.0.1:${echo.port}`, check,
          'upstream mortal', `  server ws://127.0.0.1:${mortal.port}`, check],
  });
  await sluice.start();
}

// What it says and asks for is noted.
async function openPage() {
  const opened = await browser.context.newPage();
  opened.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  opened.on('pageerror', (error) => errors.push(String(error)));
  opened.on('request', (request) => {
    if (!request.url().startsWith(`${admin}/`) && !request.url().startsWith('data:')) {
      elsewhere.push(request.url());
    }
  });
  await opened.goto(admin);
  await opened.waitForSelector('#state.well', patience);
  return opened;
}

const dial = (name) => page.textContent(`[data-dial="${name}"]`);

async function connect(target) {
  const client = new Endpoint(new WebSocket(sluice.url(target), [], { perMessageDeflate: false }));
  await client.opened();
  return client;
}

// Cells of the row that a name heads, by their columns.
const row = (section, name) => page.evaluate(([id, head]) => {
  for (const each of document.querySelectorAll(`#${id} tbody tr`)) {
    if (each.firstElementChild.textContent !== head) continue;
    return Object.fromEntries([...each.querySelectorAll('td')].map((cell) =>
      [cell.dataset.name, cell.textContent]));
  }
  return null;
}, [section, name]);

async function seeNumbersMove() {
  assert.equal(await dial('Sessions'), '0');
  const clients = [];
  for (let i = 0; i < 7; ++i) clients.push(await connect('/chat'));
  const talk = setInterval(() => {
    for (const client of clients) client.ws.send('x'.repeat(100));
  }, 20);
  try {
    await page.waitForFunction(() =>
      document.querySelector('[data-dial="Sessions"]').textContent === '7' &&
      Number(document.querySelector('[data-dial="Messages"]').textContent.replace(',', '')) > 100,
      undefined, patience);
    await page.waitForFunction(() => {
      const cells = [...document.querySelectorAll('#routes tbody tr')]
        .find((each) => each.firstElementChild.textContent === '/chat').cells;
      return cells[2].textContent === '7' && Number(cells[4].textContent.replace(',', '')) > 100;
    }, undefined, patience);
    const peer = await row('upstreams', `127.0.0.1:${echo.port}`);
    assert.deepEqual([peer.State, peer.Sessions], ['up', '7']);
    const drawn = await page.getAttribute('.dial:nth-child(3) .stroke', 'd');
    assert.match(drawn, /^M[\d. ]+L[\d. ]+/);
  } finally {
    clearInterval(talk);
  }
  for (const client of clients) client.ws.close(1000);
  await page.waitForFunction(() =>
    document.querySelector('[data-dial="Sessions"]').textContent === '0', undefined, patience);
}

// Of the busiest worker: the bar is as long as its text says, in percent.
const awaitLoad = (least, most) => page.waitForFunction(([low, high]) => {
  const loads = [...document.querySelectorAll('#workers td[data-name="Load"]')].map((cell) =>
    [parseInt(cell.textContent, 10), parseInt(cell.querySelector('.meter i').style.width, 10)]);
  const [text, bar] = loads.reduce((a, b) => (b[0] > a[0] ? b : a));
  return text === bar && text >= low && text <= high;
}, [least, most], patience);

async function seeLoadMove() {
  await awaitLoad(0, 1);
  const clients = [];
  for (let i = 0; i < 4; ++i) clients.push(await connect('/chat'));
  const talk = setInterval(() => {
    for (const client of clients) {
      for (let i = 0; i < 50; ++i) client.ws.send('x'.repeat(1000));
    }
  }, 5);
  try {
    await awaitLoad(3, 100);
  } finally {
    clearInterval(talk);
  }
  for (const client of clients) client.ws.close(1000);
  await awaitLoad(0, 1);
}

async function seeRefusals() {
  for (let i = 0; i < 3; ++i) {
    const answer = await fetch(`http://127.0.0.1:${sluice.port}/nowhere`);
    assert.equal(answer.status, 426);
  }
  // A balancer's question is no refusal.
  const well = await fetch(`http://127.0.0.1:${sluice.port}/up`);
  assert.deepEqual([well.status, await well.text()], [200, 'ok\n']);
  await page.waitForFunction(() =>
    document.querySelector('#refused tbody')?.textContent.includes('no WebSocket handshake3'),
    undefined, patience);
  assert.equal((await row('refused', '426'))['How often'], '3');
  assert.equal(await row('refused', '200'), null);
}

// A page that was just opened shows what was before it.
async function openAnother() {
  const other = await openPage();
  await other.waitForFunction(() => points.length >= 3 && points[1][0] - points[0][0] < 5_000,
                              undefined, patience);
  const drawn = await other.getAttribute('.dial:nth-child(3) .stroke', 'd');
  assert.ok(drawn.split('L').length >= 2, drawn);
  await other.close();
}

async function seeKilledPeer() {
  const name = `127.0.0.1:${mortal.port}`;
  assert.equal((await row('upstreams', name)).State, 'up');
  const red = page.waitForFunction((head) => {
    const found = [...document.querySelectorAll('#upstreams tbody tr.out')]
      .find((each) => each.firstElementChild.textContent === head);
    return found && getComputedStyle(found.querySelector('.state')).color;
  }, name, { ...patience, polling: 20 });
  await mortal.kill();
  const begin = Date.now();
  const color = await (await red).jsonValue();
  console.log(`admin page: a killed peer was red after ${Date.now() - begin} ms`);
  const [, r, g, b] = color.match(/rgb\((\d+), (\d+), (\d+)\)/).map(Number);
  assert.ok(r > 2 * g && r > 2 * b, color);
  assert.match((await row('upstreams', name)).State, /^out/);
  assert.match(await page.textContent('#told'), new RegExp(`peer ${name} of mortal is out`));
}

async function seeHostileNames() {
  // These come from the conf; the others from a status that was made for it.
  assert.ok(await row('routes', hostilePath));
  assert.ok(await row('listeners', hostileSocket));
  const kept = await page.evaluate((name) => {
    globalThis.hurt = () => { globalThis.is_hurt = true; };
    const replaced = (value, key) => {
      if (Array.isArray(value)) return value.map((each) => replaced(each, key));
      if (value && typeof value === 'object') {
        return Object.fromEntries(Object.entries(value).filter(([name]) => name !== 'by_route')
          .map(([name, each]) => [name, replaced(each, name)]));
      }
      return typeof value === 'string' ? `${name}__proto__` : value;
    };
    const before = document.querySelectorAll('*').length;
    const status = replaced(latest);
    status.refused_lately.by = { [name]: 3, __proto__x: 1, constructor: 2 };
    status.routes[0].refused = { [name]: 1 };
    status.certificates = [{ what: `${name}:1: tls_certificate: "${name}": a certificate in it`,
                             not_after_s: 2_000_000_000, days_left: 7 }];
    status.now_ms += 1;
    take(status);
    const shown = document.body.innerText;
    return { images: document.images.length, scripts: document.scripts.length,
             shown: shown.includes(name), more: document.querySelectorAll('*').length - before };
  }, hostile);
  assert.deepEqual([kept.images, kept.scripts, kept.shown], [0, 1, true]);
  await page.waitForFunction(() => latest.upstreams.some((each) => each.name === 'chat'),
                             undefined, patience);
  assert.equal(await page.evaluate(() => globalThis.is_hurt ?? false), false);
}

// Everything that can be used is reached by Tab, in the order in which it stands, and is seen to be.
async function goByKeyboard() {
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  const wanted = await page.evaluate(() =>
    [...document.querySelectorAll('a, button')].filter((each) => !each.hidden)
      .map((each) => each.textContent));
  assert.ok(wanted.length >= 11, wanted.join());
  const reached = [];
  for (const _ of wanted) {
    await page.keyboard.press('Tab');
    const { text, outline, inside } = await page.evaluate(() => {
      const element = document.activeElement;
      const box = element.getBoundingClientRect();
      return { text: element.textContent, outline: getComputedStyle(element).outlineStyle,
               inside: box.left >= 0 && box.top >= 0 && box.right <= innerWidth };
    });
    assert.ok(inside && outline === 'solid', `${text}: ${outline}`);
    reached.push(text);
  }
  assert.deepEqual(reached, wanted);
  await page.focus('#pause');
  await page.keyboard.press('Space');
  assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
  assert.equal(await page.textContent('#state'), 'paused');
  await page.keyboard.press('Enter');
  assert.equal(await page.textContent('#state'), 'live');
}

async function readByRoles() {
  const found = await page.evaluate(() => ({
    landmarks: ['header', 'nav', 'main', 'footer'].map((each) =>
      document.querySelectorAll(each).length),
    sections: [...document.querySelectorAll('section')].every((each) =>
      each.ariaLabel || document.getElementById(each.getAttribute('aria-labelledby'))),
    columns: [...document.querySelectorAll('thead th')].every((each) => each.scope === 'col'),
    rows: [...document.querySelectorAll('tbody th')].every((each) =>
      ['row', 'rowgroup'].includes(each.scope)),
    charts: [...document.querySelectorAll('.dial svg')].every((each) =>
      each.getAttribute('aria-label').includes('over the last five minutes')),
    live: document.querySelector('#state').role === 'status' &&
          document.querySelector('#told').ariaLive === 'polite',
    ids: new Set([...document.querySelectorAll('[id]')].map((each) => each.id)).size ===
         document.querySelectorAll('[id]').length,
    language: document.documentElement.lang,
  }));
  assert.deepEqual(found, { landmarks: [1, 1, 1, 1], sections: true, columns: true, rows: true,
                            charts: true, live: true, ids: true, language: 'en' });
}

// Of every text that is seen, against what is behind it (WCAG 2, 1.4.3).
const poorContrasts = () => page.evaluate(() => {
  const parsed = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) =>
    [r, g, b].map((part, i) => part * a + below[i] * (1 - a)).concat(1);
  const ground = (element) => {
    if (element === null) return [255, 255, 255, 1];
    return over(parsed(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  };
  const light = (color) => {
    const [r, g, b] = color.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || ['SCRIPT', 'STYLE'].includes(element.tagName)) continue;
    const behind = ground(element);
    const pair = [light(over(parsed(getComputedStyle(element).color), behind)), light(behind)];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) poor.push(`${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return poor;
});

async function lookAtIt() {
  fs.mkdirSync(screenshots, { recursive: true });
  const clients = [];
  for (let i = 0; i < 5; ++i) clients.push(await connect('/chat'));
  const talk = setInterval(() => {
    for (const client of clients) client.ws.send('x'.repeat(50 + Date.now() % 400));
  }, 30);
  try {
    await page.waitForFunction(() => {
      const shown = (name) => document.querySelector(`[data-dial="${name}"]`).textContent;
      return shown('Sessions') === '5' && shown('Messages') !== '0' && points.length > 12;
    }, undefined, patience);
    await photograph();
  } finally {
    clearInterval(talk);
    for (const client of clients) client.ws.close(1000);
  }
}

async function photograph() {
  await page.evaluate(() => document.activeElement.blur());
  for (const [width, height] of [[1280, 900], [800, 900], [420, 900], [320, 700]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const wide = await page.evaluate(() =>
        [document.documentElement, document.body].map((each) => each.scrollWidth));
      assert.ok(Math.max(...wide) <= width, `${wide} in ${width}`);
      assert.deepEqual(await poorContrasts(), []);
      if (width === 800 || width === 320) continue;
      await page.screenshot({ path: path.join(screenshots, `page-${width}-${colorScheme}.png`),
                              fullPage: true });
    }
  }
  // The path that has no room in one line is there all the same.
  assert.ok(await page.evaluate(() => [...document.querySelectorAll('#routes tbody th')]
    .every((each) => each.scrollWidth <= each.clientWidth)));
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

async function guardIt() {
  const answer = await fetch(admin);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^' ]+'; script-src 'sha256-[^' ]+'; /);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  // What is not the page's own does not run, whoever puts it there.
  const other = await browser.context.newPage();
  await other.goto(admin);
  const ran = await other.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.is_hurt = true';
    document.body.append(script);
    return globalThis.is_hurt ?? false;
  });
  assert.equal(ran, false);
  await other.close();
}

const children = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  .split(' ').map(Number);

// A page that is cut off says so, and comes back by itself when there is another keeper.
async function loseKeeper() {
  assert.deepEqual(errors, []);
  assert.deepEqual(elsewhere, []);
  const status = await (await fetch(`${admin}/status.json`)).json();
  const workers = status.workers.map((worker) => worker.pid);
  const [keeper, ...others] = children(sluice.process.pid).filter((pid) => !workers.includes(pid));
  assert.ok(keeper && others.length === 0, `${keeper} ${others}`);
  const before = await page.evaluate(() => points[0]);
  const cut = page.waitForFunction(() =>
    document.querySelector('#state').textContent === 'cut off' &&
    document.title === 'sluice, cut off' && document.body.classList.contains('cut'),
    undefined, { ...patience, polling: 10 });
  process.kill(keeper, 'SIGKILL');
  await cut;
  await page.waitForSelector('#state.well', patience);
  assert.equal(await page.evaluate(() => document.title), 'sluice');
  assert.deepEqual(await page.evaluate(() => points[0]), before);  // what it knew, it still knows
}

// Pages that are gone make room for others. A browser has six connections to one host.
async function openMany() {
  for (let round = 0; round < 6; ++round) {
    const pages = await Promise.all([...Array(4)].map(() => browser.context.newPage()));
    await Promise.all(pages.map(async (each) => {
      await each.goto(admin);
      await each.waitForSelector('#state.well', patience);
    }));
    await Promise.all(pages.map((each) => each.close()));
  }
}

suite.check('admin page: numbers move', seeNumbersMove);
suite.check('admin page: the load of workers moves', seeLoadMove);
suite.check('admin page: what was refused, and why', seeRefusals);
suite.check('admin page: a new page knows the minutes before', openAnother);
suite.check('admin page: names that would do harm are names', seeHostileNames);
suite.check('admin page: by keyboard', goByKeyboard);
suite.check('admin page: a killed peer turns red', seeKilledPeer);
suite.check('admin page: landmarks, headers and live regions', readByRoles);
suite.check('admin page: light, dark, wide and narrow', lookAtIt);
suite.check('admin page: many pages, one after the other', openMany);
suite.check('admin page: cut off and back, without an error until then', loseKeeper);
suite.check('admin page: its policy lets nothing else run', guardIt);

await suite.run({
  prepare: async () => {
    echo = await Peer.startEcho();
    mortal = await MortalServer.start();
    await startSluice();
    browser = await Chromium.start();
    page = await openPage();
  },
  finish: async () => {
    await browser?.stop();
    echo?.stop();
    sluice?.killNow();
    await within(10, 'end of sluice', sluice?.exited);
    fs.rmSync(hostileSocket.slice('unix:'.length), { force: true });
  },
  onFailure: () => {
    console.log(`--- of the page\n${errors.concat(elsewhere).join('\n')}`);
    sluice?.printTails();
  },
});
