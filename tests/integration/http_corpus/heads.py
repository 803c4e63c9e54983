"""Heads: lines and their ends, fields, Host, targets, methods, versions (RFC 9112 2, 3 and 5)."""
from http_corpus.case import (HOST, SMUGGLED, Case, Sent, field_lines, passed, refused, request,
                              spelled)

GET = Sent("GET", "/")
LINE = "GET / HTTP/1.1"
SEPARATORS = '()<>@,;\\"/[]?={} \t'
CONTROLS = [chr(byte) for byte in (*range(0x20), 0x7F)]

# Heads whose lines do not end in CR LF (RFC 9112 2.2 lets LF pass; others count lines otherwise).
LINE_ENDS = {
    "the first line ended by LF": b"GET / HTTP/1.1\nHost: a.example\r\n\r\n",
    "a field ended by LF": b"GET / HTTP/1.1\r\nHost: a.example\n\r\n",
    "the first field of two ended by LF": b"GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n",
    "the head ended by LF": b"GET / HTTP/1.1\r\nHost: a.example\r\n\n",
    "only LF": b"GET / HTTP/1.1\nHost: a.example\n\n",
    "the first line ended by CR": b"GET / HTTP/1.1\rHost: a.example\r\n\r\n",
    "a field ended by CR": b"GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n",
    "the head ended by CR": b"GET / HTTP/1.1\r\nHost: a.example\r\n\rX",
    "only CR": b"GET / HTTP/1.1\rHost: a.example\r\r",
    "the first line ended by CR CR LF": b"GET / HTTP/1.1\r\r\nHost: a.example\r\n\r\n",
    "a field ended by CR CR LF": b"GET / HTTP/1.1\r\nHost: a.example\r\r\n\r\n",
    "the head ended by CR CR LF": b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\r\n",
    "lines ended by LF CR": b"GET / HTTP/1.1\n\rHost: a.example\n\r\n\r",
    "a blank in the last line": b"GET / HTTP/1.1\r\nHost: a.example\r\n \r\n\r\n",
    "a tab in the last line": b"GET / HTTP/1.1\r\nHost: a.example\r\n\t\r\n\r\n",
    "a blank before the first field": b"GET / HTTP/1.1\r\n Host: a.example\r\n\r\n",
    "a tab before the first field": b"GET / HTTP/1.1\r\n\tHost: a.example\r\n\r\n",
    "a fold behind the first line": b"GET / HTTP/1.1\r\n X: y\r\nHost: a.example\r\n\r\n",
    "a CR before the first line": b"\rGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "an LF before the first line": b"\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "a blank before the first line": b" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "a blank line before the first": b" \r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "a NUL before the first line": b"\0GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "a mark before the first line": b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "LF CR before the first line": b"\n\rGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "CR CR LF before the first line": b"\r\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
}

# Names of fields that are no tokens are made below; these are lines that are no field at all.
NO_FIELDS = (
    "X", "X y", ": y", " : y", ":", "X : y", "X\t: y", "X  : y", "X: y\r\n folded",
    "X: y\r\n\tfolded", "X:\r\n y", "X: y\r\n \r\n z", "X: y\r\n  ", "\xe4: y", "X\xa0: y",
    "X\x85: y", "=: y", "X: y\n Z: z",
)

HOSTS = (
    "a.example", "A.Example", "a.example:80", "a.example:8080", "127.0.0.1", "127.0.0.1:80",
    "[::1]", "[::1]:80", "[2001:db8::1]:443", "a-b.example", "_a.example", "localhost", "a",
    "xn--mnchen-3ya.example", "a.example.", "a.example:65535",
)
NO_HOSTS = (
    "", " ", ":80", "a.example:x", "a.example:80x", "a.example:-1", "a.example:+80",
    "a.example:0x50", "a.example:65536", "a.example:99999999999", "a.example:80:80",
    "a.example: 80", "a.example :80", "u@a.example", "u:p@a.example", "@a.example",
    "a.example@b.example", "a.example/x", "/", "a.example?x", "a.example#x", "http://a.example",
    "//a.example", "a.example b.example", "a.example, b.example", "a.example\tb.example",
    "a.example\\x", "[::1", "::1", "[::1]x", "[::1]:x", "[]", "[a.example]", "[::1%25eth0]", "a[b]",
    "<a>", '"a.example"', "a.ex\xe4mple", "a\x00b", "a\x0bb", "a\x7fb", "{a}", "a|b", "a^b", "a`b",
    "a.example\r\n b", "%00", "a.example%00", "a.example%0d%0a", "\xa0a.example",
)

