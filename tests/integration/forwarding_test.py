"""What goes upstream and where: header fields, Host, subprotocols, paths, routes, peers, and what the
logs say about it."""
import os
import re
import socket
import tempfile
import threading
import time

from harness import Sluice, Suite, wait_until
from wire import TEXT, Upstream, Wire, dial, pair, refusal, refusing_socket, request

suite = Suite()


def seen(conf, target="/", fields=(), host="test.example", answer_fields=()):
    """The request as the upstream gets it, and the client's 101."""
    with Upstream() as upstream, Sluice(conf.replace("UPSTREAM", f"127.0.0.1:{upstream.port}")
                                        ) as sluice:
        client = dial(sluice.port)
        client.send(request(target, host=host, fields=fields))
        server = upstream.upgrade(answer_fields)
        answer = client.head()
        assert answer.status == 101
        return server.request, answer


SIMPLE = "route /\n  proxy_pass ws://UPSTREAM"


@suite.check
def end_to_end_fields_travel_and_others_do_not():
    head, _ = seen(SIMPLE, fields=[
        ("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "5"), ("TE", "trailers"),
        ("Proxy-Authorization", "no"), ("Cookie", "a=b"), ("X-Twice", "one"), ("X-Twice", "two"),
        ("Origin", "http://page.example"), ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"), ("X_Forwarded_For", "6.6.6.6"),
        ("Content-Length", "0")])
    assert head.line == "GET / HTTP/1.1"
    assert not head.all("X_Forwarded_For"), "some servers read it as X-Forwarded-For"
    for name in ("X-Hop", "Keep-Alive", "TE", "Proxy-Authorization", "Content-Length"):
        assert not head.all(name), name
    assert head.get("Cookie") == "a=b" and head.all("X-Twice") == ["one", "two"]
    assert head.get("Origin") == "http://page.example"
    assert head.all("X-Forwarded-For") == ["127.0.0.1"]
    assert head.all("X-Forwarded-Proto") == ["http"]
    assert head.all("X-Forwarded-Host") == ["test.example"]
    assert head.all("Connection") == ["Upgrade"] and head.all("Upgrade") == ["websocket"]
    assert head.all("Sec-WebSocket-Version") == ["13"] and len(head.all("Sec-WebSocket-Key")) == 1


STRANGERS = ["Forwarded", "X-Real-IP", "X-Forwarded-Port", "X-Forwarded-Server", "True-Client-IP",
             "CF-Connecting-IP"]


@suite.check
def forwarding_fields_of_strangers_are_removed():
    lies = [(name, "6.6.6.6") for name in [*STRANGERS, "X-Forwarded-For"]]
    head, _ = seen(SIMPLE, fields=lies)
    for name in STRANGERS:
        assert not head.all(name), name
    assert head.all("X-Forwarded-For") == ["127.0.0.1"]
    head, _ = seen("@keep_header Forwarded\n" + SIMPLE + "\n  keep_header x-real-ip\n"
                   "  keep_header X-Forwarded-For\n  keep_header X-Forwarded-Proto",
                   fields=[*lies, ("X-Forwarded-Proto", "https")])
    for name in STRANGERS:
        assert head.all(name) == (["6.6.6.6"] if name in ("Forwarded", "X-Real-IP") else []), name
    assert head.all("X-Forwarded-For") == ["6.6.6.6, 127.0.0.1"]
    assert head.all("X-Forwarded-Proto") == ["https"]


@suite.check
def clients_of_a_unix_socket_have_no_address():
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "listener")
        conf = f"listen unix:{path}\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf, listen=False) as sluice:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(path)
            client = Wire(sock, masked=True)
            client.send(request(fields=[("X-Forwarded-For", "6.6.6.6")]))
            server = upstream.upgrade()
            assert client.head().status == 101
            assert not server.request.all("X-Forwarded-For"), server.request.raw
            assert server.request.all("X-Forwarded-Proto") == ["http"]
            client.close()
            sluice.wait_sessions(0)


