"""The rounds: every workload through every proxy, one after another, in alternating order."""
import os
import statistics
import time

import bench_http
import bench_proc as proc
import bench_proxies
import bench_workloads as workloads
import load_certificate

IDLE_ROUNDS = 2  # memory does not wander as time does
PROBE_SECONDS = 0.3
RATE_SHARE = 1 / 3  # of what the slowest proxy does


class Runner:
    """Keeps one proxy of each name before each upstream, and collects a record for each run."""

    def __init__(self, options, names, folder):
        self.options = options
        self.names = list(names)
        self.folder = folder
        self.records = []
        self.errors = []
        self.upstreams = {}
        self.proxies = {}
        self.confs = {}  # by name: {"conf": text, "conf with TLS": text, "conf for HTTP": text}
        self.rate = 0
        self.rounds_done = 0
        self.site = None
        cores = sorted(os.sched_getaffinity(0))
        pinned = options.pin and len(cores) > 1
        self.proxy_cpus = {cores[0]} if pinned else None
        self.load_cpus = set(cores[1:]) if pinned else None

    def run(self, chosen, rounds, deadline=None):
        """All rounds, or as many as begin before the deadline (of time.monotonic)."""
        self.start_all(chosen)
        longest = 0.0
        for round_number in range(rounds):
            begin, idle_seconds = time.monotonic(), 0.0
            if deadline is not None and round_number and begin + longest > deadline:
                proc.say(f"bench: time is over after {round_number} of {rounds} rounds")
                break
            for workload in chosen:
                if workload.kind != "idle":
                    self.run_workload(workload, round_number)
                elif round_number < (1 if self.options.quick else IDLE_ROUNDS):
                    idle_seconds -= time.monotonic()
                    self.run_workload(workload, round_number)
                    idle_seconds += time.monotonic()
            self.rounds_done += 1
            longest = max(longest, time.monotonic() - begin - idle_seconds)

    def measures(self, workload, name):
        """Whether there is anything to measure of that proxy."""
        speaks_tls = bench_proxies.QUICK_TLS_NAMES if self.options.quick \
            else bench_proxies.TLS_NAMES
        if workload.tls and name not in speaks_tls:
            return False
        if workload.kind == "http" and name not in bench_http.NAMES:
            return False
        return workload.kind != "idle" or name != "none"

    def run_workload(self, workload, round_number):
        if workload.kind == "rate" and not self.rate:
            self.choose_rate(workload)
        names = self.names if round_number % 2 == 0 else self.names[::-1]
        proc.say(f"round {round_number + 1}: {workload.name}")
        for name in names:
            record = self.try_once(workload, name, self.options.seconds)
            if record is None:
                continue
            record.update(round=round_number, workload=workload.name, proxy=name)
            self.records.append(record)
            if record["errors"]:
                self.fail(workload, name, f"{record['errors']} errors, first: "
                                          f"{record['first_error']}")

    def try_once(self, workload, name, seconds):
        """A record, or None where there is none to be had."""
        try:
            if not self.measures(workload, name):
                return None
            if workload.kind == "idle":
                return self.measure_idle(workload, name)
            proxy = self.proxies.get((name, workload.upstream, workload.tls))
            if proxy is None:
                return None
            upstream = self.upstreams[workload.upstream]
            if workload.kind == "http":
                return bench_http.measure(workload, proxy, upstream, seconds, self.load_cpus)
            return workloads.measure(self.options.bin, workload, proxy, upstream, seconds,
                                     self.rate if workload.kind == "rate" else 0, self.load_cpus)
        except proc.Failure as failure:
            self.fail(workload, name, str(failure))
            return None

    def measure_idle(self, workload, name):
        """Of a fresh proxy: what load left behind in it is not a session's."""
        proxy = self.start(name, workload, "idle")
        try:
            sessions = workloads.idle_sessions(workload, self.options.quick)
            return workloads.measure_idle(self.options.bin, workload, proxy, sessions)
        finally:
            proxy.end()

    def fail(self, workload, name, text):
        proc.say(f"bench: {name}, {workload.name}: {text}")
        self.errors.append({"workload": workload.name, "proxy": name, "text": text})

    def choose_rate(self, workload):
        """Once, from what every proxy does of the same messages."""
        speeds = []
        for name in self.names:
            measured = [record["per_second"] for record in self.records
                        if record["workload"] == "echo-125" and record["proxy"] == name]
            if not measured:
                record = self.try_once(workload, name, PROBE_SECONDS)
                measured = [record["per_second"]] if record else []
            speeds += [statistics.median(measured)] if measured else []
        slowest = min(speeds, default=300)
        self.rate = max(100, int(slowest * RATE_SHARE) // 100 * 100)
        proc.say(f"bench: the fixed rate is {self.rate} messages a second")

    # --- processes --------------------------------------------------------------------------------
    def start_all(self, chosen):
        for workload in chosen:
            if workload.upstream not in self.upstreams:
                self.upstreams[workload.upstream] = self.start_upstream(workload)
            for name in self.names:
                key = name, workload.upstream, workload.tls
                idle = workload.kind == "idle"  # has a fresh proxy each time
                if key in self.proxies or idle or not self.measures(workload, name):
                    continue
                try:
                    self.proxies[key] = self.start(name, workload, f"{len(self.proxies)}")
                except proc.Failure as failure:
                    self.proxies[key] = None
                    self.fail(workload, name, str(failure))

    def start_upstream(self, workload):
        if workload.kind == "http":
            return bench_http.Upstream(self.folder, cpus=self.load_cpus)
        return bench_proxies.Upstream(self.options.bin, *workload.upstream, cpus=self.load_cpus)

    def start(self, name, workload, label):
        plain = workload.kind == "http"
        make = bench_http.Proxy if plain else bench_proxies.Proxy
        proxy = make(name, self.options.bin, f"{self.folder}/{name}-{label}",
                     [self.upstreams[workload.upstream].port], cpus=self.proxy_cpus,
                     certificate=self.certificate() if workload.tls else None)
        if proxy.conf:
            kind = "conf for HTTP" if plain else "conf with TLS" if workload.tls else "conf"
            self.confs.setdefault(name, {}).setdefault(kind, proxy.conf)
        return proxy

    def certificate(self):
        """Paths of the one that every proxy shows, and of its key."""
        if self.site is None:
            self.site = load_certificate.make(self.folder)
        return self.site
