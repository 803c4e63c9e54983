# CurlServer: what sluice relays curl's requests to; it answers each one as its path says and keeps
# what it was asked. It speaks just enough of both protocols.
import base64
import hashlib
import socketserver
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
FRAMES = b"\x81\x05hello" + b"\x88\x02\x03\xe8"  # a text, Close 1000

REFUSALS = {
    "/server/forbidden": b"HTTP/1.1 403 Forbidden\r\nX-Why: not you\r\n"
                         b"Content-Length: 4\r\n\r\nno!\n",
    "/server/chunked": b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n4\r\nwho?\r\n1\r\n\n\r\n0\r\n\r\n",
    "/server/broken": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nonly half",
}


class Handler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self):
        line = self.rfile.readline().decode("latin-1").strip()
        if line == "":
            return
        fields = []
        while (field := self.rfile.readline().decode("latin-1").strip()) != "":
            name, value = field.split(":", 1)
            fields.append((name.lower(), value.strip()))
        self.server.requests.append((line, fields))
        path = line.split(" ")[1].split("?")[0]
        if path in REFUSALS:
            self.wfile.write(REFUSALS[path])
        else:
            self.accept(dict(fields))

    def accept(self, fields):
        digest = hashlib.sha1(fields["sec-websocket-key"].encode() + GUID).digest()
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         b"Connection: Upgrade\r\nSec-WebSocket-Accept: " +
                         base64.b64encode(digest) + b"\r\nX-Served-By: lock\r\n\r\n" + FRAMES)
        self.rfile.read()  # until sluice ends it: curl does not answer a Close


class CurlServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.requests = []  # (request line, [(name in lower case, value)])
        threading.Thread(target=self.serve_forever, daemon=True).start()
