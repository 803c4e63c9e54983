#!/usr/bin/env python3
"""Tests the benchmarks: bare-relay, bench.py, many.py, ping_bench.py, fair.py, and what sluice-bench
does for them.

    bench_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import html.parser
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from unittest import mock

import bench
import bench_goals
import bench_html
import bench_http
import bench_proc as proc
import bench_proxies
import bench_report
import bench_workloads
from bench_workloads import Generator

BIN = ""
HERE = os.path.dirname(os.path.abspath(__file__))
NOT_CLOSED = {"meta", "line", "rect", "circle", "polyline"}


def run(program, *options, status=0, seconds=60, bin_folder=None):
    """stdout of one of the scripts, which must exit with that status."""
    done = subprocess.run([f"{HERE}/{program}", bin_folder or BIN, *options], timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == status, (program, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Page(html.parser.HTMLParser):
    """Whether tags match, and what the page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.seen = set()
        self.fetched = []
        self.within = []
        self.anchors = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        links = [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.fetched += [link for link in links if not link.startswith("#")]
        self.within += [link[1:] for link in links if link.startswith("#")]
        self.anchors |= {value for name, value in attrs if name == "id"}
        if tag not in NOT_CLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in NOT_CLOSED or self.open.pop() == tag, tag


# --- bench.py -------------------------------------------------------------------------------------
def test_bench_writes_table_json_and_page():
    names = ["none", "relay-64k", "sluice"]
    with tempfile.TemporaryDirectory() as folder:
        text = run("bench.py", "--rounds", "1", "--seconds", "0.2", "--only", "echo-125,push-16k",
                   "--proxies", ",".join(names), "--out", folder)
        document = json.loads(proc.read(folder + "/bench.json"))
        page_text = proc.read(folder + "/bench.html")
    assert document["proxies"] == names and document["errors"] == [], document
    assert len(document["runs"]) == 2 * len(names), document["runs"]
    for record in document["runs"]:
        assert record["per_second"] > 0 and record["errors"] == 0, record
        assert record["others_cpu_us"] > 0 and ("cpu_us" in record) == (record["proxy"] != "none")
        if record["workload"] == "echo-125":
            assert 0 < record["p50_us"] <= record["p99_us"] <= record["p99_9_us"], record
        if record["proxy"] != "none":
            assert record["cpu_us"] > 0 and 0 < record["cpu_share"] < 1.5, record
            assert record["memory_kb"] > 0, record
    page = Page(page_text)
    assert page.open == [] and page.fetched == [] and {"svg", "rect", "section"} <= page.seen
    assert "@import" not in page_text and "url(" not in page_text
    assert page.within == ["proxies", "echo-125", "push-16k"] and set(page.within) == page.anchors
    for words in ("lower is better", "higher is better", "bare-relay with a buffer of 64 KiB",
                  "Version: sluice ", "error_log sluice.log warn", " \u00b5s"):
        assert words in page_text, words
    assert folder not in page_text and folder not in json.dumps(document["software"])
    for name in names:
        assert f"\n  {name} " in text and f">{name}<" in page_text, name


def test_bench_measures_connects_rate_and_idle():
    with tempfile.TemporaryDirectory() as folder:
        run("bench.py", "--quick", "--rounds", "1", "--seconds", "0.2", "--only",
            "connect,rate,idle", "--proxies", "relay-256k,sluice", "--out", folder)
        document = json.loads(proc.read(folder + "/bench.json"))
    assert document["fixed_rate"] >= 100 and len(document["runs"]) == 6, document
    idle = {record["proxy"]: record for record in document["runs"] if record["workload"] == "idle"}
    assert idle["sluice"]["count"] == idle["sluice"]["sessions"] > 0, idle
    assert 0 < idle["sluice"]["bytes_per_session"] < 100_000, idle
    assert [goal["workload"] for goal in document["goals"]] == ["idle"], document["goals"]


def test_bench_measures_tls():
    with tempfile.TemporaryDirectory() as folder:
        text = run("bench.py", "--quick", "--rounds", "1", "--seconds", "1", "--only",
                   "tls-full,tls-resumed,tls-125,tls-idle", "--proxies", "relay-64k,sluice",
                   "--out", folder)
        document = json.loads(proc.read(folder + "/bench.json"))
        page = Page(proc.read(folder + "/bench.html"))
    of = {record["workload"]: record for record in document["runs"]}
    assert len(document["runs"]) == 4 and len(of) == 4, document["runs"]  # the relay has no TLS
    assert {record["proxy"] for record in of.values()} == {"sluice"}, of
    assert of["tls-full"]["resumed"] == 0 < of["tls-full"]["full"], of
    assert of["tls-resumed"]["resumed"] > 0, of
    assert of["tls-125"]["cpu_us"] > 0 and of["tls-idle"]["bytes_per_session"] > 1024, of
    assert [goal["workload"] for goal in document["goals"]] == ["tls-idle"], document["goals"]
    assert "tls-resumed: TLS: resumed handshake" in text and page.open == [], text


def test_bench_measures_http():
    if bench_http.missing():
        print(f"skipped: there is no {' and no '.join(bench_http.missing())}")
        return
    with tempfile.TemporaryDirectory() as folder:
        text = run("bench.py", "--quick", "--rounds", "1", "--seconds", "0.3", "--only",
                   "http-small,http-1m", "--proxies", "relay-64k,nginx-tuned,sluice", "--out",
                   folder)
        document = json.loads(proc.read(folder + "/bench.json"))
        page = Page(proc.read(folder + "/bench.html"))
    runs = {(record["workload"], record["proxy"]): record for record in document["runs"]}
    assert len(document["runs"]) == 4 and {name for _, name in runs} == {"nginx-tuned", "sluice"}
    for record in runs.values():
        assert record["errors"] == 0 and record["per_second"] > 0 and record["cpu_us"] > 0, record
        assert record["others_cpu_us"] > 0 and 0 < record["p50_us"] <= record["p99_us"], record
    assert runs["http-1m", "sluice"]["bytes_per_second"] > 1 << 20, runs
    confs = {each["name"]: each["confs"]["conf for HTTP"] for each in document["software"]
             if each["confs"]}
    assert confs["sluice"].startswith("http on\n") and "keepalive 128" in confs["nginx-tuned"], confs
    assert [goal["workload"] for goal in document["goals"]] == ["http-small", "http-1m"], document
    assert "CPU us/req" in text and page.open == [], text


def test_http_is_left_out_where_its_programs_are_missing():
    options = bench.read_options([BIN, "--only", "echo-125,http-small"])
    with mock.patch.object(bench_proxies, "find", lambda program: None), \
            mock.patch.object(proc, "say") as say:
        assert [workload.name for workload in bench.chosen_workloads(options)] == ["echo-125"]
    said, = [call.args[0] for call in say.call_args_list]
    assert "nginx and wrk not found" in said and "apt-get install nginx-light wrk" in said, said


def test_bench_tells_of_a_proxy_that_does_not_start():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("sluice-echo", "sluice-bench", "bare-relay"):
            os.symlink(f"{BIN}/{name}", f"{folder}/{name}")
        bench_proxies.write(folder + "/sluice", "#!/bin/sh\necho 'no such conf'\nexit 3\n")
        os.chmod(folder + "/sluice", 0o755)
        text = run("bench.py", "--rounds", "1", "--seconds", "0.1", "--only", "echo-125",
                   "--proxies", "relay-64k,sluice", "--out", folder + "/out", status=1,
                   bin_folder=folder)
    assert "sluice did not start: exit status 3: no such conf" in text, text
    assert "\n  relay-64k " in text, text


def test_bench_refuses_unknown_names():
    run("bench.py", "--only", "echo-7", status=2)
    run("bench.py", "--proxies", "squid", status=2)


def test_what_is_missing_is_told_and_not_installed():
    with mock.patch.object(bench_proxies, "find", lambda program: None), \
            mock.patch.object(proc, "say") as say, \
            mock.patch.object(subprocess, "Popen", side_effect=AssertionError("it ran something")):
        assert bench_proxies.present(["relay-64k", "nginx", "nginx-tuned", "haproxy", "sluice"]) \
            == ["relay-64k", "sluice"]
        said, = [call.args[0] for call in say.call_args_list]
        assert "haproxy and nginx not found" in said and "make bench-deps" in said, said
        assert "apt-get install haproxy nginx-light" in said, said
        assert bench_proxies.present(["none", "sluice"]) == ["none", "sluice"]
        assert say.call_count == 1, say.call_args_list


def test_page_holds_curves_marks_and_units():
    workloads = [each for each in bench_workloads.WORKLOADS
                 if each.name in ("echo-125-1", "echo-125", "echo-125-1000", "echo-16")]
    records = [{"workload": workload.name, "proxy": proxy, "round": number, "cpu_us": 9.0 + number,
                "per_second": 1000, "p50_us": 150.0, "p99_us": 2500.0, "p99_9_us": 3.2e6}
               for workload in workloads for proxy in ("relay-256k", "sluice") for number in (0, 1)]
    run_of_it = {"about": "commit 0123", "workloads": workloads, "records": records, "goals": [],
                 "proxies": ["relay-256k", "sluice"],
                 "software": bench_proxies.software(["relay-256k"], BIN, {})}
    text = bench_html.page(run_of_it)
    page = Page(text)
    assert page.open == [] and "polyline" in page.seen and page.within[1] == "connections", page
    drawn = text.split('id="connections"')[1].split("</section>")[0]
    assert drawn.count("<polyline") == 8 and drawn.count("<circle") == 24, drawn  # not echo-16
    assert ">1,000</text>" in drawn and ">64</text>" in drawn, drawn
    for words in ("150 \u00b5s", "2.50 ms", "3.20 s", 'class="mark"', ">1.0</text>"):
        assert words in text, words
    assert "commit 0123" in text and "polyline" not in bench_html.page(
        {**run_of_it, "workloads": workloads[:1]})


def test_goals_are_judged_by_the_median_of_ratios_in_one_round():
    records = []
    for number, (ours, theirs) in enumerate([(10, 10), (30, 20), (11, 10)]):
        records += [{"workload": "echo-125", "proxy": "sluice", "round": number, "cpu_us": ours},
                    {"workload": "echo-125", "proxy": "haproxy", "round": number, "cpu_us": theirs},
                    {"workload": "echo-125", "proxy": "relay-256k", "round": number,
                     "cpu_us": ours * 2}]
    verdicts = {verdict["against"]: verdict for verdict in bench_goals.judge(records)}
    assert set(verdicts) == {"haproxy", "relay-256k"}, verdicts
    missed, reached = verdicts["haproxy"], verdicts["relay-256k"]
    assert (missed["median"], missed["min"], missed["max"]) == (1.1, 1.0, 1.5), missed
    assert not missed["reached"] and missed["clear"] and reached["reached"] and reached["clear"]
    text = bench_report.goal_table(bench_goals.judge(records))
    assert "1.100 (1.000..1.500)   missed" in text and "reached" in text, text


def test_goals_against_several_take_the_better_one():
    records = [{"workload": "tls-125", "proxy": proxy, "round": number, "cpu_us": cpu_us}
               for proxy, all_us in (("sluice", (8, 9, 9)), ("nginx-tuned", (20, 5, 20)),
                                     ("haproxy", (10, 10, 12)))
               for number, cpu_us in enumerate(all_us)]
    verdict, = bench_goals.judge(records)
    assert (verdict["against"], verdict["median"], verdict["reached"]) == ("haproxy", 0.8, True)
    assert "haproxy, the best" in bench_report.goal_table([verdict])


# --- many.py, ping_bench.py and fair.py -----------------------------------------------------------
def test_many_holds_sessions():
    text = run("many.py", "--sessions", "300", "--steps", "100", "--seconds", "0.2")
    assert "held at the end: 300; messages echoed: 300; failures: 0" in text, text
    assert "stopped by: what was asked for" in text and "100 sessions " in text, text


def test_ping_bench_counts_pings():
    text = run("ping_bench.py", "--sessions", "200", "--interval", "1", "--rounds", "1", "--rows",
               "off,both")
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("  ")}
    assert rows["off"][2] == "0" and rows["off"][-1] == "0", text
    # Each of two sides once a second; those that began together are pinged together, maybe twice
    # within what is measured.
    assert 200 <= int(rows["both"][2]) <= 850 and rows["both"][-1] == "0", text


