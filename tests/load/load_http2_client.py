"""A client of WebSockets over HTTP/2 (RFC 8441), with python3-h2, which knows nothing of nghttp2: it
raises where a peer breaks RFC 9113 or sends more than its windows allow."""
import socket
import ssl
import struct
import sys

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
    from h2.settings import SettingCodes
except ImportError:
    sys.exit("this needs Debian's python3-h2, which is for /usr/bin/python3")

KEY = b"\x01\x02\x03\x04"


def masked_frame(first, payload):
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack(">H", size) \
        if size < 65536 else bytes([0xFF]) + struct.pack(">Q", size)
    mask = int.from_bytes((KEY * (size // 4 + 1))[:size], "big")
    return bytes([first]) + head + KEY + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


class Http2Client:
    """One connection. What came on a stream is in streams[id]."""

    class Stream:
        def __init__(self):
            self.head = None
            self.data = b""
            self.unconsumed = 0
            self.ended = False
            self.reset = None

        def take_frame(self):
            """The first frame that came, or None while it is not whole."""
            if len(self.data) < 2:
                return None
            length, begin = self.data[1], 2
            assert length < 128, "a mask"
            if length >= 126:
                begin = 4 if length == 126 else 10
                if len(self.data) < begin:
                    return None
                length = int.from_bytes(self.data[2:begin], "big")
            if len(self.data) < begin + length:
                return None
            frame = self.data[0], self.data[begin:begin + length]
            self.data = self.data[begin + length:]
            return frame

    def __init__(self, address, trust=None):
        host, port = address.rsplit(":", 1)
        self.authority = address
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.scheme = "https" if trust else "http"
        if trust:
            context = ssl.create_default_context(cafile=trust)
            context.set_alpn_protocols(["http/1.1", "h2"])  # the server's order counts
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
            assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.streams = {}
        self.settled = False
        self.ended = None  # GOAWAY's code, or "FIN"
        self.hold = set()  # streams whose windows are left shut
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def receive(self):
        bytes_ = self.socket.recv(65536)
        if not bytes_:
            self.ended = self.ended or "FIN"
            return
        for event in self.h2.receive_data(bytes_):
            self.note(event)
        self.flush()

    def note(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.ended = event.error_code
        elif stream is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            stream.head = {name.decode(): value.decode() for name, value in
                           ((bytes(n, "ascii") if isinstance(n, str) else n,
                             bytes(v, "ascii") if isinstance(v, str) else v)
                            for n, v in event.headers)}
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            self.h2.increment_flow_control_window(event.flow_controlled_length or 1)
            if event.stream_id in self.hold:
                stream.unconsumed += event.flow_controlled_length
            elif event.flow_controlled_length:
                self.open_window(event.stream_id, event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = event.error_code

    def open_window(self, number, size):
        try:
            self.h2.increment_flow_control_window(size, number)
        except h2.exceptions.StreamClosedError:
            pass  # its end came with the same bytes

    def release(self, number):
        self.hold.discard(number)
        self.open_window(number, self.streams[number].unconsumed)
        self.streams[number].unconsumed = 0
        self.flush()

    def until(self, condition):
        while not condition():
            assert self.ended is None, self.ended
            self.receive()

    def settle(self):
        """What the server's SETTINGS say."""
        self.until(lambda: self.settled)
        return self.h2.remote_settings

    def ask(self, fields, end=False):
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = self.Stream()
        self.h2.send_headers(number, fields, end_stream=end)
        self.flush()
        return number

    def request(self, method="GET", **how):
        return self.ask([(":method", method), (":scheme", self.scheme), (":path", "/any"),
                         (":authority", self.authority)], **how)

    def connect(self, *fields, protocol="websocket", version="13", path="/chat?a=1"):
        """A stream's number, of which the answer is still to come."""
        self.settle()
        version_field = [("sec-websocket-version", version)] if version else []
        return self.ask([(":method", "CONNECT"), (":protocol", protocol),
                         (":scheme", self.scheme), (":path", path),
                         (":authority", self.authority), *version_field, *fields])

    def answer(self, number):
        self.until(lambda: self.streams[number].head or self.streams[number].reset is not None)
        return self.streams[number].head

    def send(self, number, data):
        """All of it, as far as windows allow at a time."""
        while data:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room == 0:
                self.receive()
                continue
            self.h2.send_data(number, data[:room])
            self.flush()
            data = data[room:]

    def frame(self, number):
        """The next frame that came on that stream: first byte and payload."""
        found = []

        def whole():
            found.append(self.streams[number].take_frame())
            return found[-1] is not None
        self.until(whole)
        return found[-1]

    def end(self, number):
        self.h2.end_stream(number)
        self.flush()

    def until_ended(self, number):
        self.until(lambda: self.streams[number].ended or self.streams[number].reset is not None)
        return self.streams[number]
