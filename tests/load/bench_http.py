"""Plain HTTP: wrk asks for small and for large answers through a proxy, on connections that are
kept; nginx answers behind it. The proxies keep their connections to it as an operator would have it."""
import json
import os
import resource
import signal
import subprocess
import time

import bench_proc as proc
import bench_proxies

NAMES = ("nginx-tuned", "haproxy", "sluice")
PROGRAMS = {"nginx": "nginx-light", "wrk": "wrk"}
LARGE_BYTES = 1 << 20
SMALL_BYTES = 100
RUN_SECONDS = 60  # wrk takes whole seconds; it is ended before
END_SECONDS = 10
ENDLESS = 100_000_000  # requests on one connection

UPSTREAM = """daemon off;
user {user} {group};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
""" + bench_proxies.NGINX_PATHS + """  default_type application/octet-stream;
  sendfile on;
  keepalive_requests {endless};
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location = /small {{ return 200 "{small}"; }}
  }}
}}
"""
# How nginx keeps its connections to a server.
KEPT = """  keepalive_requests {endless};
  upstream kept {{
    server 127.0.0.1:{port};
    keepalive 128;
    keepalive_requests {endless};
  }}
  server {{
"""
SCRIPT = """function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %d, "bytes": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, ' ..
    '"p99_9_us": %d, "errors": {"connect": %d, "read": %d, "write": %d, "status": %d, ' ..
    '"timeout": %d}}\\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50),
    latency:percentile(99), latency:percentile(99.9), errors.connect, errors.read, errors.write,
    errors.status, errors.timeout))
end
"""


def missing():
    """The programs that are needed and not here."""
    return [name for name in sorted(PROGRAMS) if bench_proxies.find(name) is None]


class Upstream:
    """An nginx that answers /small and /large."""

    def __init__(self, folder, cpus=None):
        self.port = proc.free_port()
        self.folder = folder + "/http"
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        bench_proxies.write(self.folder + "/large", "x" * LARGE_BYTES)
        self.script = bench_proxies.write(self.folder + "/wrk.lua", SCRIPT)
        user, group = bench_proxies.user_and_group()
        conf = bench_proxies.write(self.folder + "/nginx.conf", UPSTREAM.format(
            user=user, group=group, folder=self.folder, port=self.port, endless=ENDLESS,
            small="x" * SMALL_BYTES))
        self.child = proc.start([bench_proxies.find("nginx"), "-c", conf, "-p", self.folder, "-e",
                                 self.folder + "/nginx.log"], cpus=cpus)
        proc.await_listener(self.child, self.port, "nginx")
        proc.await_processes(self.child, 2, "nginx")

    def end(self):
        proc.end(self.child)


class Proxy(bench_proxies.Proxy):
    """One of NAMES, for plain requests."""

    def url(self, upstream=0):
        return super().url(upstream).replace("ws://", "http://", 1)

    def note(self, path, text):
        if self.name.startswith("nginx"):
            text = text.replace("  proxy_set_header Upgrade $http_upgrade;\n", "")
            text = text.replace('Connection "upgrade"', 'Connection ""')
            text = text.replace("  server {\n", KEPT.format(port=self.ports[0], endless=ENDLESS), 1)
            text = text.replace(f"http://127.0.0.1:{self.ports[0]}", "http://kept")
        elif self.name == "sluice":
            text = "http on\nkeepalive_requests off\nupstream_keepalive 128\n" + text
        return super().note(path, text)


def run_wrk(url, script, connections, seconds, cpus):
    """What wrk says of so many seconds, which it counts itself."""
    child = proc.start([bench_proxies.find("wrk"), "-t", "1", "-c", str(connections), "-d",
                        f"{RUN_SECONDS}s", "-s", script, url], cpus=cpus, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        time.sleep(seconds)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=END_SECONDS)
        return json.loads(said.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise proc.Failure("wrk did not end") from None
    except (ValueError, IndexError):
        raise proc.Failure("wrk failed: " + said.strip()) from None
    finally:
        proc.end(child)


def children_ns():
    """CPU time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def measure(workload, proxy, upstream, seconds, cpus=None):
    """One run as a flat record. CPU time is that of the whole run, the connections' beginning
    included."""
    pids, server = proxy.pids(), proc.tree(upstream.child.pid)
    path = "large" if workload.payload == LARGE_BYTES else "small"

    def others_ns():
        return children_ns() + proc.cpu_ns(server)

    before, before_ticks, before_others = proc.cpu_ns(pids), proc.ticks(pids), others_ns()
    result = run_wrk(proxy.url() + path, upstream.script, workload.connections, seconds, cpus)
    spent, others = proc.cpu_ns(pids) - before, others_ns() - before_others
    count, took = result["requests"], result["microseconds"] / 1e6
    failed = {what: number for what, number in result["errors"].items() if number}
    if not count:
        raise proc.Failure(f"nothing came back: {failed}")
    record = {"seconds": took, "bytes_per_second": result["bytes"] / took,
              "errors": sum(failed.values()), "first_error": str(failed) if failed else "",
              "memory_kb": proc.memory_kb(pids), "per_second": count / took,
              "cpu_us": spent / 1e3 / count, "others_cpu_us": others / 1e3 / count,
              "cpu_us_by_ticks":
                  (proc.ticks(pids) - before_ticks) * 1e6 / proc.TICKS_PER_SECOND / count,
              "cpu_share": spent / 1e9 / took, "cpu_to_others": spent / others if others else 0.0}
    record.update({name: float(result[name]) for name in ("p50_us", "p99_us", "p99_9_us")})
    if proxy.pids() != pids:
        record["errors"] += 1
        record["first_error"] = record["first_error"] or "a process of the proxy ended"
    return record