def test_fair_prints_ratios():
    text = run("fair.py", "--rounds", "1", "--seconds", "0.2", "--proxies", "none,sluice")
    for line in ("none, alone", "none, upstream pushes", "sluice, client pushes",
                 "sluice, client changes keys", "goal for sluice, upstream pushes",
                 "goal for sluice, client changes keys"):
        assert line in text, text


# --- sluice-bench ---------------------------------------------------------------------------------
def test_warm_up_is_not_counted():
    upstream = bench_proxies.Upstream(BIN)
    begin = time.monotonic()
    generator = Generator(BIN, f"ws://127.0.0.1:{upstream.port}/", "--warm-up", "300ms",
                          "--duration", "200ms", "--rate", "1000", "--connections", "4")
    result = generator.result()
    upstream.end()
    assert time.monotonic() - begin > 0.5 and generator.marks["end"].is_set()
    assert 0.05 < result["seconds"] < 0.25 and 0 < result["messages"] < 450, result


def test_idle_messages_are_echoed_before_rest():
    upstream = bench_proxies.Upstream(BIN)
    result = Generator(BIN, f"ws://127.0.0.1:{upstream.port}/", "--idle", "--idle-messages", "3",
                       "--connections", "50", "--duration", "400ms").result()
    upstream.end()
    assert (result["messages"], result["open_at_end"], result["errors"]) == (150, 50, 0), result


