"""Where a message ends: Content-Length and Transfer-Encoding in every spelling (RFC 9112 6)."""
from http_corpus.case import Sent, chunked, passed, refused, request, spelled

HELLO = b"hello"
HELLO_CHUNKED = chunked(HELLO)
POST = Sent("POST", "/", HELLO)
POST_CHUNKED = Sent("POST", "/", HELLO, chunked=True)

# Lines that say: five bytes.
FIVE = (
    "Content-Length: 5", "content-length: 5", "CONTENT-LENGTH: 5", "cOnTeNt-LeNgTh: 5",
    "Content-Length:5", "Content-Length:     5", "Content-Length:\t5", "Content-Length: \t 5",
    "Content-Length: 5 ", "Content-Length: 5   ", "Content-Length: 05",
    "Content-Length: 0005", "Content-Length: " + "0" * 40 + "5",
)

# What is no length, where five bytes follow.
NO_LENGTH = (
    "", " ", "+5", "-5", "-0", "+0", "0x5", "0X5", "5h", "h5", "5.0", "5e0", "5,", ",5", "5,5",
    "5, 5", "5, 6", "5,,5", "5 5", "5\t5", "5;", "5;a=b", "5 (five)", "(5)", "'5'", '"5"', "five",
    "NaN", "%35", "0b101", "5_0", "\x0b5", "5\x0b", "5\x0c", "\x0c5", "5\x00", "\x005", "5\x00 6",
    # No harm, but llhttp takes blanks behind the digits and no tabs.
    "5\t", "5 \t ",
    "5\xa0", "\xa05", "\xb2", "\xb9", "5\x7f", "5\r6", "\r5", "5\r",
    "18446744073709551616", "18446744073709551621", "99999999999999999999",
    "340282366920938463463374607431768211461", "1" * 200,
    # Others count in signed numbers.
    "9223372036854775808", "18446744073709551615",
)

# Lines that no field may look like, or a value that is cut in two by a fold (RFC 9112 5.1, 5.2).
NO_LINES = (
    "{name} : {value}", "{name}\t: {value}", "{name}  : {value}", " {name}: {value}",
    "\t{name}: {value}", "{name}\x00: {value}", "\x00{name}: {value}", "{name}\x0b: {value}",
    "{name}\x0c: {value}", "{name}\r: {value}", "\r{name}: {value}", "{name}:\r\n {value}",
    "{name}:\r\n\t{value}", "{name}: \r\n {value}", "{name}: {value}\r\n ", "{name}",
    "{name} {value}", "{name};: {value}", "{name}\x85: {value}", "\xef\xbb\xbf{name}: {value}",
    "X: y\n{name}: {value}", "X: y\r{name}: {value}", "{name}: {value}\n",
    "X: y\r\n\n{name}: {value}",
)

# Lines that say: in chunks.
IN_CHUNKS = (
    "Transfer-Encoding: chunked", "transfer-encoding: chunked", "TRANSFER-ENCODING: chunked",
    "tRANSFER-eNCODING: chunked", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked",
    "Transfer-Encoding:  \t chunked", "Transfer-Encoding: chunked ", "Transfer-Encoding: chunked\t",
    "Transfer-Encoding: Chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding: cHuNkEd",
)

# Codings that are not exactly `chunked`: nobody here can take them away.
OTHER_CODINGS = (
    "", "identity", "gzip", "gzip, chunked", "gzip,chunked", "chunked, gzip", "chunked, chunked",
    "chunked,chunked", "identity, chunked", "chunked, identity", "xchunked", "x-chunked",
    "chunkedx", "chunke", "chunk", "hunked", "chunked-", "chunked,", "chunked ,", ",chunked",
    ", chunked", "chunked;", "chunked;q=1", "chunked;a=b", "chunked; a=b", '"chunked"', "'chunked'",
    "chunked (comment)", "(chunked)", "chunked chunked", "chunked gzip", "gzip chunked",
    "cow, chunked", "deflate, gzip, chunked", "chunked\xa0", "\xa0chunked", "chunke\xe4",
    "chun\xe2\x84\xaaed", "%63hunked", "chunked%20", "trailers", "compress", "*", "chunked=",
    "=chunked",
)

# Bytes that no value may hold.
NOT_IN_VALUES = ("\x00", "\x01", "\x08", "\x0b", "\x0c", "\x0e", "\x1f", "\x7f", "\r")


def post(*lines, body=HELLO, version="1.1"):
    return request(f"POST / HTTP/{version}", *lines, body=body)


