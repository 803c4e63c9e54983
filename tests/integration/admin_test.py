"""The admin address: what it counts is what was done, over reloads and deaths of workers; who may
ask; and what bad requests cannot do."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from admin import Admin, ask, read_all, until
from balanced import Greeting
from control import Controlled
from harness import Skip, Suite, failed_start, free_port, wait_until
from wire import (BINARY, CLOSE, PING, PONG, TEXT, answer_101, close_payload, dial, frame,
                  refusing_socket)

suite = Suite()


class Traffic:
    """What this test did, as metrics should tell it."""

    def __init__(self):
        self.opened = self.messages = self.texts = self.payload = self.sent = 0

    def open(self, sluice, count):
        clients = sluice.opened(count)
        self.opened += count
        return clients

    def speak(self, clients, rounds):
        for number in range(rounds):
            for client in clients:
                payload = b"x" * (1 + number % 300)
                sent = frame(TEXT if number % 2 else BINARY, payload, masked=True)
                client.send(sent)
                self.messages += 1
                self.texts += number % 2
                self.payload += len(payload)
                self.sent += len(sent)

    def wanted(self):
        return {"sluice_sessions_opened_total": self.opened,
                "sluice_messages_total": self.messages,
                "sluice_payload_bytes_total": self.payload,
                "sluice_received_bytes_total": self.sent,
                "sluice_sent_bytes_total": self.sent,
                "sluice_queued_bytes": 0,
                "sluice_handshakes_total": self.opened}


@suite.check
def numbers_are_what_was_done_over_reloads_and_a_killed_worker():
    with Greeting() as up, Admin([up.uri], workers=2) as sluice:
        sluice.may_be_killed = True
        traffic = Traffic()
        clients = traffic.open(sluice, 10)
        traffic.speak(clients, 50)
        until(sluice, traffic.wanted(), route="/")
        sluice.reload([up.uri])
        traffic.speak(clients, 20)
        clients += traffic.open(sluice, 4)
        until(sluice, traffic.wanted(), route="/")
        assert sluice.metrics().of("sluice_sessions_active") == 14

        # A worker dies with its sessions while nobody sends.
        before = sluice.status()["workers"]
        victim = max(before, key=lambda each: each["sessions"])
        os.kill(victim["pid"], signal.SIGKILL)
        lost = victim["sessions"]
        wait_until(lambda: sluice.metrics().of("sluice_worker_restarts_total") == 1, "a successor")
        wait_until(lambda: sluice.metrics().of("sluice_worker_accepting") == 2, "two workers")
        until(sluice, traffic.wanted(), route="/")
        metrics = sluice.metrics()
        assert metrics.of("sluice_sessions_active") == 14 - lost
        assert metrics.of("sluice_sessions_closed_total", reason="worker_died") == lost
        assert metrics.of("sluice_worker_sessions_active",
                          worker=str(victim["number"])) == 0

        clients = traffic.open(sluice, 6)
        sluice.reload([up.uri])
        traffic.speak(clients, 30)
        until(sluice, traffic.wanted(), route="/")
        assert sluice.metrics().of("sluice_config_reloads_total", result="good") == 2
        for client in clients:
            client.send(frame(CLOSE, close_payload(1000), masked=True))
        wait_until(lambda: sluice.metrics().of("sluice_close_frames_total", **{"from": "client"},
                                               code="1000") == 6, "six Closes")
        metrics = sluice.metrics()
        assert metrics.of("sluice_connections_accepted_total") == traffic.opened
        assert metrics.of("sluice_messages_total", type="text") == traffic.texts
        assert metrics.of("sluice_messages_total", type="binary") == traffic.messages - traffic.texts
        assert metrics.of("sluice_control_frames_total", **{"from": "client"}, type="close") == 6
        assert metrics.of("sluice_connections_failed_total") == 0
        assert metrics.of("sluice_connections_in_handshake") == 0


@suite.check
def frames_are_counted_by_type_and_what_becomes_of_their_bytes():
    with Greeting() as up, Admin([up.uri]) as sluice:
        client = sluice.open()
        long = b"z" * 70_000
        frames = [frame(TEXT, b"", masked=True), frame(BINARY, b"y" * 126, masked=True),
                  frame(BINARY, long, masked=True), frame(PING, b"are you there", masked=True),
                  frame(PONG, b"", masked=True), frame(TEXT, b"one, ", masked=True, fin=False),
                  frame(0, b"two", masked=True)]
        client.send(b"".join(frames))
        sent = sum(map(len, frames))
        until(sluice, {"sluice_received_bytes_total": sent}, route="/", side="client")
        until(sluice, {"sluice_sent_bytes_total": sent}, route="/", side="upstream")
        metrics, of_client = sluice.metrics(), {"route": "/", "from": "client"}
        assert metrics.of("sluice_messages_total", **of_client, type="text") == 2
        assert metrics.of("sluice_messages_total", **of_client, type="binary") == 2
        assert metrics.of("sluice_payload_bytes_total", **of_client) == 126 + 70_000 + 8
        for kind, count in (("ping", 1), ("pong", 1), ("close", 0)):
            assert metrics.of("sluice_control_frames_total", **of_client, type=kind) == count, kind
        client.send(frame(0x3, b"reserved", masked=True))
        until(sluice, {"sluice_sessions_closed_total": 1}, route="/", reason="protocol_error")
        metrics = sluice.metrics()
        for source, target in (("client", "upstream"), ("upstream", "client")):
            assert metrics.of("sluice_queued_bytes", toward=target) == 0
            come = (metrics.of("sluice_received_bytes_total", side=source) +
                    metrics.of("sluice_own_frame_bytes_total", toward=target))
            gone = (metrics.of("sluice_sent_bytes_total", side=target) +
                    metrics.of("sluice_dropped_bytes_total", toward=target))
            assert come == gone, (source, come, gone)
        assert metrics.of("sluice_own_frame_bytes_total", toward="client") > 0  # its Close


class Deaf(Greeting):
    """An upstream that upgrades whoever comes, and reads nothing then."""

    def __init__(self):
        self.over = threading.Event()
        super().__init__()

    def greet(self, wire):
        wire.send(answer_101(wire.head().get("Sec-WebSocket-Key")))
        self.over.wait(60)

    def __exit__(self, *failure):
        self.over.set()
        return super().__exit__(*failure)


@suite.check
def who_takes_nothing_is_told_by_what_waits_for_him():
    with Deaf() as up, Admin([up.uri]) as sluice:
        client = sluice.open()
        client.sock.setblocking(False)
        message = frame(BINARY, b"x" * 100_000, masked=True)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            for _ in range(2_000):
                sent += client.sock.send(message[sent % len(message):])
        wait_until(lambda: sluice.metrics().of("sluice_backpressure_seconds_total",
                                               toward="upstream") > 0.3, "back-pressure")
        metrics = sluice.metrics()
        assert metrics.of("sluice_queued_bytes", toward="upstream") > 0
        wait_until(lambda: held(sluice.metrics()) > 0, "what holds it is told")
        assert metrics.of("sluice_backpressure_seconds_total", toward="client") == 0
        assert metrics.of("sluice_connections_active") == 1
        client.sock.close()
        sluice.signal(signal.SIGTERM)
        assert sluice.wait() == 0, sluice.errors()


def held(metrics):
    return metrics.of("sluice_ring_bytes") + metrics.of("sluice_pipes_open")


@suite.check
def connections_that_come_to_nothing_are_counted():
    with Greeting() as up, Admin([up.uri]) as sluice:
        silent = [dial(sluice.port) for _ in range(3)]
        until(sluice, {"sluice_connections_active": 3, "sluice_connections_in_handshake": 3})
        for client in silent:
            client.sock.close()
        until(sluice, {"sluice_connections_active": 0, "sluice_connections_in_handshake": 0,
                       "sluice_connections_failed_total": 3,
                       "sluice_connections_accepted_total": 3})


@suite.check
def refusals_and_ends_are_counted_by_what_they_were():
    with Greeting() as up, Admin([up.uri], "route /other\n  proxy_pass all\n",
                                  top="@close_timeout 1s\n") as sluice:
        for _ in range(3):
            client = dial(sluice.port)
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.head().status == 426
        client = dial(sluice.port)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert client.head().status == 400
        until(sluice, {"sluice_handshakes_total": 3}, route="_none", code="426")
        until(sluice, {"sluice_handshakes_total": 1}, route="_none", code="400")
        client = sluice.open()
        client.send(frame(TEXT, b"not masked"))
        until(sluice, {"sluice_sessions_closed_total": 1}, route="/", by="proxy",
              reason="protocol_error")
        client = sluice.open()
        client.sock.close()
        until(sluice, {"sluice_sessions_closed_total": 1}, route="/", by="client")
        until(sluice, {"sluice_sessions_active": 0})
        metrics = sluice.metrics()
        assert metrics.of("sluice_sessions_opened_total", route="/other") == 0
        assert metrics.of("sluice_handshake_duration_seconds_count") == 6
        assert metrics.of("sluice_upstream_connect_duration_seconds_count") == 2
        assert metrics.of("sluice_session_duration_seconds_bucket", le="+Inf") == 2


@suite.check
def both_formats_pass_promtool():
    promtool = shutil.which("promtool")
    if not promtool:
        raise Skip("there is no promtool")
    with Greeting() as up, Admin([up.uri]) as sluice:
        sluice.opened(3)
        text = sluice.get().body
        checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                                 capture_output=True)
        assert checked.returncode == 0, (checked.stdout, checked.stderr)


@suite.check
def open_metrics_are_told_to_who_asks_for_them():
    with Greeting() as up, Admin([up.uri]) as sluice:
        wait_until(lambda: sluice.code("/healthz") == 200, "a worker serves, whose routes are told")
        plain = sluice.get()
        assert plain.fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert int(plain.fields["Content-Length"]) == len(plain.body.encode())
        assert plain.fields["Cache-Control"] == "no-store"
        assert plain.fields["X-Content-Type-Options"] == "nosniff"
        wanted = sluice.get(fields=[("Accept", "application/openmetrics-text;version=1.0.0")])
        assert wanted.fields["Content-Type"].startswith("application/openmetrics-text")
        assert wanted.body.endswith("# EOF\n")
        assert "# TYPE sluice_sessions_opened counter\n" in wanted.body
        head = sluice.get(method="HEAD")
        assert head.status == 200 and head.body == "" and "Content-Length" in head.fields


@suite.check
def health_and_readiness_follow_what_becomes_of_workers_and_peers():
    with refusing_socket() as nobody:
        server = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        with Admin([server], "  max_fails 1\n  fail_timeout 1h first=1h max=1h\n",
                   top="@ready_requires all\n") as sluice:
            wait_until(lambda: sluice.code("/healthz") == 200, "it is well")
            assert sluice.code("/readyz") == 200
            assert sluice.open().answer.status == 502
            wait_until(lambda: sluice.code("/readyz") == 503, "not ready")
            answer = sluice.get("/readyz")
            assert answer.body == "upstream all has no peer that is up\n", answer.body
            assert sluice.code("/healthz") == 200
            metrics = sluice.metrics()
            assert metrics.of("sluice_peer_up") == 0
            assert metrics.of("sluice_peer_failures_total") == 1
            assert metrics.of("sluice_handshakes_total", route="/", code="502") == 1


@suite.check
def it_tells_that_sluice_ends_until_the_last_session_has_gone():
    with Greeting() as up, Admin([up.uri], top="@drain_timeout off\n@close_timeout 1s\n") as sluice:
        client = sluice.open()
        until(sluice, {"sluice_sessions_active": 1})
        sluice.signal(signal.SIGQUIT)
        wait_until(lambda: sluice.code("/readyz") == 503, "not ready")
        wait_until(lambda: sluice.code("/healthz") == 503, "no worker accepts")
        until(sluice, {"sluice_sessions_active": 1})
        client.sock.close()
        assert sluice.wait() == 0, sluice.errors()


@suite.check
def a_reload_moves_it_turns_it_off_and_on():
    with Greeting() as up, Admin([up.uri]) as sluice:
        first, sluice.at = sluice.at, f"127.0.0.1:{free_port()}"
        text = sluice.text
        for now in (f"admin {sluice.at}", "admin off", f"admin {first}"):
            sluice.text = text.replace(f"admin {first}", now)
            sluice.reload([up.uri])
            at = now.split(" ")[1]
            if at != "off":
                wait_until(lambda: answers(at), f"{at} answers")
            for other in {first, sluice.at} - {at}:
                wait_until(lambda: not answers(other), f"{other} answers no more")


def answers(at):
    try:
        return ask(at, "/healthz").status == 200
    except ConnectionRefusedError:
        return False


@suite.check
def a_port_that_is_taken_keeps_it_from_starting_and_from_reloading():
    with socket.socket() as taken, Greeting() as up:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        told = failed_start(f"@admin {at}\nroute /\n  proxy_pass {up.uri}")
        assert f"admin {at}: " in told and "give each sluice an admin address" in told, told
        with Admin([up.uri]) as sluice:
            sluice.text = sluice.text.replace(sluice.at, at)
            Controlled.write_conf(sluice, sluice.with_servers(sluice.text))
            done = sluice.say("reload")
            assert done.returncode != 0 and "listens there already" in done.stdout + done.stderr, done
            assert sluice.code("/healthz") == 200
            metrics = sluice.metrics()
            assert metrics.of("sluice_config_reloads_total", result="bad") == 1
            assert metrics.of("sluice_config_last_reload_successful") == 0


@suite.check
def at_a_unix_socket_its_mode_decides():
    with Greeting() as up:
        with Admin([up.uri], at="unix:/tmp/sluice-admin-test-%d.sock" % os.getpid()) as sluice:
            path = sluice.at[len("unix:"):]
            assert os.stat(path).st_mode & 0o777 == 0o600
            wait_until(lambda: sluice.code("/healthz") == 200, "it is well")
        assert not os.path.exists(path)


@suite.check
def a_keeper_that_dies_is_followed_by_one_that_knows_the_same():
    with Greeting() as up, Admin([up.uri]) as sluice:
        sluice.may_be_killed = True
        sluice.opened(5)
        until(sluice, {"sluice_sessions_opened_total": 5})
        os.kill(sluice.status()["keeper"]["pid"], signal.SIGKILL)
        wait_until(lambda: answers(sluice.at), "another keeper")
        until(sluice, {"sluice_sessions_opened_total": 5, "sluice_sessions_active": 5}, route="/")


@suite.check
def who_may_not_ask_is_told_why():
    with Greeting() as up:
        with Admin([up.uri], top="@admin_host metrics.internal\n") as sluice:
            assert sluice.get(host="metrics.internal:80").status == 200
            assert sluice.get(host=sluice.at).status == 200
            foreign = sluice.get(host="evil.example")
            assert foreign.status == 403 and "admin_host" in foreign.body, foreign.text
            assert sluice.get(host=None).status == 400
            page = sluice.get(fields=[("Origin", "https://evil.example")])
            assert page.status == 403, page.text
            assert sluice.get(fields=[("Origin", "http://localhost:1")]).status == 200
            wait_until(lambda: "admin: 127.0.0.1" in sluice.errors(), "a line about it")
        with Admin([up.uri], top="@admin_allow 192.0.2.0/24\n") as sluice:
            refused = sluice.get()
            assert refused.status == 403 and "admin_allow" in refused.body, refused.text


@suite.check
def bad_requests_are_refused_and_do_no_harm():
    with Greeting() as up, Admin([up.uri], top="@client_header_timeout 1s\n") as sluice:
        assert sluice.get(method="POST").status == 405
        assert sluice.get(method="DELETE").status in (405, 501)
        for path in ("//", "/events/", "/metrics/..", "/%00", "/" + "a" * 3000, "/..%2f..%2fetc/passwd",
                     "//metrics", "*", "http://localhost/metrics"):
            assert sluice.get(path).status in (400, 404), path
        assert sluice.get("/" + "a" * 40_000).status in (414, 431)
        assert sluice.get(fields=[("X", "y" * 40_000)]).status == 431
        assert sluice.get(fields=[("X", "y")] * 300).status == 431
        for garbage in (b"\x16\x03\x01\x02\x00", b"\x00" * 100, b"GET\r\n\r\n", b"\r\n" * 4000,
                        os.urandom(3000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with sluice.connect() as sock:
                sock.sendall(garbage)
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock).status != 200
        # A request that comes a byte at a time, and never whole.
        with sluice.connect() as sock:
            begin = time.monotonic()
            sock.sendall(b"GET /metr")
            assert read_all(sock).status == 408
            assert time.monotonic() - begin > 0.9
        wait_until(lambda: sluice.code("/healthz") == 200, "it is well")


@suite.check
def a_hundred_idle_connections_keep_nobody_out():
    with Greeting() as up, Admin([up.uri]) as sluice:
        idle = [sluice.connect() for _ in range(100)]
        begin = time.monotonic()
        assert sluice.get("/healthz").status in (200, 503)
        assert sluice.metrics().of("sluice_build_info") == 1
        print(f"admin: two answers beside 100 idle connections after "
              f"{(time.monotonic() - begin) * 1000:.1f} ms")
        for sock in idle:
            sock.close()


@suite.check
def traffic_goes_on_while_many_ask():
    routes = "".join(f"route /r{number}\n  proxy_pass all\n" for number in range(300))
    with Greeting() as up, Admin([up.uri], routes) as sluice:
        client = sluice.open("", "/r7")
        assert client.answer.status == 101
        socks = [sluice.connect() for _ in range(30)]
        for sock in socks:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.send(frame(TEXT, b"hello", masked=True))
        for sock in socks:
            answer = read_all(sock)
            assert answer.status == 200
            assert 'sluice_sessions_opened_total{route="/r299"} 0\n' in answer.body
            sock.close()
        until(sluice, {"sluice_messages_total": 1}, route="/r7")


suite.run()
