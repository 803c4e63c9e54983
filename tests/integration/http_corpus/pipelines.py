"""Several messages in one stream, and what decides whether there is a next one: pipelines,
Connection, Expect, Upgrade, routes (RFC 9112 9, RFC 9110 7.6, 7.8, 10.1.1)."""
import itertools

from http_corpus.case import SMUGGLED, Case, Sent, chunked, passed, refused, request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": KEY}
GET = Sent("GET", "/")
LINE = "GET / HTTP/1.1"

# Requests that a pipeline is made of, by name.
KINDS = {
    "GET": (request("GET /g HTTP/1.1"), Sent("GET", "/g")),
    "HEAD": (request("HEAD /h HTTP/1.1"), Sent("HEAD", "/h")),
    "POST": (request("POST /p HTTP/1.1", "Content-Length: 5", body="hello"),
             Sent("POST", "/p", b"hello")),
    "chunks": (request("POST /c HTTP/1.1", "Transfer-Encoding: chunked",
                       body=chunked(b"hel", b"lo")),
               Sent("POST", "/c", b"hello", chunked=True)),
    "trailers": (request("PUT /t HTTP/1.1", "Transfer-Encoding: chunked",
                         body=chunked(b"x", trailers=b"X-T: 1\r\n")),
                 Sent("PUT", "/t", b"x", chunked=True, trailers=(("X-T", "1"),))),
    "nothing": (request("DELETE /n HTTP/1.1", "Content-Length: 0"), Sent("DELETE", "/n")),
}

# What is no request, behind one.
GARBAGE = {
    "a byte": b"x\r\n\r\n", "NULs": b"\0" * 8, "LF": b"\n", "two empty lines": b"\r\n\r\n",
    "CR CR": b"\r\r",
    "frames": b"\x81\x85\0\0\0\0hello",
    "TLS": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 32,
    "a chunk": b"5\r\nhello\r\n0\r\n\r\n",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a request without a host": b"GET /x HTTP/1.1\r\n\r\n",
    "a request with two lengths": b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n"
                                  b"Content-Length: 0\r\n\r\n",
    "a request in LF": b"GET /x HTTP/1.1\nHost: a.example\n\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a PROXY header": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "a PROXY header of bytes": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + b"\0" * 12,
}


def pipelines():
    for count in (2, 3):
        for names in itertools.product(KINDS, repeat=count):
            if count == 3 and len(set(names)) < 3:
                continue
            yield Case(" + ".join(names), b"".join(KINDS[name][0] for name in names),
                       sent=tuple(KINDS[name][1] for name in names))
    for count in (4, 5, 30):
        names = list(itertools.islice(itertools.cycle(KINDS), count))
        yield Case(f"{count} requests", b"".join(KINDS[name][0] for name in names),
                   sent=tuple(KINDS[name][1] for name in names))
    for name, (data, sent) in KINDS.items():
        yield passed(f"{name}, an empty line, GET", data + b"\r\n" + KINDS["GET"][0], sent,
                     KINDS["GET"][1])
        yield Case(f"{name}, cut in a next one", data + b"GET /next HTTP/1.1\r\nHost: a",
                   sent=(sent,),
                   cut=True)
        for what, garbage in GARBAGE.items():
            yield passed(f"{name} + {what}", data + garbage, sent, refused=(400, 501, 505))


def connections():
    for value in ("close", "Close", "CLOSE", "close, x", "x, close", "keep-alive, close",
                  "close, keep-alive",
                  ",,close,,", " close ", "close,close"):
        yield passed(f"Connection: {value}", request(LINE, f"Connection: {value}"), GET,
                     closes=True)
        yield passed(f"Connection: {value}, and a request behind it",
                     request(LINE, f"Connection: {value}") + SMUGGLED, GET, closes=True)
    yield passed("two Connections, one of them close",
                 request(LINE, "Connection: x", "Connection: close"), GET, closes=True)
    for value in ("keep-alive", "Keep-Alive", "", ",", "x", "closed", "clos", "xclose", "close-x",
                  "upgrade",
                  "connection", "te", "*", "trailers"):
        yield passed(f"Connection: {value}", request(LINE, f"Connection: {value}"), GET)
    yield passed("an option with its field", request(LINE, "Connection: X-One", "X-One: 1",
                                                     "X-Two: 2"),
                 Sent("GET", "/", lacks=("X-One",), has=(("X-Two", "2"),)))
    yield passed("an option in another case", request(LINE, "connection: x-one", "X-ONE: 1"),
                 Sent("GET", "/", lacks=("X-One",)))
    yield passed("options with their fields",
                 request(LINE, "X-One: 1", "Connection: keep-alive, X-One,X-Two", "X-Two: 2"),
                 Sent("GET", "/", lacks=("X-One", "X-Two")))
    # Framing and Host are not a client's to take away.
    for option in ("Content-Length", "content-length", "Host", "Content-Length, Host",
                   "keep-alive, Host",
                   "X-Forwarded-For", "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host"):
        yield passed(f"Connection: {option}, by length",
                     request("POST / HTTP/1.1", f"Connection: {option}", "Content-Length: 5",
                             body="hello"),
                     Sent("POST", "/", b"hello"))
    for option in ("Transfer-Encoding", "transfer-encoding, Host",
                   "Transfer-Encoding, Content-Length",
                   "Trailer, Transfer-Encoding"):
        yield passed(f"Connection: {option}, in chunks",
                     request("POST / HTTP/1.1", f"Connection: {option}",
                             "Transfer-Encoding: chunked",
                             body=chunked(b"hello")), Sent("POST", "/", b"hello", chunked=True))
    for field in ("Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
                  "Proxy-Connection: close",
                  "TE: trailers", "TE: gzip", "Proxy-Authorization: Basic eA==", "Trailer: X-T",
                  "HTTP2-Settings: AAMAAABkAAQAAP__"):
        yield passed(f"of this hop, {field}", request(LINE, field), Sent("GET", "/", lacks=(
            field.split(":")[0],)))