def test_options_that_exclude_each_other():
    for options in (["--idle-messages", "1"], ["--warm-up", "1s", "--messages", "5"],
                    ["--warm-up", "1s", "--idle"], ["--idle", "--idle-messages", "0"]):
        done = subprocess.run([BIN + "/sluice-bench", "ws://127.0.0.1:1/", *options],
                              stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2 and done.stderr.startswith(b"sluice-bench: "), options


# --- bare-relay -----------------------------------------------------------------------------------
class Relay:
    """A bare-relay before a listener of this process, and one connection through it."""

    def __init__(self, *options):
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.child = proc.start([BIN + "/bare-relay", "--listen", "127.0.0.1:0", "--to",
                                 f"127.0.0.1:{port}", *options], stdout=subprocess.PIPE, text=True)
        port = int(self.child.stdout.readline().rsplit(":", 1)[1])
        self.client = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.upstream = self.listener.accept()[0]
        self.upstream.settimeout(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.client, self.upstream, self.listener):
            each.close()
        proc.end(self.child)


def receive_all(peer):
    parts = []
    while part := peer.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_relay_keeps_every_byte_under_back_pressure_both_ways():
    data = {"up": os.urandom(1 << 20) * 24, "down": os.urandom(1 << 20) * 24}
    with Relay("--buffer", "64k") as relay:
        def send(peer, way):
            peer.sendall(data[way])
            peer.shutdown(socket.SHUT_WR)  # a FIN behind a remainder
        senders = [threading.Thread(target=send, args=(relay.client, "up"), daemon=True),
                   threading.Thread(target=send, args=(relay.upstream, "down"), daemon=True)]
        for sender in senders:
            sender.start()
        time.sleep(0.3)  # until all buffers are full
        assert receive_all(relay.upstream) == data["up"]
        assert receive_all(relay.client) == data["down"]


def test_relay_passes_an_end_on():
    with Relay() as relay:
        relay.client.shutdown(socket.SHUT_WR)
        assert relay.upstream.recv(1) == b""
        relay.upstream.sendall(b"still here")
        relay.upstream.close()
        assert receive_all(relay.client) == b"still here"


def test_relay_survives_an_upstream_that_refuses():
    with Relay() as relay:
        relay.listener.close()
        address = relay.client.getpeername()
        with socket.create_connection(address, timeout=10) as refused:
            assert refused.recv(1) == b""
        relay.client.sendall(b"x")
        assert relay.upstream.recv(1) == b"x" and relay.child.poll() is None


def test_relay_refuses_bad_options():
    for options in ([], ["--listen", "127.0.0.1:0"], ["--listen", "127.0.0.1:0", "--to", "a b"],
                    ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--buffer", "1"]):
        done = subprocess.run([BIN + "/bare-relay", *options], stderr=subprocess.PIPE, timeout=5,
                              check=False)
        assert done.returncode == 2 and done.stderr.startswith(b"bare-relay: "), options


def main():
    global BIN
    BIN = os.path.abspath(sys.argv[1])
    part = sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        for name, test in sorted(globals().items()):
            if name.startswith("test_") and part in name:
                begin = time.monotonic()
                test()
                print(f"ok {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    finally:
        proc.end_all()


if __name__ == "__main__":
    main()
