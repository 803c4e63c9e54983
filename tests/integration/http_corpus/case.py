"""One input of the corpus: what a client sends, what of it must reach the upstream, and what
becomes of the rest. Builders write the bytes around what a case is about."""
import dataclasses

HOST = "a.example"
# Stands behind what must be refused: bytes that are judged as a request of their own would show.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Sent:
    """A request that must reach the upstream once and whole."""
    method: str
    target: str
    body: bytes = b""
    host: str = HOST
    version: str = "1.1"
    chunked: bool = False
    trailers: tuple = ()
    has: tuple = ()  # fields (name, value) that must travel on
    lacks: tuple = ()  # names of fields that must not


@dataclasses.dataclass(frozen=True)
class Case:
    """`sent` are answered in order, and then: with `refused` comes one of these statuses and the
    end, with `closes` the end; with `cut` the client ends its side in the middle of what follows,
    which must come to nothing. Else the connection takes another request."""
    name: str
    data: bytes
    sent: tuple = ()
    refused: tuple = ()
    closes: bool = False
    cut: bool = False


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def field_lines(fields):
    """Fields as they stand, of (name, value) or whole lines without their end."""
    lines = b""
    for field in fields:
        line = field if isinstance(field, (str, bytes)) else f"{field[0]}: {field[1]}"
        lines += as_bytes(line) + b"\r\n"
    return lines


def request(line, *fields, body=b"", host=HOST):
    """A request's bytes; `host` None: without that field."""
    lines = ([("Host", host)] if host is not None else []) + list(fields)
    return as_bytes(line) + b"\r\n" + field_lines(lines) + b"\r\n" + as_bytes(body)


def chunked(*parts, trailers=b"", end=b"0\r\n"):
    """A body in chunks of these parts."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return chunks + end + trailers + b"\r\n"


def refused(name, data, *statuses):
    """Refused with one of these statuses; what stands behind it must vanish."""
    return Case(name, data + SMUGGLED, refused=statuses)


def passed(name, data, *sent, **how):
    """Reaches the upstream as these requests; with `refused` what stands behind them is."""
    return Case(name, data + (SMUGGLED if "refused" in how else b""), sent=sent, **how)


def spelled(text):
    """A short name for bytes in a case's name."""
    shown = repr(as_bytes(text))[2:-1]
    return shown if len(shown) <= 48 else f"{shown[:40]}...({len(text)})"
