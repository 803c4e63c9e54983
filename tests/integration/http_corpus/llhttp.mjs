// A reader of HTTP/1.1 requests that others wrote: node's server, over a strict llhttp. Reads a
// JSON list of streams (base64) from stdin; writes what it parsed of each: the whole messages, and
// the error that ended the reading, or "".
import http from 'node:http';
import process from 'node:process';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';

class Connection extends Duplex {
  _read() {}
  _write(chunk, encoding, done) {
    done();
  }
  setTimeout() {}
}

function parse(bytes) {
  return new Promise((resolve) => {
    const seen = { messages: [], error: '' };
    const server = http.createServer({ insecureHTTPParser: false, requireHostHeader: false,
      keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
    server.on('clientError', (error) => {
      seen.error ||= error.code ?? String(error);
    });
    const take = (request, answer) => {
      const parts = [];
      request.on('data', (part) => parts.push(part));
      request.on('error', () => {}); // cut off: no whole message
      request.on('end', () => {
        seen.messages.push({ method: request.method, target: request.url,
          version: request.httpVersion, chunked: 'transfer-encoding' in request.headers,
          body: Buffer.concat(parts).toString('base64'), trailers: request.rawTrailers });
        answer.end();
      });
    };
    for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, take);
    const connection = new Connection({ allowHalfOpen: true });
    server.emit('connection', connection);
    connection.push(bytes);
    connection.push(null);
    const settled = () => resolve(seen);
    // Everything was pushed at once, and all that the server does about it are a few rounds.
    let rounds = 0;
    const wait = () => (++rounds < 20 ? setImmediate(wait) : settled());
    setImmediate(wait);
  });
}

const streams = JSON.parse(await buffer(process.stdin));
const parsed = [];
for (const stream of streams) parsed.push(await parse(Buffer.from(stream, 'base64')));
process.stdout.write(JSON.stringify(parsed));
