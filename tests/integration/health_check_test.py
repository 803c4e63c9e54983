"""Active health checks: what the keeper asks of peers, what becomes of those that fail, and what
becomes of the keeper."""
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

from balanced import Balanced
from harness import Suite, free_port, open_files, wait_until
from tls import authority, server_context, server_wrap, stranger
from wire import Upstream, answer_101, refusal, refusing_socket, request

suite = Suite()

CHECK = "  health_check http /ping interval=100ms timeout=60ms rise=2 fall=2\n"


class Checked(Upstream):
    """An upstream that upgrades clients, and answers checks with what it was told to."""

    def __init__(self, answer="200", **options):
        super().__init__(**options)
        self.answer = answer
        self.checks = []  # when each came, and its head
        self.sessions = 0
        self.codes = []  # of the Closes that checks ended with
        self.lock = threading.Lock()
        self.serve(self.deal, times=None)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # which wakes up who accepts from it
        super().close()

    def deal(self, wire):
        head = wire.head()
        is_client = head.get("X-Forwarded-Proto") is not None
        with self.lock:
            if is_client:
                self.sessions += 1
            else:
                self.checks.append((time.monotonic(), head))
        if is_client:
            wire.send(answer_101(head.get("Sec-WebSocket-Key")))
            wire.rest()
        elif self.answer == "hang":
            wire.rest()
        elif self.answer == "101":
            wire.send(answer_101(head.get("Sec-WebSocket-Key")))
            _, payload = wire.frame()
            with self.lock:
                self.codes.append(int.from_bytes(payload[:2], "big"))
            wire.close()
        elif self.answer == "wrong 101":
            wire.send(answer_101("x" * 24))
            wire.rest()
        elif self.answer == "flood":
            while True:
                wire.send(b"HTTP/1.1 103 x\r\nLink: " + b"y" * 1000 + b"\r\n\r\n")
        else:
            wire.send(f"HTTP/1.1 {self.answer} x\r\nContent-Length: 0\r\n\r\n".encode())
            wire.close()


def state(sluice, peer=0):
    shown = sluice.peers()[peer]
    return shown["state"], shown["check"]["state"]


def wait_state(sluice, wanted, peer=0):
    wait_until(lambda: state(sluice, peer)[1] == wanted, f"check of peer {peer} is {wanted}")
    assert state(sluice, peer)[0] == ("out" if wanted == "down" else "up"), sluice.peers()


def keeper_of(sluice):
    return sluice.status()["keeper"]["pid"]


@suite.check
def without_a_check_there_is_no_keeper():
    with Checked() as peer, Balanced([peer.uri], workers=2) as sluice:
        assert len(sluice.workers()) == 2 and "keeper" not in sluice.status()
        assert "check" not in sluice.peers()[0]
        assert "the keeper" not in sluice.errors()


@suite.check
def a_peer_that_answers_500_is_out_and_comes_back():
    with Checked() as ill, Checked() as well:
        with Balanced([ill.uri, well.uri], CHECK) as sluice:
            for number in range(2):
                wait_state(sluice, "up", number)
            sluice.opened(4)
            assert (ill.sessions, well.sessions) == (2, 2)
            ill.answer = "500"
            wait_state(sluice, "down")
            told = [line for line in sluice.errors().splitlines() if "is out" in line]
            assert len(told) == 1, told
            assert told[0].endswith(
                f"error upstream all: peer 127.0.0.1:{ill.port}: is out: health_check http /ping: "
                "answered 500, not 200-399; 2 checks in a row failed"), told
            check = sluice.peers()[0]["check"]
            assert check["latest_failure"] == "status" and check["failed"] >= 2, check
            assert check["made"] > check["failed"], check
            assert "tried_again_in_s" not in sluice.peers()[0]
            sluice.opened(4)
            assert (ill.sessions, well.sessions) == (2, 6)
            ill.answer = "302"
            wait_state(sluice, "up")
            assert f"peer 127.0.0.1:{ill.port}: is back after " in sluice.errors()
            sluice.opened(4)
            assert ill.sessions == 4, (ill.sessions, well.sessions)


@suite.check
def nobody_tries_one_that_is_out_unless_all_are():
    with Checked("500") as ill, Checked() as other:
        with Balanced([ill.uri, other.uri], "  health_check http /ping fall=5\n") as sluice:
            wait_state(sluice, "down", 0)
            wait_state(sluice, "up", 1)
            # A handshake that its peer does not take goes to nobody else.
            other.close()
            assert refusal(sluice, request())[0].status == 502
            assert ill.sessions == 0
    with Checked("500") as one, Checked("500") as two:
        with Balanced([one.uri, two.uri], CHECK) as sluice:
            wait_state(sluice, "down", 0)
            wait_state(sluice, "down", 1)
            sluice.opened(4)
            assert (one.sessions, two.sessions) == (2, 2)


