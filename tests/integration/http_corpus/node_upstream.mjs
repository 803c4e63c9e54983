// An upstream that others wrote: node's server, over a strict llhttp. Its first line on stdout is its
// port, each further one a request that it read whole, as JSON. It answers as recorder.py does.
import http from 'node:http';
import process from 'node:process';

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, '0');
}

// Tells of the request, and returns the receipt for it.
function note(request, body) {
  process.stdout.write(`${JSON.stringify({
    method: request.method, target: request.url, version: request.httpVersion,
    body: body.toString('base64'), fields: request.rawHeaders, trailers: request.rawTrailers,
  })}\n`);
  return `${request.method} ${request.url} ${body.length} ${crc32(body)}\n`;
}

const server = http.createServer({
  insecureHTTPParser: false, requireHostHeader: false, maxHeaderSize: 64 * 1024,
}, (request, answer) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('error', () => {}); // cut off: no whole request
  request.on('end', () => {
    const body = note(request, Buffer.concat(parts));
    answer.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
});
server.on('upgrade', (request, socket) => {
  const body = note(request, Buffer.alloc(0));
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 403 No WebSockets\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
             `Connection: close\r\n\r\n${body}`);
});
process.stdin.on('end', () => process.exit(0)).resume(); // whoever started it is gone
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
