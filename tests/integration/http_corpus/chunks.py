"""The chunked coding: sizes, extensions, line ends, trailers (RFC 9112 7.1), each behind a POST."""
from http_corpus.case import Sent, as_bytes, chunked, passed, refused, request, spelled

HELLO = b"hello"
ENDED = b"\r\nhello\r\n0\r\n\r\n"

SIZES = ("5", "05", "005", "0" * 15 + "5")
# Fifteen digits of zero and one more are as many as a size may have.
NO_SIZES = (
    "", " ", "+5", "-5", " 5", "\t5", "5 ", "5\t", "0x5", "0X5", "5h", "h5", "x5", "\\x35", "%35",
    "5.0", "5,5", "5,", "5_", "g", "five", "5 5", "\x005", "5\x00", "5\x0b", "\x0c5", "5\x7f",
    "\xb25", "\xb5", '"5"', "(5)", "5=", "=5", "0" * 16 + "5", "0" * 100 + "5", "8000000000000000",
    "8000000000000005", "ffffffffffffffff", "FFFFFFFFFFFFFFFB", "10000000000000005",
    "100000000000000000000000000000005", "\r5", "\n5", "5\r", "-0", "+0",
)

EXTENSIONS = (
    ";a", ";a=b", ";a=b;c=d", ";a;b;c", ';a="b"', ';a=""', ';a="b c"', ';a="b\tc"', ';a="b;c"',
    ';a="\\""', ';a="\\\\"', ';a="b=c"', ';a="\xe4"', ";a=5", ";A-Z.0!#$%&'*+^_`|~=b",
    ";" + "a" * 1000,
)
NO_EXTENSIONS = (
    ";", ";;", ";=", ";=b", ";a=", ";a=;b", "; a", ";a ", ";a =b", ";a= b", " ;a", "\t;a", ";a\t",
    ";a=b ", ';a="b', ';a="b"c', ';a=b"', ';a="\x00"', ';a="\x0b"', ';a="\x7f"', ";a=b,c", ";a/b",
    ";(a)", ";a@b", ";\x00", ";a=\x00", ";a=\xe4", ";\xe4", ",a", ":a", "=a", ';a="b\\', ";a=b;",
    ';"a"', ";a==b", ';a="b\r\nc"', ";a\n", ";a=b\n", ";a\rb", ";a=b\r", ';a="b\nc"', ';a="b\rc"',
    ";a\r\r", "\r",
)

# Chunks that are not where their size says, or not ended as RFC 9112 7.1 has it.
NO_CHUNKS = {
    "a size's line ended by LF": b"5\nhello\r\n0\r\n\r\n",
    "a size's line ended by CR": b"5\rhello\r\n0\r\n\r\n",
    "a chunk ended by LF": b"5\r\nhello\n0\r\n\r\n",
    "a chunk ended by CR": b"5\r\nhello\r0\r\n\r\n",
    "a chunk ended by LF CR": b"5\r\nhello\n\r0\r\n\r\n",
    "a chunk without an end": b"5\r\nhello0\r\n\r\n",
    "a chunk ended by two bytes": b"5\r\nhelloXX0\r\n\r\n",
    "a chunk ended by blanks": b"5\r\nhello  0\r\n\r\n",
    "a chunk ended by CR and a byte": b"5\r\nhello\rX0\r\n\r\n",
    "a chunk ended twice": b"5\r\nhello\r\n\r\n0\r\n\r\n",
    "a size too small": b"4\r\nhello\r\n0\r\n\r\n",
    "a size too large by one": b"6\r\nhello\r\n0\r\n\r\n",
    "a size too large by two": b"7\r\nhello\r\n0\r\n\r\n",
    "a size too large by three": b"8\r\nhello\r\n0\r\n\r\n",
    "an empty line before the first size": b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "the last size ended by LF": b"5\r\nhello\r\n0\n\r\n",
    "the last size ended by CR": b"5\r\nhello\r\n0\r\r\n",
    "the last line ended by LF": b"5\r\nhello\r\n0\r\n\n",
    "the last line ended by CR": b"5\r\nhello\r\n0\r\n\rX",
    "the last lines ended by LF": b"5\r\nhello\r\n0\n\n",
    "a blank in the last line": b"5\r\nhello\r\n0\r\n \r\n",
    "a tab in the last line": b"5\r\nhello\r\n0\r\n\t\r\n",
    "only LF": b"5\nhello\n0\n\n",
    "no chunks, but bytes": b"hello",
    "no chunks, but a request": b"GET /inner HTTP/1.1\r\nHost: a.example\r\n\r\n",
}

TRAILERS = (
    "X-T: 1", "X-T:1", "X-T:", "X-T: ", "x-t: a b\tc", "X-T: \xe4", "X-T: a\r\nX-U: b",
    "!#$%&'*+-.^_`|~: 1", "X-T: \"q\"", "X-T: a: b", "Content-MD5: 1", "Server-Timing: a;dur=1",
    "X-Content-Length: 5", "Content-Length-X: 5", "Hos: t", "Hosts: t", "ETag: \"1\"",
)
# RFC 9110 6.5.1: who merges them into the head would be told of framing, routes or rights.
HEADS_FIELDS = (
    "Content-Length", "content-length", "CONTENT-LENGTH", "Transfer-Encoding", "transfer-encoding",
    "Host", "hOST", "Connection", "Trailer", "TE", "Upgrade", "Expect", "Authorization", "Cookie",
    "Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "X-Forwarded-For",
    "Forwarded", "Keep-Alive", "Proxy-Authorization",
)
NO_TRAILERS = (
    "X-T", "X-T 1", "X-T : 1", "X-T\t: 1", ": 1", " X-T: 1", "\tX-T: 1", "X-T: 1\r\n folded",
    "X-T: 1\r\n\tfolded", "X-T:\r\n 1", "X T: 1", "X(T): 1", "X\x00T: 1", "X-T: \x00", "X-T: \x01",
    "X-T: \x7f", "X-T: \x0b", "X-T: a\rb", "X-T: a\r", "X-T: a\nX-U: b", "\xe4: 1", "X-T;: 1",
    "\"X\": 1", "\rX-T: 1", "X-T: 1\r\r",
)