@suite.check
def peers_that_hang_refuse_flood_or_are_stopped():
    refusing = refusing_socket()
    with Checked("hang") as hangs, Checked("flood") as floods, Checked() as well:
        silent = Upstream()  # takes connections, as the kernel of a stopped process does
        servers = [hangs.uri, f"ws://127.0.0.1:{refusing.getsockname()[1]}", floods.uri,
                   silent.uri, well.uri]
        with Balanced(servers, CHECK) as sluice:
            for number in range(4):
                wait_state(sluice, "down", number)
            wait_state(sluice, "up", 4)
            peers = sluice.peers()
            latest = [peer["check"].get("latest_failure") for peer in peers]
            assert latest == ["timeout", "error", "invalid_answer", "timeout", None], latest
            errors = sluice.errors()
            for why in ("no answer within timeout=60ms", "connect: Connection refused"):
                assert f"is out: health_check http /ping: {why}; 1 check failed" in errors, errors
            sluice.opened(5)
            assert well.sessions == 5
        silent.close()


@suite.check
def a_peer_that_is_stopped_and_goes_on():
    with Checked() as well:
        port = free_port()
        program = ("import http.server\n"
                   "class Page(http.server.BaseHTTPRequestHandler):\n"
                   "  def do_GET(self):\n"
                   "    self.send_response(204); self.end_headers()\n"
                   f"http.server.ThreadingHTTPServer(('127.0.0.1', {port}), Page).serve_forever()\n")
        with subprocess.Popen(["python3", "-c", program], stderr=subprocess.DEVNULL) as peer:
            try:
                with Balanced([f"ws://127.0.0.1:{port}", well.uri], CHECK) as sluice:
                    wait_state(sluice, "up")
                    peer.send_signal(signal.SIGSTOP)
                    wait_state(sluice, "down")
                    sluice.opened(4)
                    assert well.sessions == 4
                    peer.send_signal(signal.SIGCONT)
                    wait_state(sluice, "up")
            finally:
                peer.kill()


@suite.check
def websocket_checks_are_handshakes():
    check = "  health_check websocket interval=100ms timeout=80ms fall=1\n"
    with Checked("101") as well, Checked("wrong 101") as wrong, Checked("200") as other:
        servers = [well.uri + "/deep/ws", wrong.uri, other.uri]
        with Balanced(servers, check) as sluice:
            wait_state(sluice, "up", 0)
            wait_state(sluice, "down", 1)
            wait_state(sluice, "down", 2)
            wait_until(lambda: len(well.codes) >= 3, "Closes")
            assert set(well.codes) == {1000}, well.codes
            heads = [head for _, head in well.checks]
            assert {head.target for head in heads} == {"/deep/ws"}
            assert {head.get("Host") for head in heads} == {f"127.0.0.1:{well.port}"}
            keys = [head.get("Sec-WebSocket-Key") for head in heads]
            assert len(set(keys)) == len(keys), keys
            latest = [peer["check"].get("latest_failure") for peer in sluice.peers()]
            assert latest == [None, "invalid_answer", "status"], latest
            assert "health_check websocket: answered 200, not 101" in sluice.errors()


@suite.check
def tls_peers_show_a_certificate_that_is_trusted():
    trusted = f"  tls_ca {authority().path}\n  health_check http /ping interval=150ms timeout=140ms\n"
    foreign = server_context(stranger().issue())
    with Checked(wrap=server_wrap()) as well, Checked(wrap=server_wrap(foreign)) as other:
        with Balanced([well.uri, other.uri], trusted) as sluice:
            wait_state(sluice, "up", 0)
            wait_state(sluice, "down", 1)
            assert "is out: health_check http /ping: TLS handshake: " in sluice.errors()
            assert not other.checks
            wait_until(lambda: len(well.checks) >= 3, "checks")


@suite.check
def tls_peers_that_demand_a_certificate_get_the_upstreams():
    own = authority().issue()
    lines = (f"  tls_ca {authority().path}\n  health_check http /ping interval=150ms\n"
             f"  tls_client_certificate {own.path}\n  tls_client_key {own.key}\n")
    demanding = server_context(trusted=authority().path)
    with Checked(wrap=server_wrap(demanding)) as peer:
        with Balanced([peer.uri], lines) as sluice:
            wait_state(sluice, "up", 0)
            wait_until(lambda: len(peer.checks) >= 2, "checks")


@suite.check
def four_workers_have_one_checker():
    check = "  health_check http /ping interval=100ms\n"
    with Checked() as a, Checked() as b, Balanced([a.uri, b.uri], check, workers=4) as sluice:
        wait_state(sluice, "up", 0)
        wait_state(sluice, "up", 1)
        begin = time.monotonic()
        time.sleep(3)
        seconds = time.monotonic() - begin
        for peer in (a, b):
            times = [when for when, _ in peer.checks if when >= begin]
            count = len([when for when in times if when < begin + seconds])
            # 9 to 11.1 a second, fewer where this machine is busy
            assert 5 * seconds <= count <= 11.2 * seconds + 1, (count, seconds)
            apart = [later - earlier for earlier, later in zip(times, times[1:])]
            assert max(apart) - min(apart) > 0.004, "jittered"
        assert len(sluice.workers()) == 5