@suite.check
def names_of_other_bytes_are_dropped_and_told():
    fields = [("X_Guard", "1"), ("X.Guard", "1"), ("X~Guard", "1"), ("X-Plain", "1")]
    with Upstream() as upstream:
        with Sluice("route /\n  proxy_pass " + upstream.uri) as sluice:
            _, server = pair(sluice, upstream, fields=fields)
            assert server.request.get("X-Plain") == "1"
            for name, _ in fields[:3]:
                assert not server.request.all(name), name
            told = r" info request \S+: dropped fields .*: X_Guard X\.Guard X~Guard"
            wait_until(lambda: re.search(told, sluice.errors()), "they are told")
        for more, kept in (("underscore_headers on", fields), ("keep_header X_Guard",
                                                                [fields[0], fields[3]])):
            with Sluice(f"route /\n  proxy_pass {upstream.uri}\n  {more}") as sluice:
                _, server = pair(sluice, upstream, fields=fields)
                names = [name for name, _ in fields if server.request.all(name)]
                assert names == [name for name, _ in kept], names


@suite.check
def the_clients_key_travels_on():
    head, _ = seen(SIMPLE)
    assert head.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="


@suite.check
def set_and_remove():
    os.environ["SLUICE_TEST_TOKEN"] = "secret-in-the-environment"
    conf = ("@set_header X-Top top\n@remove_header X-Gone\nroute /\n"
            "  proxy_pass ws://UPSTREAM\n  set_header X-Own \"two words\"\n"
            "  set_header Authorization \"Bearer ${env:SLUICE_TEST_TOKEN}\"\n  remove_header X-Too")
    head, _ = seen(conf, fields=[("X-Gone", "1"), ("x-too", "1"), ("X-Own", "old"), ("X-Kept", "1")])
    assert not head.all("X-Gone") and not head.all("X-Too")
    assert head.all("X-Own") == ["two words"] and head.get("X-Top") == "top"
    assert head.get("Authorization") == "Bearer secret-in-the-environment"
    assert head.get("X-Kept") == "1"


@suite.check
def variables_in_fields():
    os.environ["SLUICE_TEST_TOKEN"] = "$host$$"
    lines = ("X-Real-IP $remote_addr", "X-Port $remote_port", "X-Asked \"$scheme://$host$path?$query\"",
             "X-Id $request_id", "X-Twice \"<$http_x_token|$cookie_Session>\"", "X-Price 5$$",
             "X-Secret \"${env:SLUICE_TEST_TOKEN}|$$host\"", "X-Absent $http_x_nobody",
             "X-Half \"id=$cookie_nobody\"", "X-Empty $http_x_empty", "X-Query $query",
             "X-TLS $tls_version")
    conf = "route /chat\n  proxy_pass ws://UPSTREAM/in\n" + "".join(
        f"  set_header {line}\n" for line in lines)
    forged = [(line.split()[0], "forged") for line in lines]
    with Upstream() as upstream, Sluice(conf.replace("UPSTREAM", f"127.0.0.1:{upstream.port}")
                                        ) as sluice:
        client = dial(sluice.port)
        port = client.sock.getsockname()[1]
        client.send(request("/chat/%41?a=$host", host="Test.Example:80", fields=forged + [
            ("X-Token", "one"), ("x-token", "two"), ("Cookie", "a=1; Session=x%20y"),
            ("X_Token", "three"), ("X-Empty", "")]))
        head = upstream.upgrade().request
        assert client.head().status == 101
        identity = sluice.access_line("open")["id"]
    assert head.all("X-Real-IP") == ["127.0.0.1"] and head.all("X-Port") == [str(port)]
    assert head.all("X-Asked") == ["http://test.example/chat/%41?a=$host"], head.raw
    assert head.all("X-Id") == [identity]
    assert head.all("X-Twice") == ["<one, two|x%20y>"] and head.all("X-Price") == ["5$"]
    assert head.all("X-Secret") == ["$host$$|$host"], "what a reference brings in is text"
    assert head.all("X-Query") == ["a=$host"]
    for name in ("X-Absent", "X-Half", "X-TLS"):
        assert not head.all(name), f"{name}: the client's own word passes for ours"
    head, _ = seen("@set_header X-Query $query\n" + SIMPLE, fields=[("X-Query", "forged")])
    assert not head.all("X-Query"), "an empty value"


@suite.check
def host_policies():
    assert seen(SIMPLE, host="a.example:81")[0].all("Host") == ["a.example:81"]
    head, _ = seen(SIMPLE + "\n  host server")
    assert head.get("Host").startswith("127.0.0.1:"), head.raw
    assert seen(SIMPLE + "\n  host other.example")[0].all("Host") == ["other.example"]
    assert seen("@host fixed.example\n" + SIMPLE)[0].all("Host") == ["fixed.example"]
    assert seen("@host fixed.example\n" + SIMPLE + "\n  host client")[0].get("Host") == "test.example"


