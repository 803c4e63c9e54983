# ClientHellos made by hand, so that they offer what no library would, and what a server says to
# them: enough of RFC 5246 and RFC 8446 to learn versions, suites, groups and alerts.
import os
import socket
import struct

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
ALERT, HANDSHAKE = 21, 22
SERVER_HELLO, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 2, 12, 14
HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 40, 70, 86
HEARTBEAT, KEY_SHARE, SUPPORTED_VERSIONS = 15, 51, 43
FALLBACK_SCSV = 0x5600  # RFC 7507
# RFC 8446 4.1.3: the random of a HelloRetryRequest, and the ends of those of a downgraded hello.
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DOWNGRADED_TO_12 = b"DOWNGRD\x01"
# Every scheme that a server could want to sign with (RFC 8446 4.2.3, RFC 5246 7.4.1.4.1).
SIGNATURES = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201,
              0x0203, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b]
# Neither suites nor groups: grease (RFC 8701) and signalling values.
GREASE = {0x0a0a + 0x1010 * i for i in range(16)}
ALL_SUITES = [code for code in range(1, 0xffff) if code not in GREASE | {0x00ff, FALLBACK_SCSV}]
ALL_GROUPS = [code for code in range(1, 0x400) if code not in GREASE]


def numbers(values):
    body = b"".join(struct.pack(">H", value) for value in values)
    return struct.pack(">H", len(body)) + body


def short_numbers(values):
    body = b"".join(struct.pack(">H", value) for value in values)
    return bytes([len(body)]) + body


def client_hello(suites, groups=(29, 23), versions=(), legacy_version=TLS12, compressions=b"\0"):
    """As records. With `versions` it offers TLS 1.3's key exchange, yet without a key."""
    extensions = [(10, numbers(groups)), (11, b"\x01\x00"), (13, numbers(SIGNATURES)), (23, b""),
                  (HEARTBEAT, b"\x01"), (0xff01, b"\x00")]
    if versions:
        extensions += [(SUPPORTED_VERSIONS, short_numbers(versions)), (KEY_SHARE, numbers([]))]
    tail = b"".join(struct.pack(">HH", kind, len(data)) + data for kind, data in extensions)
    body = (struct.pack(">H", legacy_version) + os.urandom(32) + b"\x00" + numbers(suites) +
            bytes([len(compressions)]) + compressions + struct.pack(">H", len(tail)) + tail)
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    pieces = [message[at:at + 16384] for at in range(0, len(message), 16384)]
    version = min(legacy_version, TLS10)
    return b"".join(struct.pack(">BHH", HANDSHAKE, version, len(piece)) + piece for piece in pieces)


class Answer:
    """What a server said to a ClientHello, up to its first alert or the end of its flight."""

    def __init__(self):
        self.alert = None  # its description
        self.version = self.suite = self.compression = self.group = None
        self.random = b""
        self.extensions = {}

    def take_hello(self, body):
        self.version = struct.unpack_from(">H", body)[0]
        self.random = body[2:34]
        at = 35 + body[34]
        self.suite, self.compression = struct.unpack_from(">HB", body, at)
        at += 5
        while at < len(body):
            kind, length = struct.unpack_from(">HH", body, at)
            self.extensions[kind] = body[at + 4:at + 4 + length]
            at += 4 + length
        if SUPPORTED_VERSIONS in self.extensions:
            self.version = struct.unpack(">H", self.extensions[SUPPORTED_VERSIONS])[0]
        if self.random == RETRY and KEY_SHARE in self.extensions:
            self.group = struct.unpack(">H", self.extensions[KEY_SHARE])[0]

    def take_message(self, kind, body):
        """True where nothing more need be read."""
        if kind == SERVER_HELLO:
            self.take_hello(body)
            return self.version == TLS13
        if kind == SERVER_KEY_EXCHANGE and body[0] == 3:  # a named curve (RFC 8422 5.4)
            self.group = struct.unpack_from(">H", body, 1)[0]
        return kind == SERVER_HELLO_DONE


def read_exactly(stream, count):
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


def read_answer(stream):
    answer = Answer()
    messages = b""
    while True:
        kind, _, length = struct.unpack(">BHH", read_exactly(stream, 5))
        data = read_exactly(stream, length)
        if kind == ALERT:
            answer.alert = data[1]
            return answer
        messages += data
        while len(messages) >= 4 and len(messages) >= 4 + int.from_bytes(messages[1:4], "big"):
            end = 4 + int.from_bytes(messages[1:4], "big")
            if answer.take_message(messages[0], messages[4:end]):
                return answer
            messages = messages[end:]


def say_hello(port, *args, **options):
    """The Answer to a ClientHello; EOFError where the server ends without a word."""
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        connection.sendall(client_hello(*args, **options))
        with connection.makefile("rb") as stream:
            return read_answer(stream)


def take_all(offer, ask):
    """Everything that the server takes of `offer`, in turn: `ask(rest)` gives its next choice, None
    where it wants nothing of the rest."""
    taken = []
    rest = list(offer)
    while (chosen := ask(rest)) is not None:
        taken.append(chosen)
        rest.remove(chosen)
    return taken
