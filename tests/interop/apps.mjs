// Applications that people put behind a proxy, as they come: a Jupyter server (Debian's
// jupyter-notebook) and Node-RED with its dashboard (npm). Each is a process with a folder of its own,
// on a path of its own.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { freePort } from './sluice.mjs';

const notebook = {
  cells: [{ cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: '1+1' }],
  metadata: { kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' } },
  nbformat: 4,
  nbformat_minor: 4,
};

// Every 100 ms a number, into a chart and a gauge.
const flows = [
  { id: 'tab', type: 'tab', label: 'numbers' },
  { id: 'often', type: 'inject', z: 'tab', props: [{ p: 'payload' }], repeat: '0.1', once: true,
    onceDelay: 0.1, payload: '', payloadType: 'date', wires: [['sine']] },
  { id: 'sine', type: 'function', z: 'tab', func: 'msg.payload = 50 + 40 * Math.sin(Date.now() / 500); return msg;',
    outputs: 1, wires: [['chart', 'gauge']] },
  { id: 'page', type: 'ui_tab', name: 'Numbers', icon: 'dashboard', order: 1 },
  { id: 'second', type: 'ui_tab', name: 'Nothing', icon: 'dashboard', order: 2 }, // so there is a menu
  { id: 'group', type: 'ui_group', name: 'Live', tab: 'page', order: 1, disp: true, width: '8' },
  { id: 'chart', type: 'ui_chart', z: 'tab', group: 'group', order: 1, width: 0, height: 0, label: 'wave',
    chartType: 'line', legend: 'false', xformat: 'HH:mm:ss', interpolate: 'linear', ymin: '0', ymax: '100',
    removeOlder: 1, removeOlderPoints: '100', removeOlderUnit: '60', outputs: 1, wires: [[]] },
  { id: 'gauge', type: 'ui_gauge', z: 'tab', group: 'group', order: 2, width: 0, height: 0, gtype: 'gage',
    title: 'now', label: 'units', format: '{{value | number:2}}', min: 0, max: '100', wires: [] },
];

class App {
  async start(program, words, { folder, readyAt }) {
    this.output = '';
    this.process = spawn(program, words, {
      cwd: folder,
      detached: true, // a group of its own: kernels end with it
      env: { ...process.env, HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    process.on('exit', () => this.stop());
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => (this.output += data));
    }
    this.process.on('error', (error) => (this.output += String(error)));
    const end = Date.now() + 60_000;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.port}${readyAt}`).catch(() => undefined);
      if (answer?.ok) return this;
      if (Date.now() > end || this.process.exitCode !== null) {
        throw new Error(`${program} does not serve: ${this.output.slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  stop() {
    if (!this.process?.pid) return;
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch {
      // It has gone.
    }
  }
}

function newFolder(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `sluice-${name}-`));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

// With a notebook "sum.ipynb", under /jupyter.
export async function startJupyter() {
  const jupyter = new App();
  jupyter.port = await freePort();
  const folder = newFolder('jupyter');
  fs.writeFileSync(path.join(folder, 'sum.ipynb'), JSON.stringify(notebook));
  const settings = { ip: '127.0.0.1', port: jupyter.port, port_retries: 0, base_url: '/jupyter/', token: '',
                     open_browser: 'False', allow_root: 'True', quit_button: 'False' };
  const words = Object.entries(settings).map(([name, value]) => `--NotebookApp.${name}=${value}`);
  return jupyter.start('/usr/bin/jupyter-notebook', words, { folder, readyAt: '/jupyter/api' });
}

// Its editor under /red, its dashboard under /ui. `packages` is where npm put it.
export async function startNodeRed(packages) {
  const red = new App();
  red.port = await freePort();
  const folder = newFolder('node-red');
  fs.writeFileSync(path.join(folder, 'flows.json'), JSON.stringify(flows));
  fs.writeFileSync(path.join(folder, 'settings.js'), `module.exports = ${JSON.stringify({
    uiHost: '127.0.0.1',
    uiPort: red.port,
    httpAdminRoot: '/red',
    flowFile: 'flows.json',
    nodesDir: [path.join(packages, 'node_modules', 'node-red-dashboard')],
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, palette: { catalogues: [] } }, // nothing from the Internet
  })};\n`);
  // Who has none of his own gets 404 for it, which the browser's console tells.
  const dashboard = path.join(packages, 'node_modules', 'node-red-dashboard', 'dist');
  fs.writeFileSync(path.join(dashboard, 'loading.html'), '<div></div>\n');
  const program = path.join(packages, 'node_modules', 'node-red', 'red.js');
  const words = [program, '--userDir', folder, '--settings', path.join(folder, 'settings.js')];
  return red.start(process.execPath, words, { folder, readyAt: '/ui/' });
}
