#!/usr/bin/env python3
"""Whether one session that does what it can slows the others down: 100 sessions send a message
every 20 ms, first alone, then next to one that pushes at full speed; and the same in TLS, next to
one that changes its keys at full speed.

    fair.py BIN_FOLDER [--proxies NAME,..] [--rounds N] [--seconds S]

The pusher's own load generator and upstream get processors that nobody else wants, so that they
take from the others what the proxy lets them take; those of the 100 sessions, which hardly ever
run, wait for nobody where that is permitted (to root), so that their latency is not the scheduler's
time slice. "none" tells what the machine itself does.
Exit status 1 where something went wrong, never because something was slow.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

import bench_goals as goals
import bench_proc as proc
import bench_proxies
import bench_report as report
import load_certificate
from bench_workloads import Generator, Sample

NAMES = [name for name in bench_proxies.NAMES if not name.startswith("relay")]  # they lead one way
DEFAULT_NAMES = "none,sluice,nginx,nginx-tuned,haproxy"
SESSIONS, INTERVAL_MS, PAYLOAD = 100, 20, 125
MOST_RATIO = 3.0  # the goal for sluice's p99
WARM_UP_SECONDS = 0.3
# How the pusher pushes: options of its upstream and of its load generator. A sink answers nothing,
# so that as much may be on its way as a run can send.
PUSHERS = {
    "client pushes": (("--mode", "sink"), ("--payload", "1m", "--pipeline", "65536")),
    "upstream pushes": (("--mode", "flood", "--payload", "64k"), ("--receive",)),
}
ALONE, ALONE_TLS, KEYS = "alone", "alone in TLS", "client changes keys"
# What is measured without TLS and with it, and what each of them is compared with.
PLAIN = {ALONE: ALONE, **dict.fromkeys(PUSHERS, ALONE)}
IN_TLS = {ALONE_TLS: ALONE_TLS, KEYS: ALONE_TLS}
CASES = {**PLAIN, **IN_TLS}


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--proxies", metavar="NAME,..", default=DEFAULT_NAMES,
                        help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=1.5,
                        help="measured in each run, default %(default)s")
    options = parser.parse_args(arguments)
    options.bin = os.path.abspath(options.bin)
    options.names = [name for name in options.proxies.split(",") if name]
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(NAMES)}")
    return options


class KeyFlood:
    """A key-flood toward a sink, which only the other sessions are measured beside."""

    def __init__(self, bin_folder, url):
        self.child = proc.start([bin_folder + "/key-flood", url], stderr=subprocess.PIPE, text=True,
                                schedule=proc.yield_to_all)
        self.goes_on("begin")

    def goes_on(self, wanted=""):
        if wanted and self.child.stderr.readline().strip() == wanted:
            return
        if wanted or self.child.poll() is not None:
            raise proc.Failure("key-flood ended: " + self.child.stderr.read().strip())

    def stop(self):
        self.goes_on()
        proc.end(self.child)

    def result(self):
        return {}


def start_pusher(options, proxy, case):
    """None where there is none; it runs until it is stopped."""
    if case == KEYS:
        flood = KeyFlood(options.bin, proxy.url(1 + list(PUSHERS).index("client pushes")))
        time.sleep(WARM_UP_SECONDS)
        return flood
    if case not in PUSHERS:
        return None
    number = 1 + list(PUSHERS).index(case)
    pusher = Generator(options.bin, proxy.url(number), "--connections", "1", "--duration", "1h",
                       *PUSHERS[case][1], schedule=proc.yield_to_all)
    pusher.await_mark("begin")
    time.sleep(WARM_UP_SECONDS)  # until it is at full speed
    return pusher


def measure(options, proxy, case):
    """One run: the sessions' latency, and what the proxy's CPU had to do."""
    pids = proxy.pids()
    pusher = start_pusher(options, proxy, case)
    samples = {}
    generator = Generator(
        options.bin, proxy.url(), "--connections", str(SESSIONS), "--payload", str(PAYLOAD),
        "--rate", str(SESSIONS * 1000 // INTERVAL_MS), "--warm-up",
        f"{round(WARM_UP_SECONDS * 1000)}ms", "--duration", f"{round(options.seconds * 1000)}ms",
        *proxy.trust, at_mark=lambda mark: samples.setdefault(mark, Sample(pids, [], [])), schedule=proc.hurry)
    try:
        result = generator.result()
    finally:
        if pusher is not None:
            pushed = stop_pusher(pusher)
    if result["errors"]:
        raise proc.Failure(result["first_error"])
    record = {"case": case, "p50_us": result["latency_us"]["p50"],
              "p99_us": result["latency_us"]["p99"]}
    if pids:
        spent_ns = samples["end"].proxy_ns - samples["begin"].proxy_ns
        record["cpu"] = spent_ns / 1e9 / (samples["end"].at - samples["begin"].at)
    if case == "upstream pushes":
        record["megabytes"] = pushed["megabytes_per_second"]
    return record


def stop_pusher(pusher):
    """It may end as it likes: a sink leaves everything unanswered."""
    pusher.stop()
    return pusher.result()


def rows_of(records, name):
    mine = [dict(record, workload=record["case"]) for record in records if record["proxy"] == name]
    for case in CASES:
        values = lambda key: goals.spread(goals.values_of(mine, case, name, key).values())
        if values("p99_us") is None:
            continue
        growth = []
        for key in ("p50_us", "p99_us"):
            alone = goals.values_of(mine, CASES[case], name, key)
            with_it = goals.values_of(mine, case, name, key)
            growth.append(goals.spread(with_it[n] / alone[n] for n in with_it if alone.get(n)))
        cpu, megabytes = values("cpu"), values("megabytes")
        yield case, growth[1], [
            f"{name}, {case}", report.with_spread(values("p50_us")),
            report.with_spread(values("p99_us")),
            *(report.with_spread(each, report.ratio) if case != CASES[case] else "-"
              for each in growth),
            f"{cpu['median']:.0%}" if cpu else "-",
            report.number(megabytes["median"]) if megabytes else "-"]


def print_results(options, records):
    table = [["", "p50 us", "p99 us", "p50 / alone", "p99 / alone", "proxy's CPU", "pushed MB/s"]]
    verdicts = []
    for name in options.names:
        for case, growth, row in rows_of(records, name):
            table.append(row)
            if name == "sluice" and case != CASES[case] and growth:
                word = "reached" if growth["median"] <= MOST_RATIO else "missed"
                verdicts.append(f"goal for sluice, {case}: p99 at most {MOST_RATIO:g} times what it "
                                f"is alone: {report.with_spread(growth, report.ratio)}, {word}")
    print(f"{SESSIONS} sessions, {PAYLOAD} B every {INTERVAL_MS} ms, beside one that pushes or "
          f"changes keys at full speed; medians (least..greatest)\n" + report.table(table))
    print("\n".join(verdicts))


def measure_all(options, folder):
    """Records of all rounds, what failed, and what proxies of others did not get through."""
    upstreams = [bench_proxies.Upstream(options.bin, schedule=proc.hurry)]
    upstreams += [bench_proxies.Upstream(options.bin, *words, schedule=proc.yield_to_all)
                  for words, _ in PUSHERS.values()]
    ports = [upstream.port for upstream in upstreams]
    certificate = load_certificate.make(folder)
    runs = []
    for name in options.names:
        proxy = bench_proxies.Proxy(name, options.bin, f"{folder}/{name}", ports)
        runs += [(proxy, case) for case in PLAIN]
        if name in bench_proxies.TLS_NAMES:
            proxy = bench_proxies.Proxy(name, options.bin, f"{folder}/{name}-tls", ports,
                                        certificate=certificate)
            runs += [(proxy, case) for case in IN_TLS]
    records, failures, beaten = [], [], []
    for number in range(options.rounds):
        proc.say(f"round {number + 1}")
        for proxy, case in runs if number % 2 == 0 else runs[::-1]:
            try:
                record = measure(options, proxy, case)
                records.append({**record, "round": number, "proxy": proxy.name})
            except proc.Failure as failure:
                given_up = case not in (ALONE, ALONE_TLS) and not proxy.name.startswith("sluice")
                (beaten if given_up else failures).append(f"{proxy.name}, {case}: {failure}")
    return records, failures, beaten


def main(arguments):
    options = read_options(arguments)
    proc.end_with_signals()
    proc.raise_descriptor_limit()
    options.names = bench_proxies.present(options.names)
    if os.geteuid() != 0:
        proc.say("fair: without root the latencies hold the scheduler's time slices, too")
    with tempfile.TemporaryDirectory(prefix="sluice-fair-") as folder:
        os.chmod(folder, 0o755)
        try:
            records, failures, beaten = measure_all(options, folder)
        finally:
            proc.end_all()
    print_results(options, records)
    for case in beaten:
        print("no latency: " + case)
    for failure in failures:
        print("error: " + failure)
    return 1 if failures or not records else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        proc.end_all()
        sys.exit(130)
    except proc.Failure as fault:
        proc.end_all()
        proc.say(f"fair: {fault}")
        sys.exit(1)
