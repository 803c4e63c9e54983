// A Jupyter server and Node-RED through one listener of the real binary, in headless Chromium: their
// pages load, their sockets live, and the console has no error that it has not without sluice.
// `make apps` runs it: installing both takes too long for every test run.
//   node apps_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER APPS_FOLDER
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import process from 'node:process';

import { startJupyter, startNodeRed } from './apps.mjs';
import { Suite, until, within } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { binFolder } from './dependencies.mjs';
import { Sluice } from './sluice.mjs';

const stage = {
  async start() {
    const packages = resolve(process.argv[4]);
    [this.jupyter, this.red] = await Promise.all([startJupyter(), startNodeRed(packages)]);
    const route = (path, { port }) => (
      { path, server: `http://127.0.0.1:${port}`, lines: ['http on'] });
    this.sluice = new Sluice(binFolder, [
      route('/jupyter', this.jupyter), route('/red', this.red), route('/ui', this.red)]);
    await this.sluice.start();
    this.browser = await Chromium.start();
  },

  async stop() {
    await this.browser?.stop();
    for (const app of [this.jupyter, this.red]) app?.stop();
    await this.sluice?.stop();
  },
};

// Opens a page, has `use` see that it works, and returns what its console says at `error`.
async function visit(origin, path, use) {
  const tab = await stage.browser.context.newPage();
  const wrong = [];
  const sockets = []; // its WebSockets, with the frames that came and went
  tab.on('console', (line) => line.type() === 'error' && wrong.push(`${line.text()} ${line.location().url}`));
  tab.on('pageerror', (error) => wrong.push(String(error)));
  tab.on('websocket', (socket) => {
    const seen = { url: socket.url(), received: 0, sent: 0, error: undefined };
    sockets.push(seen);
    socket.on('framereceived', () => ++seen.received).on('framesent', () => ++seen.sent);
    socket.on('socketerror', (error) => (seen.error = error));
  });
  await tab.goto(origin + path, { waitUntil: 'load' });
  await use(tab, sockets);
  await tab.close();
  assert.deepEqual(sockets.filter((each) => each.error), []);
  return wrong.map((each) => each.replaceAll(origin, ''));
}

// The same page without sluice between and through it: its console must say no more there. Of the
// pages here only Node-RED's dashboard has anything of its own to say.
async function compare(app, path, use) {
  const own = new Set(await visit(`http://127.0.0.1:${app.port}`, path, use));
  const through = await visit(`http://127.0.0.1:${stage.sluice.port}`, path, use);
  if (own.size > 0) console.log(`${path} by itself: ${[...own].join('; ')}`);
  assert.deepEqual(through.filter((each) => !own.has(each)), []);
}

// A condition in the page that comes true.
const holds = (tab, what, condition) =>
  within(30, what, tab.waitForFunction(condition, undefined, { timeout: 0 }));

async function executeCell() {
  await compare(stage.jupyter, '/jupyter/notebooks/sum.ipynb', async (tab, sockets) => {
    await holds(tab, 'a kernel',
                () => window.Jupyter?.notebook?.kernel?.info_reply.status === 'ok');
    await tab.evaluate(() => Jupyter.notebook.execute_cell_range(0, 1));
    await holds(tab, 'the sum',
                () => Jupyter.notebook.get_cell(0).output_area.outputs[0]?.data['text/plain'] === '2');
    const [kernel] = sockets.filter((each) => each.url.includes('/channels'));
    assert.ok(kernel.received > 0 && kernel.sent > 0);
  });
}

async function listFiles() {
  await compare(stage.jupyter, '/jupyter/tree', (tab) => holds(
    tab, 'the list', () => document.querySelector('#notebook_list')?.textContent.includes('sum.ipynb')));
}

async function showCharts() {
  await compare(stage.red, '/ui/', async (tab, sockets) => {
    await holds(tab, 'a chart', () => document.querySelector('.nr-dashboard-chart canvas') !== null);
    await until(30, 'numbers by WebSocket', () => sockets.some((each) => each.received > 50));
    assert.ok(sockets[0].url.includes('/ui/socket.io/'));
  });
}

async function openEditor() {
  await compare(stage.red, '/red/', async (tab, sockets) => {
    await holds(tab, 'the flow', () => Boolean(window.RED?.nodes?.node('chart')));
    await until(30, 'its socket', () => sockets.some((each) => each.url.includes('/red/comms') && each.received > 0));
  });
}

async function seeLog() {
  const lines = stage.sluice.accessLines();
  for (const route of ['/jupyter', '/red', '/ui']) {
    assert.ok(lines.some((line) => line.includes(' request ') && line.includes(` route=${route} `)), route);
    assert.ok(lines.some((line) => line.includes(' open ') && line.includes(` route=${route} `)), route);
  }
  console.log(`${lines.length} access lines`);
}

const suite = new Suite({ limitSeconds: 240 });
suite.check("Jupyter's list of files", listFiles, { seconds: 60 });
suite.check('a Jupyter kernel computes 1+1', executeCell, { seconds: 90 });
suite.check("Node-RED's dashboard draws", showCharts, { seconds: 60 });
suite.check("Node-RED's editor", openEditor, { seconds: 60 });
suite.check('all of it in the access log', seeLog);
await suite.run({
  prepare: () => stage.start(),
  finish: () => stage.stop(),
  onFailure: () => {
    stage.sluice?.printTails();
    for (const app of [stage.jupyter, stage.red]) console.log(app?.output.slice(-2000));
  },
});
