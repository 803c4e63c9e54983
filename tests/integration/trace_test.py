"""`sluice -s trace`: the steps of the next handshakes, with what may be secret masked, over workers,
their deaths and reloads; and what it costs nobody."""
import os
import re
import signal
import subprocess

from control import Controlled, Line
from harness import BIN, Suite, wait_until
from tls import client_context, client_wrap, site
from wire import Upstream, dial, pair, refusal, refusing_socket, request

suite = Suite()

SECRET = ("?token=hush1", [("Cookie", "id=hush2"), ("Authorization", "Bearer hush3"),
                           ("Sec-WebSocket-Protocol", "chat, hush4"), ("X-Api-Key", "hush5"),
                           ("Referer", "https://a.example/hush6"), ("User-Agent", "agent/1"),
                           ("Origin", "https://a.example")])


class Trace:
    """A `sluice -s trace` that runs beside the test."""

    def __init__(self, sluice, *words):
        self.process = subprocess.Popen(
            [f"{BIN}/sluice", "-c", sluice.conf_path, "-s", "trace", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.process.poll() is not None
                   or "control: trace" in sluice.errors(), "the trace begins")

    def result(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def heard_line(sluice, words):
    """A connection that is answered and then says that; None where too many others are there."""
    try:
        line = Line(sluice.socket_path)
        if line.ask("status")["ok"]:
            line.send(words)
            return line
    except (BlockingIOError, BrokenPipeError, TypeError):
        pass
    return None


def in_order(text, *parts):
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} lacks, or not in this order:\n{text}"
        at = found + len(part)


@suite.check
def each_step_is_shown_and_no_secret():
    with Upstream() as upstream, Controlled(upstream) as sluice, Trace(sluice, "count=1") as trace:
        target, fields = "/chat" + SECRET[0], SECRET[1]
        client, server = pair(sluice, upstream, target, fields,
                              [("Set-Cookie", "id=hush7"), ("Sec-WebSocket-Protocol", "hush4")])
        code, out, err = trace.result()
        assert (code, err) == (0, "sluice: 1 handshake\n"), (code, err)
        in_order(out, ", times in ms\n", "accept    127.0.0.1:", f" at 127.0.0.1:{sluice.port}\n",
                 "request   GET /chat?*** HTTP/1.1\n", "Host: test.example\n",
                 "Upgrade: websocket\n", "Sec-WebSocket-Version: 13\n", "Sec-WebSocket-Key: ***\n",
                 "Cookie: ***\n", "Authorization: ***\n", "Sec-WebSocket-Protocol: ***\n",
                 "X-Api-Key: ***\n", "User-Agent: agent/1\n", "Origin: https://a.example\n",
                 f"route     /, to {upstream.uri}\n",
                 f"peer      127.0.0.1:{upstream.port}: connecting\n",
                 f"127.0.0.1:{upstream.port}: connected\n", "sent      GET /chat?*** HTTP/1.1\n",
                 "Cookie: ***\n", "answer    HTTP/1.1 101\n", "Set-Cookie: ***\n",
                 "verdict   101 was sent to the client: the session begins\n")
        assert "hush" not in out, out
        times = [float(each) for each in re.findall(r"^ +(\d+\.\d{3})  ", out, re.M)]
        assert times == sorted(times) and times[0] == 0, times
        client.close()
        server.close()


@suite.check
def a_refused_one_says_why_each_route_was_not_taken():
    conf = ("route /chat\n  match_host b.example\n  proxy_pass {0}\n"
            "route /chat\n  match_header X-Key hush9\n  proxy_pass {0}\n"
            "route /other\n  proxy_pass {0}\n")
    with Upstream() as upstream, ControlledBy(conf.format(upstream.uri)) as sluice:
        with Trace(sluice, "count=1") as trace:
            target, fields = "/chat" + SECRET[0], SECRET[1] + [("X-Key", "hush8")]
            assert refusal(sluice, request(target, fields=fields))[0].status == 404
            code, out, err = trace.result()
            assert code == 0, err
            in_order(out, "not /chat (host b.example): the host is not b.example\n",
                     "not /chat: another value in the field X-Key\n",
                     "not /other: the path is not under it\n",
                     "verdict   answered 404: no route\n")
            assert "hush" not in out, out


@suite.check
def a_dead_peer_and_the_one_behind_it():
    dead = refusing_socket()
    conf = "@control unix:{socket}\nupstream up\n" + \
        f"  server ws://127.0.0.1:{dead.getsockname()[1]}\n"
    with Upstream() as upstream:
        conf_text = conf + f"  server ws://127.0.0.1:{upstream.port}\n" + \
            "route /\n  proxy_pass up"
        with ControlledBy(conf_text) as sluice, Trace(sluice, "count=2") as trace:
            sessions = [pair(sluice, upstream) for _ in range(2)]  # one of them began with it
            code, out, err = trace.result()
            assert code == 0, err
            in_order(out, f"peer      127.0.0.1:{dead.getsockname()[1]}: connecting\n",
                     f"127.0.0.1:{dead.getsockname()[1]}: connect: Connection refused\n",
                     f"127.0.0.1:{upstream.port}: connecting\n",
                     f"127.0.0.1:{upstream.port}: connected\n", "verdict   101 ")
            del sessions
    dead.close()


class ControlledBy(Controlled):
    """With that conf behind the control socket."""

    def __init__(self, conf, **options):
        self.own_conf = conf
        super().__init__(None, **options)

    def write_conf(self, text):
        own = [line for line in self.own_conf.split("\n") if not line.startswith("@")]
        super().write_conf(text.replace("route /\n", "\n".join(own) + "\n"))


@suite.check
def tls_is_told_with_its_version():
    with Upstream() as upstream:
        tls = ControlledBy(f"{site().lines}\nroute /\n  proxy_pass {upstream.uri}")
        with tls as sluice, Trace(sluice, "count=2") as trace:
            wrap = client_wrap(client_context())
            client = dial(sluice.port, wrap=wrap)
            client.send(request())
            server = upstream.upgrade()
            client.head()
            plain = dial(sluice.port)
            plain.send(request("/" + SECRET[0]))
            plain.rest()
            code, out, err = trace.result()
            assert code == 0, err
            in_order(out, "tls       TLSv1.3, TLS_", "server name test.example\n", "request   GET /")
            assert "verdict   answered 400: plain HTTP on a TLS port" in out, out
            assert "hush" not in out, out
            del server


@suite.check_each("host=b.example", "path=/a/b", "route=/a", "client=127.0.0.1")
def only_those_that_match(words):
    with Upstream() as upstream:
        conf = f"route /a\n  proxy_pass {upstream.uri}\nroute /\n  proxy_pass {upstream.uri}"
        with ControlledBy(conf) as sluice, Trace(sluice, "count=1", words) as trace:
            other = [] if words.startswith("client") else [pair(sluice, upstream, "/x")]
            client = dial(sluice.port)
            client.send(request("/a/b/c", host="B.example"))
            upstream.upgrade()
            assert client.head().status == 101
            code, out, err = trace.result()
            assert code == 0 and out.count("times in ms") == 1, (code, out, err)
            in_order(out, "GET /a/b/c HTTP/1.1", "verdict   101")
            del other


@suite.check
def what_does_not_exist_is_said():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        done = sluice.say("trace", "upstream=none")
        assert done.returncode == 1 and "none" in done.stderr, done
        done = sluice.say("trace", "listener=127.0.0.1:1")
        assert done.returncode == 1, done
        done = sluice.say("trace", "hots=a")
        assert done.returncode == 1 and "did you mean \"host\"?" in done.stderr, done
        done = sluice.say("trace", "route=/none", "for=1s")
        assert done.returncode == 0 and done.stdout == "", done
        assert "warning: " in done.stderr and done.stderr.endswith("0 handshakes\n"), done


@suite.check
def it_ends_with_its_client():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        with Trace(sluice) as trace:
            trace.process.send_signal(signal.SIGINT)
            trace.process.wait()
        for _ in range(20):  # more than there may be clients at a time
            with wait_until(lambda: heard_line(sluice, b"trace count=1\n"), "a place"):
                pass
        with wait_until(lambda: heard_line(sluice, b""), "a place") as line:
            sessions = pair(sluice, upstream)
            line.send(b"trace for=1s\n")
            assert line.answer() == {"ok": True, "handshakes": 0}
            del sessions


@suite.check
def over_all_workers_and_their_deaths_and_a_reload():
    with Upstream() as upstream, Controlled(upstream, workers=2) as sluice:
        sluice.may_be_killed = True
        with Trace(sluice, "count=40") as trace:
            assert sluice.say("reload").returncode == 0
            victim = sluice.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in sluice.workers() and len(sluice.workers()) == 2,
                       "a successor")
            wait_until(lambda: all(w["pid"] for w in sluice.status()["workers"]), "it started")
            sessions = [pair(sluice, upstream) for _ in range(40)]
            code, out, err = trace.result()
            assert code == 0, err
            assert out.count(", times in ms") == 40 == out.count("verdict   101"), out
            assert {each[0] for each in re.findall(r"^(\d)-", out, re.M)} == {"0", "1"}, out
            del sessions


@suite.check
def one_who_reads_nothing_holds_nobody_up():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        with Line(sluice.socket_path) as line:
            line.send(b"trace count=500 lines=60\n")
            wait_until(lambda: "control: trace" in sluice.errors(), "the trace")
            for _ in range(60):
                client, server = pair(sluice, upstream, fields=[("X-Long", "x")] * 20)
                client.close()
                server.close()
            line.socket.settimeout(20)
            first = line.answer()
            assert first["step"] == "accept" and first["ms"] == 0, first
        assert sluice.status()["workers"][0]["relayed"] == 60


suite.run()