TARGETS = (
    "/", "/a", "/a/", "/a/b/c", "/a?b", "/a?b=c&d=e", "/?", "/??", "/a?/b/../c", "/a%20b", "/%7e",
    "/a%2Fb", "/a//b", "//", "//b.example/x", "/a;b=c", "/a:b@c", "/a,b", "/a'b(c)*d!e$f&g+h",
    "/a=b", "/.a", "/a.", "/a..b", "/...", "/-._~", "/http://b.example/", "/a?http://b.example/",
    "/*", "/a?b%zz", "/" + "a" * 4_000,
)
NO_TARGETS = (
    "", "a", "a/b", "?a", "#a", "/a#b", "/#", "/a?b#c", "/a b", "/a b HTTP/1.1", "/a\tb", "/%00",
    "/a%00b", "/%", "/%2", "/%zz", "/a%0", "/..", "/../a", "/a/..", "/a/../b", "/a/./b", "/.",
    "/%2e", "/%2e%2e/a", "/a/%2E%2E/b", "/a/.%2e/b", "/..;x/a", "/a/..%2fb", "/\xe4", "/\xc3\xa4",
    '/"', "/<a>", "/a?<b>", '/a?"', "/a?\xe4", "*", "*/", "**", "/a\x0b", "/a\x0c", "http:",
    "http:/", "http:///", "http:///x", "http:/x", "http:x", "http//x", "://a.example/",
    "ftp://a.example/", "file:///etc/passwd", "javascript:x", "http://u@a.example/",
    "http://u:p@a.example/", "http://@a.example/", "http://a.example:x/", "http://a.example:99999/",
    "http://:80/", "http://a.example/x#y", "http://a.example#y", "http://a.example/../x",
    "http://[::1/", "http://a.example/x y", "http://a.example\\@b.example/", "http://a b/",
    "http://?x", "http://#x", "a.example:80", "a.example", "[::1]:80", ":80",
)
# absolute-form (RFC 9112 3.2.2): what the upstream sees of it, and which Host.
ABSOLUTE = {
    "http://a.example/x": ("/x", "a.example"), "HTTP://a.example/x": ("/x", "a.example"),
    "http://b.example/x": ("/x", "b.example"), "http://a.example": ("/", "a.example"),
    "http://a.example?x": ("/?x", "a.example"), "http://a.example/?x": ("/?x", "a.example"),
    "http://a.example:80/x": ("/x", "a.example:80"), "http://[::1]:80/x": ("/x", "[::1]:80"),
    "https://a.example/x": ("/x", "a.example"), "http://a.example//x": ("//x", "a.example"),
    "http://b.example:8080": ("/", "b.example:8080"),
}

METHODS = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "REPORT",
    "PURGE", "SEARCH", "LINK",
)
UNKNOWN_METHODS = (
    "get", "Get", "gET", "post", "head", "options", "FOO", "BREW", "GETX", "XGET", "POSTGET",
    "GET-", "GET.", "!", "'", "connect", "trace", "X" * 300,
)
NO_METHODS = (
    "", "(GET)", "G(T", "GET,", "GET;", "G\x00T", "G\x01T", "GET\x0b", "\x7f", "G\xe4T", '"GET"',
    "GET/", "[", "GET@", "G\rT", "GET:",
)

# What stands behind the target.
NO_VERSIONS = (
    "HTTP/1.1 ", "HTTP/1.1\t", " HTTP/1.1", "\tHTTP/1.1", "HTTP/1.1 x", "HTTP/ 1.1", "HTTP /1.1",
    "http/1.1", "Http/1.1", "HTTPS/1.1", "HTTP1.1", "HTTP/", "HTTP", "HTTP/1", "HTTP/1.", "HTTP/.1",
    "HTTP/1,1", "HTTP/01.1", "HTTP/1.01", "HTTP/11", "HTTP/1.1.1", "HTTP/1.1,", "HTTP/-1.1",
    "HTTP/+1.1", "HTTP/x.y", "HTTP/1.x", "HTTP/1.1\x00", "HTTP/1.1\x0b", "\x0bHTTP/1.1", "ICE/1.0",
    "RTSP/1.0", "HTTP/1.1;", "HTP/1.1", "HTTP/1.10",
)
OTHER_VERSIONS = ("0.0", "0.9", "1.2", "1.9", "2.0", "2.1", "3.0", "9.9")