@suite.check
def paths():
    def target(route, uri_path, asked):
        return seen(f"route {route}\n  proxy_pass ws://UPSTREAM{uri_path}", asked)[0].target
    assert target("/", "", "/a/b?c=d") == "/a/b?c=d"
    assert target("/socket", "", "/socket/x") == "/socket/x"
    assert target("/socket", "/", "/socket/x?y") == "/x?y"
    assert target("/socket", "/base", "/socket/x") == "/base/x"
    assert target("/socket/", "/base/", "/socket/x") == "/base/x"
    assert target("/socket", "/base", "/socket") == "/base"
    assert target("/", "/base", "/?q") == "/base?q"


@suite.check
def subprotocols_are_filtered_and_chosen_by_the_upstream():
    offered = [("Sec-WebSocket-Protocol", "chat, mqtt"), ("Sec-WebSocket-Protocol", "v12.stomp")]
    head, answer = seen(SIMPLE, fields=offered, answer_fields=[("Sec-WebSocket-Protocol", "mqtt")])
    assert head.all("Sec-WebSocket-Protocol") == ["chat, mqtt, v12.stomp"]
    assert answer.all("Sec-WebSocket-Protocol") == ["mqtt"]
    conf = SIMPLE + "\n  subprotocols mqtt v12.stomp"
    head, _ = seen(conf, fields=offered)
    assert head.all("Sec-WebSocket-Protocol") == ["mqtt, v12.stomp"]
    head, answer = seen(conf, fields=[("Sec-WebSocket-Protocol", "chat")])
    assert not head.all("Sec-WebSocket-Protocol") and not answer.all("Sec-WebSocket-Protocol")


@suite.check
def only_deflate_offers_travel():
    head, _ = seen(SIMPLE, fields=[("Sec-WebSocket-Extensions", "x-other, permessage-deflate; "
                                    "client_max_window_bits, bbf-usp-protocol")])
    assert head.all("Sec-WebSocket-Extensions") == ["permessage-deflate; client_max_window_bits"]
    head, _ = seen(SIMPLE, fields=[("Sec-WebSocket-Extensions", "x-other")])
    assert not head.all("Sec-WebSocket-Extensions")


@suite.check
def deflate_parameters_are_between_the_endpoints():
    """aiohttp, Beast and gorilla leave out the server_max_window_bits=15 that iOS always offers."""
    offer = "permessage-deflate; client_max_window_bits; server_max_window_bits=15"
    for chosen in ("permessage-deflate", "permessage-deflate; server_no_context_takeover"):
        head, answer = seen(SIMPLE, fields=[("Sec-WebSocket-Extensions", offer)],
                            answer_fields=[("Sec-WebSocket-Extensions", chosen)])
        assert head.all("Sec-WebSocket-Extensions") == [offer]
        assert answer.all("Sec-WebSocket-Extensions") == [chosen]


@suite.check
def malformed_deflate_offers_do_not_travel():
    for bad in ("permessage-deflate; server_max_window_bits", "permessage-deflate; x",
                "permessage-deflate; client_max_window_bits=7"):
        head, answer = seen(SIMPLE, fields=[("Sec-WebSocket-Extensions", bad)])
        assert not head.all("Sec-WebSocket-Extensions"), bad
        assert not answer.all("Sec-WebSocket-Extensions"), bad


@suite.check
def an_empty_subprotocol_is_none():
    _, answer = seen(SIMPLE, fields=[("Sec-WebSocket-Protocol", "chat")],
                     answer_fields=[("Sec-WebSocket-Protocol", "")])
    assert not answer.all("Sec-WebSocket-Protocol")


@suite.check
def answer_fields_reach_the_client():
    _, answer = seen(SIMPLE, answer_fields=[("Set-Cookie", "a=b"), ("Keep-Alive", "5"), ("X-Y", "z")])
    assert answer.get("Set-Cookie") == "a=b" and answer.get("X-Y") == "z"
    assert not answer.all("Keep-Alive")


@suite.check
def first_matching_route_wins():
    with Upstream() as one, Upstream() as two, Upstream() as three:
        conf = (f"route /socket\n  match_header X-Region us-east\n  proxy_pass {one.uri}\n"
                f"route /socket\n  match_host *.b.example\n  proxy_pass {two.uri}\n"
                f"route /\n  proxy_pass {three.uri}")
        with Sluice(conf) as sluice:
            def check(upstream, target, host="a.example", fields=()):
                client = dial(sluice.port)
                client.send(request(target, host=host, fields=fields))
                assert upstream.upgrade().request.target == target
                client.close()
            check(one, "/socket/x", "x.b.example", [("x-region", "us-east")])
            check(two, "/socket", "X.B.Example:99")
            check(three, "/socket", "b.example")
            check(three, "/socket", fields=[("X-Region", "eu")])
            check(three, "/socketx", "x.b.example", [("X-Region", "us-east")])


