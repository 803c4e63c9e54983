"""Which route a request takes: every form of path and every condition, and how routes are named."""
import http.client
import os

from harness import Sluice, Suite, free_port
from tls import authority, server_context, server_wrap
from wire import Upstream, dial, request

suite = Suite()

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def answer(port, target, method="GET", host="a.example", fields=()):
    """Status and body; the routes of this test say by theirs which one it was."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, target, skip_host=True)
    for name, value in [("Host", host), *fields]:
        connection.putheader(name, value)
    connection.endheaders()
    got = connection.getresponse()
    body = got.read().decode().strip()
    connection.close()
    return body if got.status == 200 else got.status


def routes(*all_lines):
    """A conf of routes that each answer with their number."""
    conf = ""
    for number, lines in enumerate(all_lines):
        first, *rest = lines.split("; ")
        conf += f"route {first}\n  return 200 {number}\n" + "".join(f"  {line}\n" for line in rest)
    return conf


@suite.check
def file_order_over_all_forms_of_paths():
    with Sluice(routes("= /chat", "~ \\.ws$", "/chat", "~ ^/v[0-9]+/", "= /")) as sluice:
        for target, wanted in [("/chat", "0"), ("/ch%61t", "0"), ("/chat/", "2"), ("/chat/x", "2"),
                               ("/chat/x.ws", "1"), ("/v12/a", "3"), ("/v/a", 404), ("/", "4"),
                               ("/x", 404), ("/chat%2Fx.ws", "1"), ("/v1%2F", 400),
                               ("//chat", 400), ("/v1/caf%C3%A9", "3"), ("/chat?x.ws", "0")]:
            assert answer(sluice.port, target) == wanted, target


@suite.check
def every_condition_and_all_of_them():
    other = free_port()
    conf = ("@trusted_proxies 127.0.0.1\n" f"listen 127.0.0.1:{other}\n" +
            routes(f"/a; match_listener 127.0.0.1:{other}", "/a; match_host *.b.example c.example",
                   "/a; match_method POST PUT", "/a; match_header X-Tier ~ ^gold$",
                   "/a; match_query room lobby; match_query key", "/a; match_cookie beta ~ ^[12]$",
                   "/a; match_client 192.0.2.0/24 2001:db8::/32",
                   "/a; match_client 127.0.0.0/8; match_query me", "/a; match_host *"))
    with Sluice(conf) as sluice:
        def check(wanted, target="/a", port=sluice.port, **options):
            assert answer(port, target, **options) == str(wanted), (wanted, target, options)
        check(0, port=other)
        check(1, host="x.B.example:99")
        check(1, host="c.example.")
        check(8, host="b.example")
        check(2, method="POST")
        check(3, fields=[("x-tier", "gold")])
        check(8, fields=[("X-Tier", "golden")])
        check(4, "/a?key&room=l%6Fbby")
        check(8, "/a?room=lobby")
        check(5, fields=[("Cookie", "a=b; beta=2")])
        check(8, fields=[("Cookie", "beta=3")])
        check(6, fields=[("X-Forwarded-For", "192.0.2.7")])
        check(6, fields=[("X-Forwarded-For", "2001:db8::7")])
        check(7, "/a?me")
        check(8)


@suite.check
def a_handshake_takes_them_too_and_logs_name_the_route():
    with Upstream() as exact, Upstream() as pattern:
        conf = (f"route = /chat\n  match_cookie beta 1\n  match_method GET\n"
                f"  proxy_pass {exact.uri}/base\n"
                f"route ~ ^/chat\n  match_query token ~ .\n  proxy_pass {pattern.uri}/base\n")
        with Sluice(conf) as sluice:
            for upstream, target, fields, name, there in [
                    (exact, "/chat?a", [("Cookie", "beta=1")], "=/chat", "/base?a"),
                    (pattern, "/chat/x?token=1", [], "~^/chat", "/base/chat/x?token=1")]:
                client = dial(sluice.port)
                client.send(request(target, fields=fields))
                server = upstream.upgrade()
                assert server.request.target == there, server.request.target
                assert client.head().status == 101
                client.close()
                server.close()
                sluice.access_line("close", route=name)


def opened(sluice, upstream, target, fields=(), answer_fields=(), host="test.example"):
    """The request as the upstream gets it, and the client's answer."""
    client = dial(sluice.port)
    client.send(request(target, host=host, fields=fields))
    server = upstream.upgrade(answer_fields)
    head = client.head()
    assert head.status == 101
    client.close()
    server.close()
    return server.request, head


