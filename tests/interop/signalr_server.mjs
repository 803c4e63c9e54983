// SignalRServer: a hub as ASP.NET Core's are, by hand, on the path /hub: negotiation, and each of the
// three transports. Messages are JSON, each with a byte 0x1e behind it.
// https://github.com/dotnet/aspnetcore/tree/main/src/SignalR/docs/specs
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

import { WebSocketServer } from './dependencies.mjs';

const separator = '\x1e';
const pollMs = 300; // so long a poll waits
export const transports = ['WebSockets', 'ServerSentEvents', 'LongPolling'];

// One client's side of the hub, over whichever transport. `send(text)` gives it what is to go out.
class Connection {
  send = (text) => this.#queued.push(text);
  transport = 'none';
  #queued = [];
  #greeted = false;

  take() {
    return this.#queued.splice(0).join('');
  }

  hear(text) {
    for (const each of text.split(separator).slice(0, -1)) this.#answer(JSON.parse(each));
  }

  #answer(message) {
    if (!this.#greeted) {
      this.#greeted = message.protocol === 'json' && message.version === 1;
      this.#say(this.#greeted ? {} : { error: 'another protocol' });
    } else if (message.type === 1) { // an invocation
      const [argument] = message.arguments;
      this.#say({ type: 1, target: 'heard', arguments: [argument] });
      this.#say({ type: 3, invocationId: message.invocationId, result: `${message.target}: ${argument}` });
    } else if (message.type === 4) { // a stream
      for (let item = 0; item < message.arguments[0]; ++item) {
        this.#say({ type: 2, invocationId: message.invocationId, item });
      }
      this.#say({ type: 3, invocationId: message.invocationId });
    }
  }

  #say(message) {
    this.send(JSON.stringify(message) + separator);
  }
}

async function bodyOf(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

export class SignalRServer {
  connections = new Map(); // by their tokens

  static async start() {
    const server = new SignalRServer();
    server.http = http.createServer((request, answer) => server.#serve(request, answer));
    server.webSockets = new WebSocketServer({ noServer: true });
    server.http.on('upgrade', (request, socket, head) => server.#upgrade(request, socket, head));
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    return server;
  }

  get port() {
    return this.http.address().port;
  }

  stop() {
    for (const client of this.webSockets.clients) client.terminate();
    this.http.close();
    this.http.closeAllConnections();
  }

  #of(request) {
    const id = new URL(request.url, 'http://x').searchParams.get('id');
    return this.connections.get(id);
  }

  async #serve(request, answer) {
    const url = new URL(request.url, 'http://x');
    if (request.method === 'POST' && url.pathname === '/hub/negotiate') {
      return this.#negotiate(request, answer);
    }
    const connection = this.#of(request);
    if (url.pathname !== '/hub' || !connection) return answer.writeHead(404).end();
    if (request.method === 'POST') {
      connection.hear(await bodyOf(request));
      return answer.end();
    }
    if (request.method === 'DELETE') {
      this.connections.delete(url.searchParams.get('id'));
      return answer.writeHead(202).end();
    }
    if (request.headers.accept === 'text/event-stream') return this.#streamEvents(connection, answer);
    return this.#poll(connection, answer);
  }

  async #negotiate(request, answer) {
    await bodyOf(request);
    const [connectionId, connectionToken] = [randomUUID(), randomUUID()];
    this.connections.set(connectionToken, new Connection());
    answer.setHeader('Content-Type', 'application/json');
    answer.end(JSON.stringify({
      negotiateVersion: 1,
      connectionId,
      connectionToken,
      availableTransports: transports.map((transport) => ({ transport, transferFormats: ['Text'] })),
    }));
  }

  #upgrade(request, socket, head) {
    const connection = this.#of(request);
    if (!connection) return socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    connection.transport = 'WebSockets';
    this.webSockets.handleUpgrade(request, socket, head, (ws) => {
      connection.send = (text) => ws.send(text);
      ws.on('message', (data) => connection.hear(data.toString()));
    });
  }

  #streamEvents(connection, answer) {
    connection.transport = 'ServerSentEvents';
    answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    answer.write(':\r\n\r\n');
    connection.send = (text) => answer.write(`data: ${text}\r\n\r\n`);
  }

  // The first poll is answered at once: it says that the connection stands.
  #poll(connection, answer) {
    answer.setHeader('Content-Type', 'text/plain');
    if (connection.transport === 'none') {
      connection.transport = 'LongPolling';
      return answer.end();
    }
    const end = Date.now() + pollMs;
    const look = () => {
      const text = connection.take();
      if (text === '' && Date.now() < end) return setTimeout(look, 5);
      return answer.end(text);
    };
    return look();
  }
}
