"""Access and error logs in their forms: JSON, formats of one's own, syslog, masked queries."""
import json
import os
import re
import signal
import socket
import tempfile

from harness import Sluice, Suite, wait_until
from tls import authority, client_context, client_wrap, site
from wire import TEXT, Upstream, Wire, close_in_order, close_payload, dial, pair, refusal
from wire import refusing_socket, request

suite = Suite()

CLOSE = 8
EVERY_FIELD = ("id client listener route upstream peer peers_tried tries host target origin "
               "user_agent forwarded_for request_id subprotocol status tls_version tls_cipher "
               "tls_name tls_client_subject handshake_time connect_time duration client_bytes "
               "client_messages upstream_bytes upstream_messages client_rtt upstream_rtt closed_by "
               "fault code sent_client sent_upstream client_sent_close client_got_close "
               "upstream_sent_close upstream_got_close reason detail")


def not_twice(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def no_constant(word):
    raise AssertionError(f"{word} is no JSON")


def objects_in(path):
    """The lines of a log in JSON, each read strictly."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        whole, _, _ = file.read().rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    for line in lines:
        assert all(0x20 <= byte < 0x7f for byte in line), line
    return [json.loads(line, object_pairs_hook=not_twice, parse_constant=no_constant)
            for line in lines]


def awaited(sluice, event, path=None):
    path = path or sluice.access_log
    return wait_until(lambda: [each for each in objects_in(path) if each["event"] == event],
                      f"a line of {event}")


def in_json(upstream, form="json", top="", **options):
    """A sluice whose access log is at `access_log`, in that form."""
    folder = tempfile.mkdtemp(prefix="sluice-logs-")
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "access.log")
    sluice = Sluice(f"@access_log {path} {form}\n{top}\nroute /\n  proxy_pass {upstream.uri}",
                    access=False, **options)
    sluice.access_log = path
    return sluice


class Daemon:
    """Who listens as a syslog daemon does."""

    LINE = re.compile(rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) (\S+) (\d+) "
                      rb"(access|error) - (.*)", re.S)

    def __init__(self, path=None):
        self.path = path
        if path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.sock.bind(path)
            os.chmod(path, 0o666)  # workers have another user
        else:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.lines = []

    @property
    def place(self):
        if self.path:
            return f"syslog:unix:{self.path}"
        return f"syslog:udp:127.0.0.1:{self.sock.getsockname()[1]}"

    def told(self, text=b""):
        """(priority, host, tag, pid, kind, message) of each line with that text so far."""
        while True:
            try:
                datagram = self.sock.recv(70_000)
            except BlockingIOError:
                break
            match = self.LINE.fullmatch(datagram)
            assert match, datagram
            priority, _, host, tag, pid, kind, message = match.groups()
            self.lines.append((int(priority), host, tag, int(pid), kind, message))
        return [line for line in self.lines if text in line[5]]

    def wait(self, text):
        return wait_until(lambda: self.told(text), f"a line with {text!r}")

    def close(self):
        self.sock.close()
        if self.path:
            os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def dropped(sluice):
    return sum(map(int, re.findall(r"access log: (\d+) lines dropped", sluice.errors())))


def socket_path():
    folder = tempfile.mkdtemp(prefix="sluice-syslog-")
    os.chmod(folder, 0o755)
    return os.path.join(folder, "log")


@suite.check
def json_has_the_fields_of_text_and_is_strict():
    with Upstream() as upstream, in_json(upstream) as sluice:
        client, server = pair(sluice, upstream, target="/chat?token=x")
        server.send_frame(TEXT, b"hello")
        client.expect(TEXT, b"hello")
        close_in_order(client, server)
        opened, closed = awaited(sluice, "open")[0], awaited(sluice, "close")[0]
        assert list(opened) == ["time", "event", "id", "client", "route", "peer", "host", "target",
                                "subprotocol", "status"], opened
        assert opened["target"] == "/chat" and opened["status"] == 101, opened
        assert closed["id"] == opened["id"] and closed["closed_by"] == "client", closed
        assert closed["upstream_messages"] == 1 and closed["upstream_bytes"] > 5, closed
        assert isinstance(closed["duration"], float), closed
        # Whatever a stranger sends, a line is JSON.
        for field in (b"X: \xff", b"Host: \xc3(\"\\", b"Host: \xf0\x9f\x98\x80"):
            refusal(sluice, b"GET /\xff\"\\\xc3\xa4 HTTP/1.1\r\n" + field + b"\r\n\r\n")
        wait_until(lambda: len(awaited(sluice, "refused")) == 3, "refusals")


def through_everything(form):
    """A session over TLS with a client certificate, past a peer that is not there; its lines."""
    folder = tempfile.mkdtemp(prefix="sluice-logs-")
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "access.log")
    certificate = authority().issue("/CN=alice \"quoted\"/O=b")
    with Upstream() as upstream, refusing_socket() as nobody:
        dead = f"127.0.0.1:{nobody.getsockname()[1]}"
        conf = (f"@log_format wide {form} {EVERY_FIELD}\n@access_log {path} wide\n{site().lines}\n"
                f"tls_client_ca {authority().path}\ntls_verify_client on\n"
                f"upstream up\n  server ws://{dead}\n  server {upstream.uri}\n  max_fails off\n"
                f"  client_ping_interval 1s\n"
                "route /chat\n  proxy_pass up\n  subprotocols mqtt")
        wrap = client_wrap(client_context(certificate=certificate))
        with Sluice(conf, access=False, wrap=wrap) as sluice:
            client, server = pair(
                sluice, upstream, target="/chat/1",
                fields=[("Origin", "https://a.example"), ("User-Agent", "agent/1 (x; \"y\")"),
                        ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2"),
                        ("X-Request-Id", "r-1"), ("Sec-WebSocket-Protocol", "mqtt")],
                answer_fields=[("Sec-WebSocket-Protocol", "mqtt")])
            sluice.access_log = path
            server.send_frame(CLOSE, close_payload(4001, b"done"))
            client.expect_close(4001)
            client.send_frame(CLOSE, close_payload(4002))
            server.expect_close(4002)
            server.close()
            client.close()
            if form == "json":
                opened, closed = awaited(sluice, "open")[0], awaited(sluice, "close")[0]
            else:
                opened, closed = sluice.access_line("open"), sluice.access_line("close")
            return opened, closed, sluice.port, dead, upstream.uri.removeprefix("ws://")


@suite.check_each("json", "text")
def a_format_tells_all_there_is(form):
    opened, closed, port, dead, alive = through_everything(form)
    number = (lambda value: value) if form == "json" else str
    for line in (opened, closed):
        assert line["listener"] == f"127.0.0.1:{port}", line
        assert line["upstream"] == "up" and line["route"] == "/chat", line
        tried = line["peers_tried"].split(",")
        assert tried[-1] == alive and set(tried) <= {dead, alive}, line
        assert line["tries"] == number(len(tried)), line
        assert line["origin"] == "https://a.example", line
        assert line["user_agent"].replace("\\", "") == 'agent/1 (x; "y")', line
        assert line["forwarded_for"] == "192.0.2.1, 192.0.2.2", line
        assert line["request_id"] == "r-1" and line["subprotocol"] == "mqtt", line
        assert line["host"] == "test.example" and line["target"] == "/chat/1", line
        assert line["tls_version"].startswith("TLSv1.") and line["tls_name"] == "test.example", line
        assert line["tls_cipher"].startswith("TLS_"), line
        assert "alice" in line["tls_client_subject"], line
        assert 0 <= float(line["connect_time"]) <= float(line["handshake_time"]) < 20, line
    assert "duration" not in opened and "client_sent_close" not in opened, opened
    assert closed["closed_by"] == "upstream" and closed["code"] == number(4001), closed
    for name, code in (("upstream_sent_close", 4001), ("client_got_close", 4001),
                       ("client_sent_close", 4002), ("upstream_got_close", 4002)):
        assert closed[name] == number(code), (name, closed)
    assert "sent_client" not in closed and "detail" not in closed, closed
    names = [name for name in closed if name not in ("time", "event", "line")]
    assert names == [name for name in EVERY_FIELD.split() if name in names], names


@suite.check
def closes_of_our_own_and_losses_are_told_as_such():
    with Upstream() as upstream, in_json(
            upstream, form="wide", top="@log_format wide json closed_by fault sent_client "
            "client_got_close upstream_got_close client_sent_close upstream_sent_close") as sluice:
        client, server = pair(sluice, upstream)
        client.send(b"\x83\x80\0\0\0\0")  # no opcode
        client.expect_close(1002)
        client.close()
        server.rest()
        server.close()
        line = awaited(sluice, "close")[0]
        assert line["client_got_close"] == 1002 == line["sent_client"], line
        assert line["fault"] == "client", line
        for name in ("upstream_got_close", "client_sent_close", "upstream_sent_close"):
            assert name not in line, line


@suite.check
def a_request_id_is_the_clients_unless_the_route_makes_one():
    with Upstream() as upstream:
        for lines, theirs in (("", True), ("\n  set_header X-Request-Id $request_id", False)):
            uri, route = upstream.uri, f"route /\n  proxy_pass {upstream.uri}{lines}"
            assert uri in route
            folder = tempfile.mkdtemp(prefix="sluice-logs-")
            os.chmod(folder, 0o777)
            path = os.path.join(folder, "access.log")
            with Sluice(f"@log_format ids json id request_id\n@access_log {path} ids\n{route}",
                        access=False) as sluice:
                client, server = pair(sluice, upstream, fields=[("X-Request-Id", "abc")])
                close_in_order(client, server)
                line = awaited(sluice, "close", path)[0]
                assert line["request_id"] == ("abc" if theirs else line["id"]), line
                client, server = pair(sluice, upstream)
                close_in_order(client, server)
                wait_until(lambda p=path: len(awaited(None, "close", p)) == 2, "the second line")
                line = awaited(sluice, "close", path)[1]
                assert line["request_id"] == line["id"], line


@suite.check_each("json", "text")
def a_long_value_is_cut_and_marked(form):
    top = f"@log_format wide {form} user_agent target\n@max_log_value_size 100"
    with Upstream() as upstream, in_json(upstream, form="wide", top=top) as sluice:
        client, server = pair(sluice, upstream, target="/" + "t" * 2_000,
                              fields=[("User-Agent", "u" * 5_000)])
        close_in_order(client, server)
        for event in ("open", "close"):
            line = awaited(sluice, event)[0] if form == "json" else sluice.access_line(event)
            assert line["user_agent"] == "u" * 100 + "...", line
            assert line["target"] == "/" + "t" * 99 + "...", line


@suite.check
def the_error_log_in_json():
    with Upstream() as upstream:
        folder = tempfile.mkdtemp(prefix="sluice-logs-")
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "error.log")
        with Sluice(f"route /chat\n  proxy_pass {upstream.uri}", access=False, wait=False,
                    error_to=f"{path} debug json") as sluice:
            def messages():
                return [] if not os.path.exists(path) else objects_in(path)
            wait_until(lambda: any("started, pid" in each["message"] for each in messages()),
                       "the start")
            refusal(sluice, b"GET /\xff\"x HTTP/1.1\r\nHost: a\r\n\r\n")
            refused = wait_until(lambda: [each for each in messages()
                                          if each["message"].startswith("refused")], "a refusal")[0]
            assert refused["level"] == "info" and refused["process"] == "worker 0", refused
            assert refused["pid"] in sluice.workers(), refused
            assert set(refused) == {"time", "level", "process", "pid", "message"}, refused
            started = [each for each in messages() if "started, pid" in each["message"]][0]
            assert started["process"] == "master" and started["pid"] == sluice.process.pid, started


@suite.check_each("unix", "udp")
def syslog_gets_a_datagram_a_line(kind):
    with Upstream() as upstream, Daemon(socket_path() if kind == "unix" else None) as daemon:
        place = daemon.place
        with Sluice(f"@access_log {place} json facility=local0 tag=edge\nroute /\n"
                    f"  proxy_pass {upstream.uri}", access=False, wait=False,
                    error_to=f"{place} debug") as sluice:
            daemon.wait(b" started, pid ")
            client, server = pair(sluice, upstream)
            close_in_order(client, server)
            priority, host, tag, pid, kind_told, message = daemon.wait(b'"event":"close"')[0]
            assert (priority, tag, kind_told) == (16 * 8 + 6, b"edge", b"access")
            assert pid in sluice.workers() and host.decode() == socket.gethostname()
            assert json.loads(message)["closed_by"] == "client"
            priority, _, tag, pid, kind_told, message = daemon.told(b" started, pid ")[0]
            assert (priority, tag, kind_told) == (23 * 8 + 6, b"sluice", b"error"), priority
            assert pid == sluice.process.pid and message.startswith(b"info worker 0 started")


@suite.check
def a_syslog_daemon_may_come_and_go():
    path = socket_path()
    with Upstream() as upstream, Sluice(
            f"@access_log syslog:unix:{path}\nroute /\n  proxy_pass {upstream.uri}",
            access=False) as sluice:
        assert f"access_log syslog:unix:{path}: connect: No such file" in sluice.errors()

        def session(target):
            client, server = pair(sluice, upstream, target=target)
            close_in_order(client, server)
            sluice.wait_sessions(0)
        session("/nobody")
        wait_until(lambda: dropped(sluice) > 0, "the loss is told at once")
        for number in range(3):
            with Daemon(path) as daemon:
                session(f"/{number}")
                daemon.wait(f"target=/{number} ".encode())
                daemon.wait(b"close id=")
        session("/nobody")
        # Logs are opened anew, and a new conf uses them as well.
        with Daemon(path) as daemon:
            for again in (signal.SIGUSR1, signal.SIGHUP):
                before = sluice.errors()
                sluice.signal(again)
                what = "logs reopened" if again == signal.SIGUSR1 else "is in use as generation"
                wait_until(lambda b=before, w=what: w in sluice.errors()[len(b):], what)
                session(f"/{int(again)}")
                daemon.wait(f"target=/{int(again)} ".encode())
        sluice.stop()
        assert dropped(sluice) == 4, sluice.errors()


@suite.check
def a_daemon_that_reads_nothing_costs_lines_alone():
    with Upstream() as upstream, Daemon(socket_path()) as daemon:
        with Sluice(f"@access_log {daemon.place}\nroute /none\n  proxy_pass {upstream.uri}",
                    access=False) as sluice:
            with open("/proc/sys/net/unix/max_dgram_qlen", encoding="ascii") as file:
                room = int(file.read())
            asked = room + 50
            for _ in range(asked):
                refusal(sluice, request("/"))
            wait_until(lambda: dropped(sluice) > 0, "the first loss is told at once")
            sluice.stop()
            assert dropped(sluice) >= 40
            assert len(daemon.told(b"refused")) + dropped(sluice) == asked


@suite.check
def a_reload_changes_form_and_place_at_once():
    folder = tempfile.mkdtemp(prefix="sluice-logs-")
    os.chmod(folder, 0o777)
    new = os.path.join(folder, "new.log")
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}",
                                        workers=2) as sluice, Daemon(socket_path()) as daemon:
        old = [pair(sluice, upstream) for _ in range(6)]
        wait_until(lambda: len(sluice.access()) == 6, "open lines")
        with open(sluice.conf_path, encoding="utf-8") as file:
            conf = file.read()
        line = f"access_log {sluice.access_log}"
        for place, form in ((new, "log_format mine json id origin duration\n"),
                            (daemon.place, "")):
            before = sluice.errors().count("is in use as generation")
            name = "mine" if form else "json tag=other"
            sluice.write_conf(form + conf.replace(line, f"access_log {place} {name}"))
            sluice.signal(signal.SIGHUP)
            wait_until(lambda b=before: sluice.errors().count("is in use as generation") > b,
                       "reload")
            for client, server in old[:2]:
                close_in_order(client, server)
            old = old[2:]
            client, server = pair(sluice, upstream, fields=[("Origin", "x")])
            close_in_order(client, server)
            if form:
                # Sessions of before have not kept what was not asked for then.
                wait_until(lambda: len(awaited(sluice, "close", new)) == 3, "close lines")
                closed = awaited(sluice, "close", new)
                assert [each.get("origin") for each in closed].count("x") == 1, closed
                assert all(set(each) - {"origin"} == {"time", "event", "id", "duration"}
                           for each in closed), closed
            else:
                wait_until(lambda: len(daemon.told(b'"event":"close"')) == 3, "close lines")
        # What cannot be is refused, and all stays as it was.
        sluice.write_conf(conf.replace(line, f"access_log {new} mine"))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: "is bad; nothing changes" in sluice.errors(), "the refusal")
        assert 'there is no log_format "mine"; there are text, json' in sluice.errors()
        for client, server in old:
            close_in_order(client, server)
        wait_until(lambda: len(daemon.told(b'"event":"close"')) == 5, "the last lines")
        assert len(sluice.access()) == 6


@suite.check
def what_looks_like_a_secret_is_masked_wherever_a_query_is_logged():
    secret = "hunter2"
    target = f"/chat?room=1&token={secret}&%50assword={secret}&pin={secret[0]}"
    for access in (True, False):
        with Upstream() as upstream, Sluice(
                f"@log_query on\nroute /chat\n  proxy_pass {upstream.uri}\n"
                f"route /broken\n  proxy_pass ws://127.0.0.1:1", access=access) as sluice:
            client, server = pair(sluice, upstream, target=target)
            assert server.request.target == target  # it travels whole
            close_in_order(client, server)
            refusal(sluice, request(target.replace("chat", "none")))
            refusal(sluice, request(target.replace("chat", "broken")))
            refusal(sluice, f"GET http://a{target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            refusal(sluice, f"GET {target} HTTP/9\r\nHost: a\r\n\r\n".encode())
            sluice.wait_sessions(0)
            told = sluice.errors() + "".join(line["line"] for line in sluice.access())
            assert secret not in told, told
            assert "room=1&token=***&%50assword=***&pin=h" in told, told


@suite.check
def a_stranger_cannot_make_lines_of_their_own():
    evil = b'x"\r\n'
    with Upstream() as upstream, in_json(upstream, form="wide", top=(
            f"@log_format wide text {EVERY_FIELD}")) as sluice:
        wire = dial(sluice.port)
        wire.send(b"GET /a%0aopen HTTP/1.1\r\nHost: a\r\nUser-Agent: " + evil[:2] +
                  b"\x80 event=open\\\r\n\r\n")
        wire.rest()
        line = sluice.access_line("refused")
        assert line["user_agent"] == 'x\\"\\x80 event=open\\\\', line
        assert len(sluice.access()) == 1
        assert isinstance(wire, Wire)
        wire.close()


suite.run()
