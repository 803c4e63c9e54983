// Runs in the page: its WebSockets by number, each keeping what happens to it until the test asks.
// Bytes travel between page and test as base64.
const sockets = [];

function toBase64(bytes) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.readAsDataURL(new Blob([bytes]));
  });
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function describe({ data }) {
  if (typeof data === 'string') return { type: 'message', kind: 'text', text: data };
  const kind = data instanceof Blob ? 'blob' : 'arraybuffer';
  return { type: 'message', kind, base64: await toBase64(data) };
}

// Returns the number by which the test names the socket from then on.
function openSocket(url, protocols, binaryType) {
  const ws = new WebSocket(url, protocols);
  ws.binaryType = binaryType;
  const events = [];
  const asking = [];
  const push = (event) => {
    const ask = asking.shift();
    if (ask) ask(event);
    else events.push(event);
  };
  ws.onopen = () => push({ type: 'open', protocol: ws.protocol, extensions: ws.extensions });
  ws.onmessage = (event) => push(describe(event));
  ws.onerror = () => push({ type: 'error' });
  ws.onclose = ({ code, reason, wasClean }) => push({ type: 'close', code, reason, wasClean });
  const next = () =>
    events.length > 0 ? events.shift() : new Promise((resolve) => asking.push(resolve));
  return sockets.push({ ws, next }) - 1;
}

function sendBytes(number, base64, asBlob) {
  const bytes = fromBase64(base64);
  sockets[number].ws.send(asBlob ? new Blob([bytes]) : bytes.buffer);
}

// As many sockets at once, each with messages of its own to an echo server; returns how many went
// well.
async function echoOnMany(url, count, turns) {
  const echoes = async (_, index) => {
    const { ws, next } = sockets[openSocket(url, [], 'arraybuffer')];
    if ((await next()).type !== 'open') return false;
    for (let turn = 0; turn < turns; ++turn) {
      const text = `${index}/${turn} ${'.'.repeat(index * turn * 10)}`;
      ws.send(text);
      if ((await next()).text !== text) return false;
    }
    ws.close(4000 + index);
    const { type, code, wasClean } = await next();
    return type === 'close' && code === 4000 + index && wasClean;
  };
  const went = await Promise.all(Array.from({ length: count }, echoes));
  return went.filter((well) => well).length;
}