@suite.check
def a_value_chooses_the_upstream():
    with Upstream() as us, Upstream() as eu:
        conf = (f"upstream us\n  server {us.uri}\nupstream eu\n  server {eu.uri}\n"
                "route /strict\n  upstream_by $http_x_region us=us eu=eu\n"
                "route /\n  upstream_by $cookie_region us=us eu=eu default=eu\n")
        with Sluice(conf) as sluice:
            opened(sluice, us, "/strict", [("X-Region", "us")])
            opened(sluice, eu, "/strict", [("x-region", "eu")])
            for fields in ([], [("X-Region", "US")], [("X-Region", "us"), ("X-Region", "eu")]):
                client = dial(sluice.port)
                client.send(request("/strict", fields=fields))
                assert client.head().status == 404
                assert b"upstream_by" not in client.rest()
                client.close()
            sluice.access_line("refused", status="404", route="/strict",
                               reason="upstream_by has no upstream for it")
            opened(sluice, us, "/x", [("Cookie", "region=us")])
            opened(sluice, eu, "/x", [("Cookie", "region=asia")])
            opened(sluice, eu, "/x")


@suite.check
def paths_that_are_stripped_and_rewritten():
    with Upstream() as up:
        conf = (f"route /chat\n  strip_path on\n  proxy_pass {up.uri}\n"
                f"route /api\n  rewrite_path ^/api/v([0-9]+)/(.*)$ /$2/v$1\n"
                f"  rewrite_path ^/api(.*)$ /files/$1\n  proxy_pass {up.uri}\n")
        with Sluice(conf) as sluice:
            for target, there in [("/chat/a%2Fb?q", "/a%2Fb?q"), ("/chat", "/"),
                                  ("/api/v2/room/%C3%A9?x=1", "/room/%C3%A9/v2?x=1"),
                                  ("/%61pi", "/files/")]:
                assert opened(sluice, up, target)[0].target == there, target
            for target in ("/api../secret", "/api..", "/api..;x/y", "/api%2e%2e/secret"):
                client = dial(sluice.port)
                client.send(request(target))
                assert client.head().status in (400, 404), target
                client.close()
            client = dial(sluice.port)
            client.send(request("/api/../x"))
            assert client.head().status == 400
            client.close()


@suite.check
def a_rewritten_path_is_judged_again():
    with Upstream() as up:
        conf = f"route ~ ^/a\n  rewrite_path ^/a(.*)$ /b/$1\n  proxy_pass {up.uri}\n"
        with Sluice(conf) as sluice:
            assert opened(sluice, up, "/a/x")[0].target == "/b//x"
            for target in ("/a../secret", "/a..", "/a..;x/y", "/a%2e%2e/secret"):
                client = dial(sluice.port)
                client.send(request(target))
                assert client.head().status == 400, target
                client.close()
            sluice.access_line("refused", status="400", detail="a dot segment",
                               reason="rewrite_path makes no path of it")


CHANGES = ("  set_response_header X-Served-By edge\n  set_response_header X-Host $host\n"
           "  set_response_header X-Token $http_x_token\n  remove_response_header x-powered-by\n")


@suite.check
def fields_of_answers_are_set_and_removed():
    theirs = [("X-Powered-By", "app"), ("X-Served-By", "app"), ("X-Token", "theirs"), ("X-Own", "1")]
    with Upstream() as up:
        with Sluice(f"route /\n  http on\n  proxy_pass {up.uri}\n{CHANGES}") as sluice:
            def check(head):
                assert head.all("X-Served-By") == ["edge"] and head.all("X-Host") == ["test.example"]
                assert not head.all("X-Powered-By") and not head.all("X-Token")
                assert head.all("X-Own") == ["1"]
            check(opened(sluice, up, "/", answer_fields=theirs)[1])
            lines = "".join(f"{name}: {value}\r\n" for name, value in theirs)
            for status, fields in (("200 OK", [("Connection", "close")]), ("403 Forbidden", None)):
                client = dial(sluice.port)
                if fields is None:
                    client.send(request("/"))
                else:
                    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n".encode())
                server = up.accept()
                server.head()
                server.send(f"HTTP/1.1 {status}\r\n{lines}Content-Length: 2\r\n\r\nok".encode())
                head = client.head()
                assert head.status == int(status[:3])
                check(head)
                client.close()
                server.close()
            client = dial(sluice.port)
            client.send(request("/", drop=("Sec-WebSocket-Key",)))
            head = client.head()
            assert head.status == 400 and not head.all("X-Served-By"), "our own answers stay"
            client.close()