def post(body, *fields):
    return request("POST / HTTP/1.1", "Transfer-Encoding: chunked", *fields, body=body)


def sent(body=HELLO, trailers=()):
    return Sent("POST", "/", body, chunked=True, trailers=trailers)


def sizes():
    for size in SIZES:
        yield passed(f"size {spelled(size)}", post(as_bytes(size) + ENDED), sent())
    for size in NO_SIZES:
        yield refused(f"no size {spelled(size)}", post(as_bytes(size) + ENDED), 400)
    for size in NO_SIZES[1:33]:
        # The last one: what is a number there ends the body.
        last = as_bytes(size.replace("5", "0"))
        yield refused(f"no last size {spelled(last)}",
                      post(b"5\r\nhello\r\n" + last + b"\r\n\r\n"), 400)
    ten = b"0123456789"
    for size in ("a", "A", "0a", "000A"):
        yield passed(f"size {size}", post(as_bytes(size) + b"\r\n" + ten + b"\r\n0\r\n\r\n"),
                     sent(ten))
    many = b"x" * 0xABCD
    for size in ("abcd", "ABCD", "aBcD", "0000aBCd"):
        yield passed(f"size {size}", post(as_bytes(size) + b"\r\n" + many + b"\r\n0\r\n\r\n"),
                     sent(many))
    for zero in ("0", "00", "0" * 16):
        yield passed(f"last size {zero}", post(b"5\r\nhello\r\n" + as_bytes(zero) + b"\r\n\r\n"),
                     sent())
        yield passed(f"nothing, size {zero}", post(as_bytes(zero) + b"\r\n\r\n"), sent(b""))
    yield refused("last size of 17 digits", post(b"0" * 17 + b"\r\n\r\n"), 400)
    yield passed("one byte each", post(chunked(b"h", b"e", b"l", b"l", b"o")), sent())


def extensions():
    for extension in EXTENSIONS:
        line = as_bytes(extension)
        yield passed(f"extension {spelled(extension)}", post(b"5" + line + ENDED), sent())
        yield passed(f"last extension {spelled(extension)}",
                     post(b"5\r\nhello\r\n0" + line + b"\r\n\r\n"), sent())
    for extension in NO_EXTENSIONS:
        line = as_bytes(extension)
        yield refused(f"no extension {spelled(extension)}", post(b"5" + line + ENDED), 400)
        yield refused(f"no last extension {spelled(extension)}",
                      post(b"5\r\nhello\r\n0" + line + b"\r\n\r\n"), 400)
    for length in (20_000, 100_000):
        for form in (b";" + b"a" * length, b";a=" + b"b" * length, b';a="' + b"c" * length + b'"',
                     b";a=b" * (length // 4)):
            yield refused(f"extension {spelled(form)}", post(b"5" + form + ENDED), 400, 431)


def ends():
    for name, body in NO_CHUNKS.items():
        yield refused(name, post(body), 400)
    whole = chunked(HELLO)
    for length in range(len(whole)):
        yield passed(f"cut behind {length} bytes", post(whole[:length]), cut=True)
    yield passed("a size below 2^63, cut", post(b"7fffffffffffffff\r\nhello"), cut=True)


def trailers():
    for lines in TRAILERS:
        split = tuple(tuple(part.strip(" ") for part in line.split(":", 1))
                      for line in lines.split("\r\n"))
        yield passed(f"trailer {spelled(lines)}",
                     post(chunked(HELLO, trailers=as_bytes(lines) + b"\r\n")),
                     sent(trailers=split))
    for name in HEADS_FIELDS:
        yield refused(f"trailer {name}", post(chunked(HELLO, trailers=as_bytes(name) + b": 5\r\n")),
                      400)
        yield refused(f"second trailer {name}",
                      post(chunked(HELLO, trailers=b"X: y\r\n" + as_bytes(name) + b":5\r\n")), 400)
    for line in NO_TRAILERS:
        yield refused(f"no trailer {spelled(line)}",
                      post(chunked(HELLO, trailers=as_bytes(line) + b"\r\n")), 400)
    yield passed("trailers announced", post(chunked(HELLO, trailers=b"X-T: 1\r\n"), "Trailer: X-T"),
                 sent(trailers=(("X-T", "1"),)))
    for form in (b"X-T: " + b"a" * 20_000, b"X" * 20_000 + b": 1",
                 b"X-T: 1\r\n" * 3_000 + b"X-T: 1"):
        yield refused(f"trailer {spelled(form)}", post(chunked(HELLO, trailers=form + b"\r\n")),
                      400, 431)


GROUPS = {"sizes of chunks": sizes, "extensions of chunks": extensions, "ends of chunks": ends,
          "trailers": trailers}
