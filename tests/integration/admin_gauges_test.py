"""What /metrics tells of processes, loops, certificates, confs and peers."""
import json
import os
import re
import resource
import ssl
import time

from admin import Admin, Metrics, ask, until
from balanced import Balanced, Greeting
from harness import Suite, free_port, wait_until
from tls import authority, client_wrap, openssl, site
from wire import refusing_socket

suite = Suite()


@suite.check
def processes_and_loops_are_told():
    with Greeting() as up, Admin([up.uri], workers=2) as sluice:
        sluice.opened(4)
        wait_until(lambda: sluice.metrics().of("sluice_worker_loop_lag_seconds_count") > 0, "turns")
        # Master, keeper and two workers have told of themselves.
        pids = processes(sluice)
        wait_until(lambda: sluice.metrics().of("process_resident_memory_bytes") > 4 << 20, "memory")
        metrics = sluice.metrics()
        assert 0 < metrics.of("sluice_worker_loop_lag_seconds_sum") < 3600
        for worker in "01":
            [busy] = metrics.values("sluice_worker_loop_busy_ratio", worker=worker)
            assert 0 <= busy <= 1, busy
        assert metrics.of("process_virtual_memory_bytes") > \
            metrics.of("process_resident_memory_bytes")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        assert metrics.of("process_max_fds") == 4 * limit
        if os.stat("/proc/self/fd").st_size > 0:  # else the kernel does not count them
            assert 0 < metrics.of("process_open_fds") <= 4 * limit
            wait_until(lambda: sluice.metrics().of("process_open_fds") ==
                       sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), "all descriptors")
        # One at work takes time; who dies takes nothing more, but what he took stays.
        before = metrics.of("process_cpu_seconds_total")
        wait_until(lambda: [sluice.get() for _ in range(20)] and
                   sluice.metrics().of("process_cpu_seconds_total") > before, "time is used")
        until(sluice, {"sluice_ring_bytes": 0, "sluice_pipes_open": 0,
                       "sluice_log_lines_dropped_total": 0})
        workers = json.loads(sluice.get("/status.json").body)["workers"]
        assert all(0 <= each["busy"] <= 1 for each in workers), workers


def processes(sluice):
    status = sluice.status()
    return [status["pid"], status["keeper"]["pid"], *(each["pid"] for each in status["workers"])]


@suite.check
def lines_that_no_disk_takes_are_counted():
    with Greeting() as up, Admin([up.uri], top="@access_log /dev/full\n", access=False) as sluice:
        client = sluice.open()
        client.sock.close()
        until(sluice, {"sluice_log_lines_dropped_total": 1})


@suite.check
def certificates_are_told_with_their_ends():
    other = authority().issue(sans=("DNS:other.example", "DNS:third.example"))
    with Greeting() as up, Admin([up.uri], top=site().lines + other.lines, wrap=client_wrap()) as sluice:
        ends = sluice.metrics().samples_of("sluice_tls_certificate_not_after_timestamp_seconds")
        at = f"127.0.0.1:{sluice.port}"
        assert ends == {(("listener", at), ("name", "localhost")): end_of(site()),
                        (("listener", at), ("name", "other.example")): end_of(other)}, ends


def end_of(certificate):
    told = openssl("x509", "-noout", "-enddate", "-in", certificate.path).decode().strip()
    return ssl.cert_time_to_seconds(told.split("=")[1])


@suite.check
def confs_are_in_use_until_their_last_session_ends():
    with Greeting() as up, Admin([up.uri], top="@close_timeout 1s\n", workers=1) as sluice:
        until(sluice, {"sluice_config_generations_active": 1})
        first = sluice.open()
        sluice.reload([up.uri])
        second = sluice.open()
        sluice.reload([up.uri])
        until(sluice, {"sluice_config_generations_active": 3})
        first.sock.close()
        until(sluice, {"sluice_config_generations_active": 2})
        second.sock.close()
        until(sluice, {"sluice_config_generations_active": 1})


class Failing(Greeting):
    """An upstream that says this to whoever asks, or to whoever comes, and ends."""

    def __init__(self, answer, awaits_head=True):
        self.answer, self.awaits_head = answer, awaits_head
        super().__init__()

    def greet(self, wire):
        if self.awaits_head:
            wire.head()
        wire.send(self.answer)
        wire.close()


@suite.check
def failures_of_peers_are_counted_by_what_they_were():
    with refusing_socket() as nobody, Failing(b"") as lost, \
            Failing(b"HTTP/1.1 nonsense\r\n\r\n") as invalid, Failing(b"no TLS", False) as plain:
        dead = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        secure = plain.uri.replace("ws:", "wss:")
        for server, reason in ((dead, "connect"), (lost.uri, "lost"),
                               (invalid.uri, "invalid_answer"), (secure, "tls")):
            verify = "  tls_verify off\n" if server == secure else ""
            with Admin([server], "  max_fails off\n" + verify) as sluice:
                for _ in range(2):
                    assert sluice.open().answer.status == 502
                until(sluice, {"sluice_peer_failures_total": 2}, reason=reason, server=server)
                until(sluice, {"sluice_peer_failures_total": 2})


@suite.check
def peers_that_are_drained_are_told():
    with Greeting() as a, Greeting() as b, Admin([a.uri, b.uri]) as sluice:
        def drained():
            metrics = sluice.metrics()
            return [metrics.of("sluice_peer_draining", server=each.uri) for each in (a, b)]

        def become(wanted):
            wait_until(lambda: drained() == wanted, f"{wanted} are drained")
        become([0, 0])
        server, everything = ("upstream", "all", "server", b.uri), ("upstream", "all")
        for part, wanted in ((server, [0, 1]), (everything, [1, 1])):
            assert sluice.say("drain", *part).returncode == 0
            become(wanted)
            assert sluice.say("undrain", *part).returncode == 0
            become([0, 0])


@suite.check
def nobody_wakes_up_to_tell_what_nobody_can_ask():
    with Greeting() as up, Balanced([up.uri], workers=2) as sluice:
        plain = sluice.text
        address = f"127.0.0.1:{free_port()}"
        sluice.reload([up.uri])  # who answered for a conf is done with its start
        workers = sluice.workers()

        def wakes():
            return [wakes_of(pid) for pid in workers]

        def nobody_wakes():
            before = wakes()
            time.sleep(1.5)
            return wakes() == before
        wait_until(nobody_wakes, "they sleep")
        for _ in range(2):
            sluice.text = f"admin {address}\n{plain}"
            sluice.reload([up.uri])
            before = wakes()
            wait_until(lambda: all(now > then + 1 for now, then in zip(wakes(), before)), "they tell")
            assert Metrics(ask(address).body).of("process_resident_memory_bytes") > 4 << 20
            sluice.text = plain
            sluice.reload([up.uri])
            wait_until(nobody_wakes, "they sleep again")  # once the old conf is forgotten


def wakes_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])


suite.run()