def coding_refused_with(value):
    """RFC 9112 6.1, 6.3: what is unknown is not implemented; `chunked` twice or before another
    coding is wrong whatever the other is."""
    elements = [element.strip(" ").lower() for element in value.split(",")]
    return (400, 501) if "chunked" in elements[:-1] else (501,)


def lengths():
    for line in FIVE:
        yield passed(f"length {spelled(line)}", post(line), POST)
    for value in NO_LENGTH:
        yield refused(f"no length {spelled(value)}", post(f"Content-Length: {value}"), 400)
    for form in NO_LINES:
        line = form.format(name="Content-Length", value="5")
        yield refused(f"no line {spelled(line)}", post(line), 400)
    for zero in ("0", "00", "0" * 30):
        yield passed(f"length {zero}", post(f"Content-Length: {zero}", body=b""), Sent("POST", "/"))
    yield passed("no length at all", post(body=b""), Sent("POST", "/"))
    for value in ("9223372036854775807", "6", "1000000"):
        yield passed(f"length {value}, cut", post(f"Content-Length: {value}"), cut=True)
    yield passed("length 4, a byte too many", post("Content-Length: 4"), Sent("POST", "/", b"hell"),
                 refused=(400, 501))
    # Other names are other fields.
    for name in ("Content_Length", "Content-Length-X", "X-Content-Length", "ContentLength",
                 "Content-Lengt", "Content.Length", "Length"):
        yield passed(f"{name} is no length", post((name, "5")), Sent("POST", "/"),
                     refused=(400, 501))


def doubled():
    for first, second in (("5", "5"), ("5", "6"), ("6", "5"), ("0", "5"), ("5", "0"), ("5", "05"),
                          ("5", ""), ("", "5"), ("5", "+5"), ("5", "5,5"), ("0", "0")):
        for name in ("Content-Length", "content-length"):
            yield refused(f"{name} {first!r} and {second!r}",
                          post(("Content-Length", first), (name, second)), 400)
    yield refused("lengths apart", post(("Content-Length", 5), ("X", "y"), ("Content-Length", 5)),
                  400)
    yield refused("three lengths", post(*[("Content-Length", 5)] * 3), 400)


def codings():
    for line in IN_CHUNKS:
        yield passed(f"coding {spelled(line)}", post(line, body=HELLO_CHUNKED), POST_CHUNKED)
    for value in OTHER_CODINGS:
        yield refused(f"coding {spelled(value)}",
                      post(f"Transfer-Encoding: {value}", body=HELLO_CHUNKED),
                      *coding_refused_with(value))
    for byte in NOT_IN_VALUES:
        for value in (byte + "chunked", "chunked" + byte, "chun" + byte + "ked"):
            yield refused(f"coding {spelled(value)}",
                          post(f"Transfer-Encoding: {value}", body=HELLO_CHUNKED), 400)
    for form in NO_LINES:
        line = form.format(name="Transfer-Encoding", value="chunked")
        yield refused(f"no line {spelled(line)}", post(line, body=HELLO_CHUNKED), 400)
    for first, second in (("chunked", "chunked"), ("chunked", "identity"), ("identity", "chunked"),
                          ("gzip", "chunked"), ("chunked", "gzip"), ("", "chunked"),
                          ("chunked", ""), ("chunked", "Chunked"), ("x", "y")):
        yield refused(f"codings {first!r} and {second!r}",
                      post(("Transfer-Encoding", first), ("transfer-encoding", second),
                           body=HELLO_CHUNKED), *coding_refused_with(f"{first}, {second}"))
    for name in ("Transfer_Encoding", "Transfer-Encoding-X", "X-Transfer-Encoding",
                 "TransferEncoding", "Transfer.Encoding", "Transfer-Encodin", "TE"):
        yield passed(f"{name} is no coding", post((name, "chunked"), body=HELLO_CHUNKED),
                     Sent("POST", "/"), refused=(400, 501))


# Both (RFC 9112 6.1): who believes which differs.
def both():
    length, coding = "Content-Length: {}", "Transfer-Encoding: {}"
    for value in ("5", "0", "15", "05", ""):
        for name in ("chunked", "Chunked", "identity", "gzip, chunked", "chunked, identity",
                     "xchunked",
                     ""):
            pair = (length.format(value), coding.format(name))
            # Where either is wrong by itself, this may be what is told.
            statuses = (400,) if name.lower() == "chunked" or value == "" else (400, 501)
            for order, lines in (("length first", pair), ("coding first", pair[::-1])):
                yield refused(f"{order}: {value!r}, {name!r}", post(*lines, body=HELLO_CHUNKED),
                              *statuses)
    for version in ("1.0", "1.1"):
        for line in IN_CHUNKS[:6]:
            yield refused(f"HTTP/{version} with length and {spelled(line)}",
                          post("Content-Length: 5", line, body=HELLO_CHUNKED, version=version), 400)
    yield refused("both, apart", post("Content-Length: 5", "X: y", "Transfer-Encoding: chunked",
                                      body=HELLO_CHUNKED), 400)
    yield refused("both in a GET", request("GET / HTTP/1.1", "Content-Length: 5",
                                           "Transfer-Encoding: chunked", body=HELLO_CHUNKED), 400)


