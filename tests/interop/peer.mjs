// Peer: a server of npm's ws on a port of its own, what sluice relays to.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';

import { within } from './check.mjs';
import { WebSocketServer } from './dependencies.mjs';
import { Endpoint } from './endpoint.mjs';

export class Peer {
  #asking = [];
  #waiting = [];

  // `options` are those of WebSocketServer, and `tls`, those of an https server; with
  // `onConnection` the peer acts by itself.
  static async start({ tls, ...options } = {}, onConnection) {
    const peer = new Peer();
    peer.secure = tls !== undefined;
    peer.http = peer.secure ? https.createServer(tls) : http.createServer();
    peer.wss = new WebSocketServer({ server: peer.http, perMessageDeflate: false, ...options });
    peer.wss.on('connection', (ws, request) => {
      const endpoint = new Endpoint(ws, request);
      if (onConnection) onConnection(endpoint);
      else peer.#onConnection(endpoint);
    });
    peer.http.listen(0, '127.0.0.1');
    await once(peer.http, 'listening');
    return peer;
  }

  // Answers every message with the same.
  static startEcho(options = {}) {
    return Peer.start(options, (endpoint) => {
      endpoint.ws.on('message', (data, binary) => endpoint.ws.send(data, { binary }));
    });
  }

  get port() {
    return this.http.address().port;
  }

  get server() {
    return `${this.secure ? 'wss' : 'ws'}://127.0.0.1:${this.port}`;
  }

  // The server's end of the next connection; in the order of accepting.
  accept() {
    if (this.#waiting.length > 0) return Promise.resolve(this.#waiting.shift());
    const next = new Promise((resolve) => this.#asking.push(resolve));
    return within(15, 'connection at the server', next);
  }

  #onConnection(endpoint) {
    const ask = this.#asking.shift();
    if (ask) ask(endpoint);
    else this.#waiting.push(endpoint);
  }

  stop() {
    for (const ws of this.wss.clients) ws.terminate();
    this.http.close();
    this.http.closeAllConnections();
  }
}

// A plain HTTP server that answers an upgrade with whatever `answer(socket, request)` writes.
export async function startRaw(answer) {
  const server = http.createServer();
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => {});
    answer(socket, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, stop: () => server.close() };
}