@suite.check
def round_robin_and_next_peer():
    with Upstream() as one, Upstream() as two, refusing_socket() as refusing:
        dead = refusing.getsockname()[1]
        conf = (f"upstream chat\n  server {one.uri}\n  server ws://127.0.0.1:{dead}\n"
                f"  server {two.uri}\nroute /\n  proxy_pass chat")
        with Sluice(conf) as sluice:
            counts = {one.port: 0, two.port: 0}

            def serve(upstream):
                while True:
                    try:
                        upstream.upgrade()
                    except OSError:
                        return
                    counts[upstream.port] += 1
            for upstream in (one, two):
                threading.Thread(target=serve, args=(upstream,), daemon=True).start()
            for _ in range(12):
                client = dial(sluice.port)
                client.send(request())
                assert client.head().status == 101
                client.reset()
            # Every third one begins at the dead peer and goes on to the next.
            wait_until(lambda: counts == {one.port: 4, two.port: 8}, "each peer gets its share")
            assert f"peer 127.0.0.1:{dead}: connect: Connection refused" in sluice.errors()
            lines = [line["peer"] for line in sluice.access() if line["event"] == "open"]
            assert f"127.0.0.1:{dead}" not in lines


@suite.check
def connect_timeout_then_the_next_peer():
    """A peer whose backlog is full answers nothing: the next one is tried after connect_timeout."""
    import socket
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    crowd = []
    for _ in range(8):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
        crowd.append(sock)
    time.sleep(0.1)
    with Upstream() as upstream:
        servers = f"  server ws://127.0.0.1:{port}\n"
        conf = f"@connect_timeout 300ms\nupstream chat\n{servers}  server {upstream.uri}\n" \
               "route /\n  proxy_pass chat"
        with Sluice(conf) as sluice:
            for _ in range(2):  # one of the two begins at the full peer
                pair(sluice, upstream)
            wait_until(lambda: "connect_timeout" in sluice.errors(), "the timeout is told")
        with Sluice(f"@connect_timeout 300ms\nupstream chat\n{servers}route /\n  proxy_pass chat"
                    ) as sluice:
            begin = time.monotonic()
            assert refusal(sluice, request())[0].status == 504
            assert 0.2 < time.monotonic() - begin < 5
        twice = servers + servers.replace("\n", "/again\n")
        with Sluice(f"@connect_timeout 300ms\nupstream chat\n{twice}route /\n  proxy_pass chat"
                    ) as sluice:
            begin = time.monotonic()
            assert refusal(sluice, request())[0].status == 504
            assert 0.55 < time.monotonic() - begin < 5, "the timeout is for each try"
    for sock in [full, *crowd]:
        sock.close()


@suite.check
def access_lines_say_who_where_and_what():
    with Upstream() as upstream, Sluice(f"route /chat\n  proxy_pass {upstream.uri}") as sluice:
        client, server = pair(sluice, upstream, "/chat/x?token=secret",
                              fields=[("Sec-WebSocket-Protocol", "mqtt")],
                              answer_fields=[("Sec-WebSocket-Protocol", "mqtt")])
        line = sluice.access_line("open")
        port = client.sock.getsockname()[1]
        assert line["client"] == f"127.0.0.1:{port}" and line["route"] == "/chat", line
        assert line["peer"] == f"127.0.0.1:{upstream.port}" and line["subprotocol"] == "mqtt", line
        assert line["status"] == "101" and line["target"] == "/chat/x", line
        assert line["host"] == "test.example", line
        refusal(sluice, request("/no\"where?token=secret".replace('"', "'")))
        assert sluice.access_line("refused")["status"] == "404"
        with open(sluice.access_log, encoding="utf-8") as file:
            assert "secret" not in file.read() + sluice.errors(), "queries are left out"
    with Upstream() as upstream, Sluice("@log_query on\nroute /\n  proxy_pass " + upstream.uri
                                        ) as sluice:
        pair(sluice, upstream, "/x?a=b")
        assert sluice.access_line("open")["target"] == "/x?a=b"