def lines():
    for name, data in LINE_ENDS.items():
        yield refused(name, data, 400)
    yield passed("an empty line before the first", b"\r\n" + request(LINE), GET)
    for count in (2, 3, 20):
        yield refused(f"{count} empty lines before the first", b"\r\n" * count + request(LINE), 400)
    for lines_of in (["GET / HTTP/1.1"], ["GET / HTTP/1.1", "Host: a.example"],
                     ["GET / HTTP/1.1", "Host: a.example", "X: y"]):
        whole = "\r\n".join(lines_of).encode()
        for tail in (b"", b"\r", b"\r\n", b"\r\n\r"):
            yield Case(f"cut in the head, {spelled(whole[-12:] + tail)}", whole + tail, cut=True)
    yield refused("an endless first line", b"GET /" + b"a" * 100_000, 414)
    yield refused("an endless field", request(LINE)[:-2] + b"X: " + b"a" * 100_000, 431)
    yield refused("an endless name", request(LINE)[:-2] + b"X" * 100_000, 431)
    yield refused("endless fields", request(LINE)[:-2] + b"X: y\r\n" * 20_000, 431)


def fields():
    for name in ("x", "X", "x-y", "X-Y-Z", "X1", "1", "-"):
        yield passed(f"name {name}", request(LINE, f"{name}: y"),
                     Sent("GET", "/", has=((name, "y"),)))
    # Tokens, but CGI would take them for others.
    for name in ("X_Y", "X.Y", "!#$%&'*+-.^_`|~"):
        yield passed(f"name {name}", request(LINE, f"{name}: y"), Sent("GET", "/", lacks=(name,)))
    for byte in SEPARATORS:
        yield refused(f"name {spelled('X' + byte)}", request(LINE, f"X{byte}Y: y"), 400)
        yield refused(f"name {spelled(byte)}", request(LINE, f"{byte}: y"), 400)
    for byte in CONTROLS:
        if byte not in "\r\n\t":
            yield refused(f"name {spelled('X' + byte)}", request(LINE, f"X{byte}: y"), 400)
        if byte not in "\t":
            yield refused(f"value {spelled('y' + byte)}", request(LINE, f"X: y{byte}z"), 400)
    for line in NO_FIELDS:
        yield refused(f"field {spelled(line)}", request(LINE, line), 400)
        yield refused(f"first field {spelled(line)}",
                      b"GET / HTTP/1.1\r\n" + field_lines([line, "Host: a.example"]) + b"\r\n", 400)
    for value in ("", "y", "y z", "y\tz", "\xe4", "y: z", '"y', "y,z", "(y", "\\", "%00",
                  "\xff" * 20):
        yield passed(f"value {spelled(value)}", request(LINE, f"X: {value}"),
                     Sent("GET", "/", has=(("X", value),)))
    for line in ("X:y", "X: \t y", "X: y \t ", "X:\ty"):
        yield passed(f"blanks {spelled(line)}", request(LINE, line),
                     Sent("GET", "/", has=(("X", "y"),)))
    yield passed("a field twice", request(LINE, "X: y", "X: z"),
                 Sent("GET", "/", has=(("X", "y"), ("X", "z"))))


def hosts():
    for host in HOSTS:
        yield passed(f"host {host}", request(LINE, host=host), Sent("GET", "/", host=host))
    for line in ("host: a.example", "HOST: a.example", "Host:a.example", "Host: \ta.example\t "):
        yield passed(f"host {spelled(line)}", request(LINE, line, host=None), GET)
    for host in NO_HOSTS:
        yield refused(f"host {spelled(host)}", request(LINE, host=host), 400)
    for version in ("1.0", "1.1"):
        yield refused(f"HTTP/{version} without a host", request(f"GET / HTTP/{version}", host=None),
                      400)
    for first, second in ((HOST, HOST), (HOST, "b.example"), ("b.example", HOST), (HOST, ""),
                          ("", HOST)):
        for name in ("Host", "host", "hOst"):
            yield refused(f"hosts {first!r} and {second!r} as {name}",
                          request(LINE, (name, second), host=first), 400)
    yield refused("hosts apart", request(LINE, "X: y", "Host: a.example"), 400)
    for line in ("Host : a.example", "Host\t: a.example", " Host: a.example", "Host",
                 "Host a.example",
                 "Host\x00: a.example", "X: y\r\n Host: a.example", "Host:\r\n a.example"):
        yield refused(f"host {spelled(line)}", request(LINE, line, host=None), 400)
    for name in ("X-Host", "Hosts", "Hos", "X-Forwarded-Host", ":authority", "Authority"):
        yield refused(f"{name} is no host", request(LINE, f"{name}: a.example", host=None), 400)