# RFC 9112 6.1: a 1.0 sender does not know of codings.
def in_http_1_0():
    for value in ("chunked", "Chunked", "identity", "gzip", "", "chunked, chunked"):
        yield refused(f"HTTP/1.0, coding {value!r}",
                      post(f"Transfer-Encoding: {value}", body=HELLO_CHUNKED, version="1.0"), 400)
    for line in FIVE[:6]:
        yield passed(f"HTTP/1.0, {spelled(line)}", post(line, version="1.0"),
                     Sent("POST", "/", HELLO, version="1.0"), closes=True)
    for value in NO_LENGTH[:12]:
        yield refused(f"HTTP/1.0, no length {spelled(value)}",
                      post(f"Content-Length: {value}", version="1.0"), 400)
    yield passed("HTTP/1.0, POST without a length", post(body=b"", version="1.0"),
                 Sent("POST", "/", version="1.0"), closes=True)


# RFC 9110 9.3: a body may stand in any request; what it means is the upstream's to say.
def methods_with_bodies():
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        line = f"{method} /x HTTP/1.1"
        yield passed(f"{method} with a length", request(line, "Content-Length: 5", body=HELLO),
                     Sent(method, "/x", HELLO))
        yield passed(f"{method} in chunks",
                     request(line, "Transfer-Encoding: chunked", body=HELLO_CHUNKED),
                     Sent(method, "/x", HELLO, chunked=True))
        yield passed(f"{method} of nothing", request(line, "Content-Length: 0"), Sent(method, "/x"))
        yield passed(f"{method} of nothing in chunks",
                     request(line, "Transfer-Encoding: chunked", body=chunked()),
                     Sent(method, "/x", chunked=True))
    large = bytes(range(256)) * 1024
    yield passed("large, by length", post(f"Content-Length: {len(large)}", body=large),
                 Sent("POST", "/", large))
    yield passed("large, in one chunk", post("Transfer-Encoding: chunked", body=chunked(large)),
                 Sent("POST", "/", large, chunked=True))
    parts = [large[i:i + 97] for i in range(0, 1 << 15, 97)]
    yield passed("large, in many chunks", post("Transfer-Encoding: chunked", body=chunked(*parts)),
                 Sent("POST", "/", b"".join(parts), chunked=True))
    request_like = b"GET /inner HTTP/1.1\r\nHost: a.example\r\n\r\n"
    yield passed("a body like a request", post(f"Content-Length: {len(request_like)}",
                                               body=request_like), Sent("POST", "/", request_like))
    yield passed("a chunk like a request", post("Transfer-Encoding: chunked",
                                                body=chunked(request_like)),
                 Sent("POST", "/", request_like, chunked=True))
    yield passed("a body like chunks", post(f"Content-Length: {len(HELLO_CHUNKED)}",
                                            body=HELLO_CHUNKED), Sent("POST", "/", HELLO_CHUNKED))


# Routes whose max_body_size is ten bytes.
def limited():
    ten = b"0123456789"
    line = "POST /small HTTP/1.1"
    yield passed("ten of ten bytes", request(line, "Content-Length: 10", body=ten),
                 Sent("POST", "/small", ten))
    yield refused("eleven of ten bytes", request(line, "Content-Length: 11", body=ten + b"x"), 413)
    yield refused("a length far over the limit",
                  request(line, "Content-Length: 9223372036854775807"),
                  413)
    coding = "Transfer-Encoding: chunked"
    yield passed("ten of ten bytes in chunks",
                 request(line, coding, body=chunked(ten[:3], ten[3:])),
                 Sent("POST", "/small", ten, chunked=True))
    yield refused("eleven of ten bytes in chunks",
                  request(line, coding, body=chunked(ten[:3], ten[3:] + b"x")), 413)
    yield refused("a chunk far over the limit",
                  request(line, coding, body=b"7fffffffffffffff\r\n"), 413)


GROUPS = {"lengths": lengths, "doubled lengths": doubled, "codings": codings,
          "length and coding": both, "framing in HTTP/1.0": in_http_1_0,
          "bodies of methods": methods_with_bodies, "limited bodies": limited}
