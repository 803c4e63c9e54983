"""A second reader of HTTP/1.1 requests, by the grammar of RFC 9112 alone: it takes nothing that the
RFC lets a recipient take out of kindness, so that all recipients agree on what it takes."""
import dataclasses
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/1\.([01])" % TOKEN)
FIELD = re.compile(rb"(%s):(%s)" % (TOKEN, TEXT))
QUOTED = rb'"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
EXTENSION = rb";%s(?:=(?:%s|%s))?" % (TOKEN, TOKEN, QUOTED)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:%s)*" % EXTENSION)
LENGTH = re.compile(rb"[0-9]{1,19}")


class Malformed(Exception):
    """No two recipients need agree on this."""


class Incomplete(Exception):
    """The message goes on behind the bytes that are there."""


@dataclasses.dataclass
class Message:
    """A request as it was read."""
    method: str
    target: str
    version: str
    fields: list  # of (name, value)
    body: bytes = b""
    chunked: bool = False
    trailers: tuple = ()

    def all(self, name):
        return [value for other, value in self.fields if other.lower() == name.lower()]

    @property
    def key(self):
        """What all recipients must agree on."""
        return self.method, self.target, self.version, self.chunked, self.body, self.trailers


class Reader:
    """Reads messages one behind the other from bytes."""

    def __init__(self, data, at=0):
        self.data = data
        self.at = at

    def line(self):
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise Incomplete()
        line = self.data[self.at:end + 1]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Malformed(f"a line does not end in CR LF: {line[:80]!r}")
        self.at = end + 1
        return line[:-2]

    def take(self, count):
        if len(self.data) - self.at < count:
            raise Incomplete()
        taken = self.data[self.at:self.at + count]
        self.at += count
        return taken

    def fields(self):
        found = []
        while line := self.line():
            field = FIELD.fullmatch(line)
            if not field:
                raise Malformed(f"no field: {line[:80]!r}")
            found.append((field[1].decode(), field[2].strip(b" \t").decode("latin-1")))
        return found

    def head(self):
        line = self.line()
        words = REQUEST_LINE.fullmatch(line)
        if not words:
            raise Malformed(f"no request line: {line[:80]!r}")
        method, target, minor = (word.decode() for word in words.groups())
        message = Message(method, target, "1." + minor, self.fields())
        if len(message.all("Host")) != 1:
            raise Malformed("not one Host")
        return message

    def message(self):
        message = self.head()
        lengths, codings = message.all("Content-Length"), message.all("Transfer-Encoding")
        if len(lengths) + len(codings) > 1:
            raise Malformed("more than one framing")
        if codings:
            if codings[0].lower() != "chunked" or message.version == "1.0":
                raise Malformed(f"Transfer-Encoding: {codings[0]}")
            message.chunked = True
            message.body, message.trailers = self.chunks()
        elif lengths:
            if not LENGTH.fullmatch(lengths[0].encode("latin-1")) or int(lengths[0]) >= 1 << 63:
                raise Malformed(f"Content-Length: {lengths[0]}")
            message.body = self.take(int(lengths[0]))
        return message

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            size = CHUNK_LINE.fullmatch(line)
            if not size or int(size[1], 16) >= 1 << 63:
                raise Malformed(f"no chunk's line: {line[:80]!r}")
            if int(size[1], 16) == 0:
                return body, tuple(self.fields())
            body += self.take(int(size[1], 16))
            if self.take(2) != b"\r\n":
                raise Malformed("a chunk has no end")


def read_all(data):
    """The whole messages in it, what is left behind the last one, and why nothing more was read:
    "" where it merely goes on."""
    reader, messages, begin = Reader(data), [], 0
    try:
        while begin < len(data):
            messages.append(reader.message())
            begin = reader.at
    except Incomplete:
        pass
    except Malformed as why:
        return messages, data[begin:], str(why)
    return messages, data[begin:], ""
