// Endpoint: one end of a WebSocket of npm's ws, as client or as server; it keeps what happens to it
// until somebody asks.
import crypto from 'node:crypto';

import { within } from './check.mjs';

// Values in the order of arrival; whoever asks first gets the first.
class Arrivals {
  #kept = [];
  #asking = [];

  push(value) {
    const ask = this.#asking.shift();
    if (ask) ask(value);
    else this.#kept.push(value);
  }

  next(seconds, what) {
    if (this.#kept.length > 0) return Promise.resolve(this.#kept.shift());
    return within(seconds, what, new Promise((resolve) => this.#asking.push(resolve)));
  }
}

export class Endpoint {
  #messages = new Arrivals();
  #pings = new Arrivals();
  #pongs = new Arrivals();
  #closes = new Arrivals();

  constructor(ws, request) {
    this.ws = ws;
    this.request = request; // server: the upgrade request
    ws.on('message', (data, binary) => this.#messages.push(binary ? data : data.toString()));
    ws.on('ping', (data) => this.#pings.push(data.toString()));
    ws.on('pong', (data) => this.#pongs.push(data.toString()));
    ws.on('close', (code, reason) => this.#closes.push({ code, reason: reason.toString() }));
    ws.on('error', (error) => (this.error = error));
  }

  // Text comes as string, binary as Buffer.
  message(seconds = 15) {
    return this.#messages.next(seconds, 'message');
  }

  pinged() {
    return this.#pings.next(15, 'ping');
  }

  ponged() {
    return this.#pongs.next(15, 'pong');
  }

  closed(seconds = 15) {
    return this.#closes.next(seconds, 'close');
  }

  get socket() {
    return this.ws._socket; // for the checks that break a connection below the protocol
  }

  async opened() {
    if (this.ws.readyState === this.ws.OPEN) return;
    await within(15, 'open', new Promise((resolve, reject) => {
      this.ws.once('open', resolve);
      this.ws.once('close', () => reject(this.error ?? new Error('closed before it was open')));
    }));
  }

  // Resolves once the bytes are with the kernel.
  send(data, options = {}) {
    return new Promise((resolve, reject) => {
      this.ws.send(data, options, (error) => (error ? reject(error) : resolve()));
    });
  }
}

// Bytes that compress to about half, so that compressed frames are large, too.
export function someBytes(length) {
  const bytes = crypto.randomBytes(length);
  for (let i = 0; i < length; i += 2) bytes[i] = 0;
  return bytes;
}

// Text of at least that many UTF-8 bytes, in characters of one to four bytes.
export function someText(bytes) {
  const words = 'Schleuse, écluse, шлюз, 水門, 🚪 ';
  return words.repeat(Math.ceil(bytes / Buffer.byteLength(words)));
}