def options_conf(us, eu, rest):
    """conf/examples/options.conf, with this test's servers and certificates."""
    with open(os.path.join(ROOT, "conf/examples/options.conf"), encoding="utf-8") as file:
        text = file.read()
    edge = authority().issue("/CN=edge 1")
    for theirs, ours in [("listen                  0.0.0.0:8080\n", ""),
                         ("access_log              stdout\n", ""), ("ws://127.0.0.1:4001", us.uri),
                         ("wss://127.0.0.1:4002", eu.uri), ("ws://127.0.0.1:4003", rest.uri),
                         ("tls/ca.pem", authority().path), ("tls/client.pem", edge.path),
                         ("tls/client.key", edge.key), ("connect_timeout         3s", "@connect_timeout 3s"),
                         ("handshake_timeout       5s", "@handshake_timeout 1s"),
                         ("allowed_origins         same", "@allowed_origins same")]:
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    return text


@suite.check
def the_options_example_does_what_it_says():
    internal = authority().issue("/CN=eu.internal", sans=("DNS:eu.internal",))
    context = server_context(internal, trusted=authority().path)
    with Upstream() as us, Upstream(wrap=server_wrap(context)) as eu, Upstream() as rest:
        with Sluice(options_conf(us, eu, rest)) as sluice:
            offered = [("Sec-WebSocket-Protocol", "chat.v3, chat.v2")]
            chosen = [("Sec-WebSocket-Protocol", "chat.v2")]
            head, answer = opened(sluice, us, "/chat/room?x=1", offered, chosen)
            assert head.target == "/socket/room?x=1"
            assert head.all("Sec-WebSocket-Protocol") == ["chat.v2"]
            assert answer.get("Sec-WebSocket-Protocol") == "chat.v2"
            assert head.get("X-Edge") == "edge-1" and head.get("X-Client-Address") == "127.0.0.1"
            assert not head.all("X-Region") and head.get("X-Request-Id")
            assert answer.get("X-Served-By") == "edge-1"
            # By the header, over TLS, with our certificate and under the name that was asked for.
            client = dial(sluice.port)
            client.send(request("/chat", fields=[("X-Region", "eu")]))
            server = eu.upgrade()
            assert server.request.target == "/socket" and server.request.get("X-Region") == "eu"
            subject = server.sock.tls.getpeercert()["subject"]
            assert subject == ((("commonName", "edge 1"),),), subject
            assert client.head().status == 101
            client.close()
            server.close()
            # Everything else goes on as it is, WebSocket or not.
            head, answer = opened(sluice, rest, "/other?y", [("X-Region", "eu")])
            assert head.target == "/other?y" and not head.all("X-Edge")
            assert not answer.all("X-Served-By")
            client = dial(sluice.port)
            client.send(b"GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n")
            server = rest.accept()
            assert server.head().target == "/page"
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
            assert client.head().status == 200 and client.take(4) == b"page"
            client.close()
            server.close()
            # A server that says nothing.
            client = dial(sluice.port)
            client.send(request("/chat"))
            server = us.accept()
            assert client.head().status == 504
            sluice.access_line("refused", status="504")
            client.close()
            server.close()


@suite.check
def the_options_example_trusts_nobody_else():
    with Upstream() as us, Upstream(wrap=server_wrap()) as eu, Upstream() as rest:
        # Its certificate is of the right authority, but not eu.internal's.
        with Sluice(options_conf(us, eu, rest)) as sluice:
            eu.serve(lambda wire: wire.head(), times=None)
            client = dial(sluice.port)
            client.send(request("/chat", fields=[("X-Region", "eu")]))
            assert client.head().status == 502
            sluice.access_line("refused", status="502", reason="hostname mismatch")
            client.close()


suite.run()