def targets():
    for target in TARGETS:
        yield passed(f"target {spelled(target)}", request(f"GET {target} HTTP/1.1"),
                     Sent("GET", target))
    for target in NO_TARGETS:
        yield refused(f"target {spelled(target)}", request(f"GET {target} HTTP/1.1"), 400)
    for byte in CONTROLS:
        if byte not in "\t\n":
            yield refused(f"target {spelled('/' + byte)}", request(f"GET /{byte}x HTTP/1.1"), 400)
            yield refused(f"query {spelled('?' + byte)}", request(f"GET /?{byte}x HTTP/1.1"), 400)
    for target, (path, host) in ABSOLUTE.items():
        yield passed(f"target {target}", request(f"GET {target} HTTP/1.1"),
                     Sent("GET", path, host=host))
    yield refused("absolute-form without a host",
                  request("GET http://a.example/ HTTP/1.1", host=None), 400)
    yield refused("absolute-form with a malformed host",
                  request("GET http://a.example/ HTTP/1.1", host="a b"), 400)
    yield refused("absolute-form with two hosts",
                  request("GET http://a.example/ HTTP/1.1", "Host: b.example"), 400)
    yield passed("OPTIONS *", request("OPTIONS * HTTP/1.1"), Sent("OPTIONS", "*"))
    for method in ("GET", "HEAD", "POST", "DELETE"):
        yield refused(f"{method} *", request(f"{method} * HTTP/1.1"), 400)
    for target in ("**", "*/x", "*?x", "*x"):
        yield refused(f"OPTIONS {target}", request(f"OPTIONS {target} HTTP/1.1"), 400)
    # RFC 9112 3.2.4: of a server's as a whole.
    yield passed("OPTIONS of a server", request("OPTIONS http://b.example HTTP/1.1"),
                 Sent("OPTIONS", "*", host="b.example"))
    yield refused("an endless target", request("GET /" + "a" * 20_000 + " HTTP/1.1"), 414)
    yield refused("an endless query", request("GET /?" + "a" * 20_000 + " HTTP/1.1"), 414)


def methods():
    for method in METHODS:
        yield passed(f"method {method}", request(f"{method} /x HTTP/1.1"), Sent(method, "/x"))
    for method in UNKNOWN_METHODS:
        yield refused(f"method {spelled(method)}", request(f"{method} / HTTP/1.1"), 501)
    for method in ("GE", "G", "M", "M-", "PRI"):  # a known one's beginning, or another protocol's
        yield refused(f"method {method}", request(f"{method} / HTTP/1.1"), 400, 501)
    for method in NO_METHODS:
        yield refused(f"method {spelled(method)}", request(f"{method} / HTTP/1.1"), 400)
    for target in ("/", "/x", "http://a.example/"):
        yield refused(f"TRACE {target}", request(f"TRACE {target} HTTP/1.1"), 405)
    for target in ("a.example:443", "[::1]:443", "127.0.0.1:80"):
        yield refused(f"CONNECT {target}", request(f"CONNECT {target} HTTP/1.1"), 405)
    for target in ("/", "*", "a.example", "http://a.example/", "a.example:x", ""):
        yield refused(f"CONNECT {target}", request(f"CONNECT {target} HTTP/1.1"), 400, 405, 505)
    yield refused("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 501, 505)
    for method in ("DESCRIBE", "SETUP", "PLAY"):  # of other protocols
        yield refused(f"method {method}", request(f"{method} / HTTP/1.1"), 400, 501)


def versions():
    for version in OTHER_VERSIONS:
        yield refused(f"HTTP/{version}", request(f"GET / HTTP/{version}"), 505)
    for version in NO_VERSIONS:
        yield refused(f"version {spelled(version)}", request(f"GET / {version}"), 400, 505)
    for line in ("GET /", "GET / ", "GET", "GET ", "GET  /  HTTP/1.1", "GET  / HTTP/1.1",
                 "GET /  HTTP/1.1",
                 "GET\t/\tHTTP/1.1", "GET / HTTP/1.1 HTTP/1.1", "GET/HTTP/1.1", "GET /HTTP/1.1",
                 "/ HTTP/1.1",
                 "HTTP/1.1 200 OK", "GET / HTTP/1.1\r\nGET / HTTP/1.1", "GET\xa0/ HTTP/1.1"):
        yield refused(f"line {spelled(line)}", request(line), 400, 501, 505)
    old = Sent("GET", "/", version="1.0")
    yield passed("HTTP/1.0", request("GET / HTTP/1.0"), old, closes=True)
    for option in ("keep-alive", "Keep-Alive", "close", "x"):
        yield passed(f"HTTP/1.0, {option}", request("GET / HTTP/1.0", f"Connection: {option}"), old,
                     closes=True)
    yield passed("HTTP/1.0 with a request behind it", request("GET / HTTP/1.0") + SMUGGLED, old,
                 closes=True)
    yield passed("HTTP/1.0, HEAD", request("HEAD /x HTTP/1.0"), Sent("HEAD", "/x", version="1.0"),
                 closes=True)


GROUPS = {"lines": lines, "fields": fields, "hosts": hosts, "targets": targets,
          "methods": methods, "versions": versions}