@suite.check
def refused_requests_are_told_with_their_target():
    """Whoever reads of a 426 wants to know what was asked for; unless that was no target."""
    with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as sluice:
        for line, status in (("GET /plain?token=secret HTTP/1.1", "426"),
                             ("POST /posted HTTP/1.1", "405")):
            fields = ("Upgrade",) if status == "426" else ()
            refusal(sluice, request(line=line, drop=fields))
            told = sluice.access_line("refused", status=status)
            assert told["target"] == line.split(" ")[1].split("?")[0], told
            assert told["host"] == "test.example", told
        # What is no target, or no request at all, is told as far as it was read.
        for sent, target, host in (
                (request("/a#secret"), "/a", ""),  # refused at the line's end, before Host
                (request("/b<c?secret"), "/b<c", None),
                (request("http://u:secret@h/d"), "http://h/d", None),
                (request("/e", host="u:secret@f"), "/e", None),
                (b"GET /g HTTP/1.1\r\nHost: a.example\r\nX : 1\r\n\r\n", "/g", "a.example"),
                (b"GET /h HTTP/1.1\r\nX : 1\r\n\r\n", "/h", ""),
                (request("/i?secret" + "i" * 9000), "/i", None),
                (b"BREW /k HTTP/1.1\r\n\r\n", "/k", "")):
            refusal(sluice, sent)
            told = sluice.access_line("refused", target=target)
            assert host is None or told["host"] == host, told
        with open(sluice.access_log, encoding="utf-8") as file:
            assert "secret" not in file.read() + sluice.errors()


@suite.check
def paths_are_matched_normalised_and_forwarded_as_they_came():
    with Upstream() as upstream, Sluice(
            f"route /%61dmin/\n  proxy_pass {upstream.uri}\n  set_header X-Route admin\n"
            f"route /app\n  proxy_pass {upstream.uri}/base\n  set_header X-Route app\n"
            f"route /\n  proxy_pass {upstream.uri}\n  set_header X-Route rest\n") as sluice:
        for target, route, sent in (
                ("/adm%69n", "admin", None), ("/admin/a%2Fb%7e?%61", "admin", None),
                ("/%61pp/%62%2fc?d=%2f", "app", "/base/%62%2fc?d=%2f"), ("/ap%70", "app", "/base"),
                ("/admin;x", "rest", None), ("/x//y\\z", "rest", None), ("/Admin", "rest", None)):
            client, server = pair(sluice, upstream, target=target)
            assert server.request.get("X-Route") == route, target
            assert server.request.line == f"GET {sent or target} HTTP/1.1", server.request.line
            client.reset()
        for target in ("//admin", "/%2fadmin", "/admin%2fx", "/admin\\x", "/%5Capp"):
            assert refusal(sluice, request(target))[0].status == 400, target
            line = sluice.access_line("refused", target=target.replace("\\", "\\\\"))
            assert line["host"] == "test.example" and line["status"] == "400", line
            assert line["reason"] == "ambiguous path: its two readings take different routes", line


@suite.check
def what_strangers_send_is_escaped_in_logs():
    with Upstream() as upstream, Sluice(SIMPLE.replace("ws://UPSTREAM", upstream.uri)) as sluice:
        refusal(sluice, request("/", fields=[("Sec-WebSocket-Protocol", "a\x80")]))
        client = dial(sluice.port)
        client.send(request("/it's=here\\".replace("\\", "%22")))
        upstream.upgrade()
        client.head()
        line = sluice.access_line("open")["line"]
        assert "\n" not in line and 'target="/it\'s=here%22"' in line, line


@suite.check
def secrets_appear_in_no_output():
    os.environ["SLUICE_TEST_SECRET"] = "canary-in-env"
    with Upstream() as upstream:
        sluice = Sluice(f"route /\n  proxy_pass {upstream.uri}", wait=False)
        sluice.process.kill()
        sluice.process.wait()
        secret = os.path.join(sluice.folder, "secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("canary-in-file\n")
        conf = (f"route /\n  proxy_pass {upstream.uri}\n"
                "  set_header X-Env \"${env:SLUICE_TEST_SECRET}\"\n"
                f"  set_header X-File \"${{file:{secret}}}\"\n  set_header X-Plain canary-header")
        with Sluice(conf) as running:
            client, server = pair(running, upstream)
            assert server.request.get("X-Env") == "canary-in-env"
            assert server.request.get("X-File") == "canary-in-file"
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")
            client.reset()
            running.wait_sessions(0)
            running.access_line("close")
            with open(running.access_log, encoding="utf-8") as file:
                assert "canary" not in file.read() + running.errors()
        sluice.remove()


suite.run()
