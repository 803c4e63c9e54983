// The test authority and its certificates (certificates.sh), in a temporary folder that goes with
// this program, and what sluice, servers and clients are told to use them.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const maker = fileURLToPath(new URL('certificates.sh', import.meta.url));

export class Certificates {
  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-certificates-'));
    process.on('exit', () => fs.rmSync(this.folder, { recursive: true, force: true }));
    const made = spawnSync('sh', [maker, this.folder], { encoding: 'utf8', timeout: 60_000 });
    if (made.status !== 0) throw new Error(`no certificates: ${made.error ?? made.stderr}`);
  }

  path(file) {
    return path.join(this.folder, file);
  }

  get authority() {
    return fs.readFileSync(this.path('ca.pem'));
  }

  // The options `cert` and `key` of node's clients and servers.
  pair(name) {
    return {
      cert: fs.readFileSync(this.path(`${name}.pem`)),
      key: fs.readFileSync(this.path(`${name}.key`)),
    };
  }

  // Lines that make a listener one of TLS.
  listen(name = 'server') {
    return [`tls_certificate ${this.path(`${name}.pem`)}`, `tls_key ${this.path(`${name}.key`)}`];
  }

  get trust() {
    return `tls_ca ${this.path('ca.pem')}`;
  }
}