def expectations():
    for value in ("100-continue", "100-Continue", "100-CONTINUE", " 100-continue "):
        expect = f"Expect: {value}"
        yield passed(f"{expect}, by length", request("POST / HTTP/1.1", expect, "Content-Length: 5",
                                                     body="hello"), Sent("POST", "/", b"hello"))
        yield passed(f"{expect}, in chunks", request("POST / HTTP/1.1", expect,
                                                     "Transfer-Encoding: chunked",
                                                     body=chunked(b"hello")),
                     Sent("POST", "/", b"hello", chunked=True))
        yield passed(f"{expect}, without a body", request(LINE, expect), GET)
        yield passed(f"{expect}, and a request behind it",
                     request("POST / HTTP/1.1", expect, "Content-Length: 5", body="hello")
                     + request("GET /next HTTP/1.1"), Sent("POST", "/", b"hello"),
                     Sent("GET", "/next"))
    yield passed("Expect in HTTP/1.0", request("POST / HTTP/1.0", "Expect: 100-continue",
                                               "Content-Length: 5", body="hello"),
                 Sent("POST", "/", b"hello", version="1.0"), closes=True)
    yield refused("Expect and a malformed chunk", request(
        "POST / HTTP/1.1", "Expect: 100-continue", "Transfer-Encoding: chunked", body="xyz\r\n"),
                  400)


def upgrade(line=LINE, drop=(), body=b"", more=(), **changed):
    fields = {**WEBSOCKET, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return request(line, *[field for field in fields.items() if field[0] not in drop], *more,
                   body=body)


def upgrades():
    plain = Sent("GET", "/", lacks=("Upgrade", "HTTP2-Settings"))
    for value in ("h2c", "H2C", "TLS/1.0", "TLS/1.2, HTTP/2.0", "foo", "foo/1", "websocketx",
                  "xwebsocket", "web socket"):
        for option in ("Upgrade", "Upgrade, HTTP2-Settings", "keep-alive"):
            yield passed(f"Upgrade: {value}, Connection: {option}",
                         request(LINE, f"Upgrade: {value}", f"Connection: {option}",
                                 "HTTP2-Settings: AAMAAABkAAQAAP__"), plain)
    yield passed("h2c with a body", request("POST / HTTP/1.1", "Upgrade: h2c",
                                            "Connection: Upgrade",
                                            "Content-Length: 5", body="hello"),
                 Sent("POST", "/", b"hello", lacks=("Upgrade",)))
    for name, data, statuses in (
            ("in HTTP/1.0", upgrade("GET / HTTP/1.0"), (400,)),
            ("by POST", upgrade("POST / HTTP/1.1"), (405,)),
            ("by HEAD", upgrade("HEAD / HTTP/1.1"), (405,)),
            ("by OPTIONS *", upgrade("OPTIONS * HTTP/1.1"), (400, 405)),
            ("without its option", upgrade(Connection="keep-alive"), (400,)),
            ("without Connection", upgrade(drop=("Connection",)), (400,)),
            ("without a key", upgrade(drop=("Sec-WebSocket-Key",)), (400,)),
            ("with a short key", upgrade(Sec_WebSocket_Key="c2hvcnQ="), (400,)),
            ("with two keys", upgrade(more=(("Sec-WebSocket-Key", KEY),)), (400,)),
            ("without a version", upgrade(drop=("Sec-WebSocket-Version",)), (426,)),
            ("of version 8", upgrade(Sec_WebSocket_Version="8"), (426,)),
            ("with a body", upgrade(more=("Content-Length: 5",), body="hello"), (400,)),
            ("with chunks", upgrade(more=("Transfer-Encoding: chunked",), body=chunked(b"hello")),
             (400,)),
            ("with both", upgrade(more=("Content-Length: 5", "Transfer-Encoding: chunked"),
                                  body=chunked(b"hello")), (400,)),
            ("with h2c beside it", upgrade(Upgrade="h2c, websocket", drop=("Sec-WebSocket-Key",)),
             (400,))):
        yield refused(f"WebSocket {name}", data, *statuses)
        yield Case(f"GET, WebSocket {name}", request(LINE) + data + SMUGGLED, sent=(GET,),
                   refused=statuses)
    # The recorder answers with 403 and the end: what stands behind an upgrade is no request.
    asked = Sent("GET", "/")
    for name, behind in (("nothing", b""), ("a request", SMUGGLED), ("two requests", SMUGGLED * 2),
                         ("a frame", b"\x81\x85\0\0\0\0hello")):
        yield passed(f"WebSocket with {name} behind it", upgrade() + behind, asked, closes=True)
        yield passed(f"GET, WebSocket with {name} behind it", request(LINE) + upgrade() + behind,
                     GET,
                     asked, closes=True)


def routes():
    yield refused("no route", request("GET /nowhere HTTP/1.1", host="nobody.example"), 404)
    for method in ("GET", "POST", "HEAD"):
        yield refused(f"{method} of a route for WebSockets", request(f"{method} /sockets HTTP/1.1"),
                      426)
    yield passed("GET, then a route for WebSockets",
                 request(LINE) + request("GET /sockets HTTP/1.1"), GET,
                 refused=(426,))
    yield passed("GET, then no route", request(LINE) + request("GET / HTTP/1.1",
                                                               host="nobody.example"), GET,
                 refused=(404,))


GROUPS = {"pipelines": pipelines, "connections": connections, "expectations": expectations,
          "upgrades": upgrades, "routes": routes}
