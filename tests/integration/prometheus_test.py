"""A real Prometheus scrapes under load: what it stored is what the load generator counted, exactly,
over reloads and a worker's death; and no scrape failed."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from admin import Admin, until
from harness import BIN, Skip, Suite, free_port, wait_until

suite = Suite()
MESSAGES = 1_000_000
PAYLOAD = 125


class Echo:
    """sluice-echo, the upstream."""

    def __init__(self):
        self.port = free_port()
        self.uri = f"ws://127.0.0.1:{self.port}"

    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(BIN, "sluice-echo"), "--quiet", "--listen",
                                         f"127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), "sluice-echo")
        return self

    def __exit__(self, *problem):
        self.process.terminate()
        self.process.wait(20)


class Prometheus:
    """Debian's, with a store of its own, that scrapes one admin address."""

    def __init__(self, admin):
        self.program = shutil.which("prometheus")
        if self.program is None:
            raise Skip("prometheus is not installed")
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="sluice-prometheus-")
        self.admin = admin

    def __enter__(self):
        conf = os.path.join(self.folder, "prometheus.yml")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
                       "scrape_configs:\n"
                       "  - job_name: sluice\n"
                       f"    static_configs: [{{targets: ['{self.admin}']}}]\n")
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, f"--config.file={conf}", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        wait_until(lambda: answers(self.port), "Prometheus", 60)
        return self

    def __exit__(self, kind, *problem):
        self.process.terminate()
        self.process.wait(60)
        if kind is not None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                print(file.read()[-2000:])
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, expression):
        """The one number that the expression has, or None where it has no value yet."""
        query = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{query}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready
                return None
            raise
        assert len(result) < 2, f"{expression} has {len(result)} values"
        return float(result[0]["value"][1]) if result else None

    def await_value(self, expression, wanted):
        """Until the expression has that value: of the next scrape, or the one behind it."""
        last = [None]

        def equal():
            last[0] = self.ask(expression)
            return last[0] == wanted
        try:
            wait_until(equal, expression, 30)
        except AssertionError:
            raise AssertionError(f"{expression} is {last[0]}, not {wanted}") from None


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def load(sluice, messages):
    """sluice-bench echoes so many over 20 connections."""
    return subprocess.Popen(
        [os.path.join(BIN, "sluice-bench"), f"ws://127.0.0.1:{sluice.port}/", "-c", "20",
         "--pipeline", "8", "--payload", str(PAYLOAD), "-n", str(messages), "--json", "-q"],
        stdout=subprocess.PIPE, text=True)


def counted(generator):
    """What it did, once it has ended."""
    text, _ = generator.communicate(timeout=300)
    result = json.loads(text)
    assert generator.returncode == 0 and result["errors"] == 0, result
    return result


def kill_the_busiest_worker(sluice):
    victim = max(sluice.status()["workers"], key=lambda each: each["sessions"])
    os.kill(victim["pid"], signal.SIGKILL)
    wait_until(lambda: sluice.metrics().of("sluice_worker_restarts_total") == 1, "a successor")
    wait_until(lambda: sluice.metrics().of("sluice_worker_accepting") == 2, "two workers")
    return victim["sessions"]


@suite.check
def what_prometheus_stored_is_what_the_load_generator_counted():
    with Echo() as up, Admin([up.uri], workers=2) as sluice, Prometheus(sluice.at) as prometheus:
        sluice.may_be_killed = True
        prometheus.await_value("up", 1)
        generator = load(sluice, MESSAGES // 2)
        for reload in range(1, 3):
            first = sluice.metrics().of("sluice_messages_total")
            wait_until(lambda: sluice.metrics().of("sluice_messages_total") > first,
                       "messages before a reload")
            sluice.reload([up.uri])
            assert sluice.metrics().of("sluice_config_reloads_total", result="good") == reload
        assert generator.poll() is None, "the load ended before the reloads"
        results = [counted(generator)]

        stayers = sluice.opened(10)
        lost = kill_the_busiest_worker(sluice)
        assert lost > 0
        results.append(counted(load(sluice, MESSAGES - MESSAGES // 2)))
        assert sum(each["messages"] for each in results) == MESSAGES, results

        opened = sum(each["opened"] for each in results) + len(stayers)
        for side, mask in (("client", 4), ("upstream", 0)):
            messages = f'sum(sluice_messages_total{{route="/",from="{side}"}})'
            prometheus.await_value(messages, MESSAGES)
            prometheus.await_value(f'sum(sluice_received_bytes_total{{route="/",side="{side}"}})'
                                   f' - {4 + mask} * sum(sluice_close_frames_total'
                                   f'{{route="/",from="{side}",code="1000"}})',
                                   MESSAGES * (PAYLOAD + 2 + mask))
        prometheus.await_value("sum(sluice_sessions_opened_total)", opened)
        prometheus.await_value('sum(sluice_handshakes_total{code="101"})', opened)
        prometheus.await_value('sum(sluice_sessions_closed_total{reason="worker_died"})', lost)
        prometheus.await_value("sum(sluice_sessions_active)", len(stayers) - lost)
        until(sluice, {"sluice_messages_total": 2 * MESSAGES}, route="/")
        assert prometheus.ask("min_over_time(up[10m])") == 1, "a scrape failed"
        assert prometheus.ask("sum(resets(sluice_messages_total[10m]))") == 0, "a counter went back"
        scrapes = prometheus.ask("max(count_over_time(up[10m]))")
        assert scrapes > 4, scrapes
        print(f"Prometheus: {MESSAGES} messages from each side, counted as the generator did, "
              f"after {scrapes:.0f} scrapes, 2 reloads and a worker's death")
        for client in stayers:
            client.sock.close()


suite.run()