@suite.check
def the_keeper_is_killed():
    with Checked("500") as ill, Checked() as well:
        with Balanced([ill.uri, well.uri], CHECK) as sluice:
            sluice.may_be_killed = True
            wait_state(sluice, "down", 0)
            wait_state(sluice, "up", 1)
            ill.answer = "hang"
            for pause in ("0 ms", "100 ms"):
                before = keeper_of(sluice)
                os.kill(before, signal.SIGKILL)
                wait_until(lambda: "the keeper was killed by signal 9, starting it again in " +
                           pause in sluice.errors(), "restart")
                assert state(sluice, 0) == ("out", "down"), "the last results stand"
                assert state(sluice, 1) == ("up", "up")
                wait_until(lambda: keeper_of(sluice) not in (0, before), "another keeper")
            made = sluice.peers()[1]["check"]["made"]
            wait_until(lambda: sluice.peers()[1]["check"]["made"] > made + 2, "it checks")
            assert sluice.errors().count("is out") == 1, "what stands is no news"
            ill.answer = "200"
            wait_state(sluice, "up", 0)
            sluice.opened(2)


@suite.check
def the_keeper_is_confined_and_has_no_listener():
    with Checked() as peer, Balanced([peer.uri], CHECK) as sluice:
        wait_state(sluice, "up")
        keeper = keeper_of(sluice)
        with open(f"/proc/{keeper}/status", encoding="ascii") as file:
            facts = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        assert facts["NoNewPrivs"].strip() == "1", facts
        assert int(facts["CapEff"], 16) == 0, facts
        with open("/proc/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
        listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
        assert not listening & set(open_files(keeper).values())


@suite.check
def reloads_change_checks():
    with Checked() as peer, Checked() as other:
        with Balanced([peer.uri, other.uri]) as sluice:
            def reload(check):
                sluice.lines = check
                sluice.reload(sluice.servers)

            assert len(sluice.workers()) == 1
            reload("  health_check http /a interval=100ms fall=1\n")
            wait_state(sluice, "up")
            assert len(sluice.workers()) == 2
            keeper = keeper_of(sluice)
            reload("  health_check http /b interval=100ms status=404 fall=1\n")
            wait_state(sluice, "down")
            assert {head.target for _, head in peer.checks} == {"/a", "/b"}
            assert keeper_of(sluice) == keeper, "the same process"
            # Another conf leaves what is asked as it is, and what was found.
            reload("  health_check http /b interval=100ms status=404 fall=1\n  max_fails 7\n")
            assert state(sluice) == ("out", "down")
            reload("")
            wait_until(lambda: len(sluice.workers()) == 1, "the keeper has left")
            assert "keeper" not in sluice.status()
            assert sluice.peers()[0]["state"] == "up" and "check" not in sluice.peers()[0]
            assert "the keeper has left" in sluice.errors()
            sluice.opened(2)
            reload("  health_check http /c interval=100ms\n")
            wait_state(sluice, "up")


@suite.check
def a_keeper_that_is_gone_when_its_checks_are_taken_away():
    with Checked("500") as peer, Balanced([peer.uri], CHECK) as sluice:
        sluice.may_be_killed = True
        wait_state(sluice, "down")
        os.kill(keeper_of(sluice), signal.SIGSTOP)
        os.kill(keeper_of(sluice), signal.SIGKILL)
        sluice.lines = ""
        sluice.reload(sluice.servers)
        wait_until(lambda: sluice.peers()[0]["state"] == "up", "nothing is known of it")


@suite.check
def its_log_is_reopened():
    with Checked() as peer, Balanced([peer.uri], CHECK, error_log=True) as sluice:
        wait_state(sluice, "up")
        os.rename(sluice.error_log, sluice.error_log + ".1")
        sluice.signal(signal.SIGUSR1)
        wait_until(lambda: "logs reopened" in sluice.errors(), "logs reopened")
        peer.answer = "500"
        wait_state(sluice, "down")
        wait_until(lambda: "is out: health_check" in sluice.errors(), "a line in the new file")


@suite.check
def a_route_names_the_host_and_so_does_the_check():
    with Checked() as peer:
        for lines, route, host in (("", "", f"127.0.0.1:{peer.port}"),
                                   ("", "  host app.example\n", "app.example"),
                                   (" host=a.example", "  host app.example\n", "a.example")):
            check = f"  health_check http /ping interval=100ms{lines}\n"
            with Balanced([peer.uri], check, route=route) as sluice:
                wait_state(sluice, "up")
                assert peer.checks[-1][1].get("Host") == host, peer.checks[-1][1].raw


@suite.check
def quit_ends_it():
    with Checked() as peer, Balanced([peer.uri], CHECK) as sluice:
        wait_state(sluice, "up")
        keeper = keeper_of(sluice)
        sluice.signal(signal.SIGQUIT)
        assert sluice.wait() == 0
        assert not os.path.exists(f"/proc/{keeper}")
        assert "while ending" not in sluice.errors()


suite.run()
