// MortalServer: a server in a process of its own, to be killed. Run as a program, this file is that
// process, an echo server; it prints its port and ends with the pipe to its standard input. Any
// other program that does so may take its place.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { within } from './check.mjs';
import { binFolder, dependenciesFolder } from './dependencies.mjs';
import { Peer } from './peer.mjs';

const thisFile = fileURLToPath(import.meta.url);

export class MortalServer {
  static async start(program = thisFile, ...options) {
    const server = new MortalServer();
    server.process = spawn(process.execPath, [program, binFolder, dependenciesFolder, ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    server.exited = once(server.process, 'exit');
    const [line] = await within(15, 'port of the server', once(server.process.stdout, 'data'));
    server.port = Number(line.toString());
    return server;
  }

  async kill() {
    this.process.kill('SIGKILL');
    await within(15, 'end of the server', this.exited);
  }
}

if (process.argv[1] === thisFile) {
  const peer = await Peer.startEcho();
  console.log(peer.port);
  process.stdin.resume().on('end', () => process.exit(0));
}
