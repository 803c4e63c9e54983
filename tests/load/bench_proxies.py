"""The proxies that are compared: which are here, their configurations, and starting one of them
before one upstream, with one worker, on a free loopback port."""
import grp
import os
import pwd
import resource
import shutil
import subprocess

import bench_proc as proc

NAMES = ("none", "relay-64k", "relay-256k", "nginx", "nginx-tuned", "haproxy", "sluice")
TLS_NAMES = ("nginx", "nginx-tuned", "haproxy", "sluice")
QUICK_TLS_NAMES = ("nginx-tuned", "haproxy", "sluice")
COMPARED = ("relay-256k", "nginx-tuned", "haproxy")  # what ratios are taken against
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy", "caddy": "caddy"}
TUNED_BUFFER = "256k"
WHAT = {
    "none": "No proxy: the load generator talks to the upstream itself.",
    "relay-64k": "bare-relay with a buffer of 64 KiB a direction: copies bytes and knows nothing of "
                 "WebSocket, what a proxy in user space cannot do without.",
    "relay-256k": "bare-relay with a buffer of 256 KiB a direction, as sluice's are.",
    "nginx": "nginx with its default buffers.",
    "nginx-tuned": f"nginx with buffers of {TUNED_BUFFER}.",
    "haproxy": "HAProxy with its default buffers, one thread.",
    "sluice": "sluice, one worker.",
}
VERSION_OPTIONS = {"nginx": "-v", "haproxy": "-v", "sluice": "-v"}

# Where nginx puts what it does not need here; of a template with a folder.
NGINX_PATHS = """  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
"""
NGINX = """daemon off;
user {user} {group};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
""" + NGINX_PATHS + """  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_read_timeout 1h;
  proxy_send_timeout 1h;
{tuning}  server {{
    listen 127.0.0.1:{port}{secured};
{locations}  }}
}}
"""
NGINX_TUNING = """  proxy_buffer_size {size};
  proxy_buffers 8 {size};
  proxy_busy_buffers_size {size};
"""
HAPROXY = """global
  nbthread 1
  maxconn {connections}
defaults
  mode http
  maxconn {connections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend front
  bind 127.0.0.1:{port}{secured}
{choices}  default_backend b0
"""
SLUICE = """workers {workers}
error_log {folder}/sluice.log warn
access_log off
listen 127.0.0.1:{port}
{secured}"""


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def present(names):
    """Those of them that can be run here, and a word about what the others lack."""
    programs = sorted({name.split("-")[0] for name in names} & PACKAGES.keys())
    missing = [program for program in programs if find(program) is None]
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        proc.say(f"bench: {' and '.join(missing)} not found, going on without; to have what is "
                 f"missing: `make bench-deps`, or: apt-get install {packages}")
    return [name for name in names if name.split("-")[0] not in missing]


def version(name, bin_folder):
    """What the program says of itself, "" for those that are part of sluice's tests."""
    program = name.split("-")[0]
    if program not in VERSION_OPTIONS:
        return ""
    path = bin_folder + "/sluice" if program == "sluice" else find(program)
    try:
        done = subprocess.run([path, VERSION_OPTIONS[program]], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=10, check=False)
    except (OSError, TypeError):
        return ""
    lines = done.stdout.strip().splitlines() or [""]
    return lines[0].split(" - http")[0].removeprefix("nginx version: ")


def software(names, bin_folder, confs):
    """What each of them is, for who reads the results. `confs`: name to texts by kind of conf."""
    return [{"name": name, "what": WHAT[name], "version": version(name, bin_folder),
             "confs": confs.get(name, {})} for name in names]


class Upstream:
    """A sluice-echo on a free port."""

    def __init__(self, bin_folder, *options, **how):
        self.child = proc.start(
            [bin_folder + "/sluice-echo", "--listen", "127.0.0.1:0", "--quiet", *options],
            stdout=subprocess.PIPE, text=True, **how)
        line = self.child.stdout.readline()
        if not line.startswith("listening on "):
            raise proc.Failure("sluice-echo did not start")
        self.port = int(line.rsplit(":", 1)[1])

    def end(self):
        proc.end(self.child)


class Proxy:
    """One of NAMES before upstreams: the first serves every path, the n-th others under /n. With a
    certificate (its path and its key's) clients speak TLS to it, and trust it by `trust`."""

    def __init__(self, name, bin_folder, folder, ports, workers=1, cpus=None, certificate=None):
        self.name = name
        self.child = None
        self.conf = ""  # as it was written, its folder left out
        self.port = ports[0] if name == "none" else proc.free_port()
        self.ports = ports
        self.certificate = certificate
        self.trust = ("--tls-ca", certificate[0]) if certificate else ()
        if name == "none":
            return
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        with open(folder + "/output", "w", encoding="utf-8") as output:
            self.child = proc.start(self.command(bin_folder, folder, workers), cpus=cpus,
                                    stdout=output, stderr=output)
        try:
            proc.await_listener(self.child, self.port, name)
            proc.await_processes(self.child, 1 + self.children(workers), name)
        except proc.Failure as failure:
            said = proc.read(folder + "/output").strip()
            proc.end(self.child)
            raise proc.Failure(f"{failure}: {said}" if said else str(failure)) from None

    def children(self, workers):
        """How many worker processes it has, beside the one that was started."""
        if self.name == "sluice":
            return workers
        return 1 if self.name.startswith("nginx") else 0

    def pids(self):
        """All its processes as they are now."""
        return proc.tree(self.child.pid) if self.child is not None else []

    def url(self, upstream=0):
        if self.name == "none":
            return f"ws://127.0.0.1:{self.ports[upstream]}/"
        scheme = "wss" if self.certificate else "ws"
        return f"{scheme}://127.0.0.1:{self.port}/" + (f"{upstream}/" if upstream else "")

    def end(self):
        if self.child is not None:
            proc.end(self.child)

    def command(self, bin_folder, folder, workers):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if self.name.startswith("relay-"):
            return [bin_folder + "/bare-relay", "--listen", f"127.0.0.1:{self.port}",
                    "--to", f"127.0.0.1:{self.ports[0]}", "--buffer", self.name[6:]]
        if self.name.startswith("nginx"):
            conf = self.note(folder + "/nginx.conf",
                             nginx_conf(self, folder, min(most - 100, 14000)))
            return [find("nginx"), "-c", conf, "-p", folder, "-e", folder + "/nginx.log"]
        if self.name == "haproxy":
            conf = self.note(folder + "/haproxy.cfg",
                             haproxy_conf(self, folder, min(most // 2 - 100, 6000)))
            return [find("haproxy"), "-db", "-f", conf]
        conf = self.note(folder + "/sluice.conf", sluice_conf(self, folder, workers))
        return [bin_folder + "/sluice", "-c", conf]

    def note(self, path, text):
        """Writes its conf."""
        folder = os.path.dirname(path)
        self.conf = text.replace(folder + "/", "").replace(os.path.dirname(folder) + "/", "")
        return write(path, text)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)
    return path


def nginx_conf(proxy, folder, connections):
    tuning = NGINX_TUNING.format(size=TUNED_BUFFER) if proxy.name == "nginx-tuned" else ""
    locations = "".join(
        f"    location /{number or ''} {{ proxy_pass http://127.0.0.1:{port}; }}\n"
        for number, port in enumerate(proxy.ports))
    secured = ""
    if proxy.certificate:
        secured = " ssl;\n    ssl_certificate {};\n    ssl_certificate_key {};\n" \
                  "    ssl_protocols TLSv1.2 TLSv1.3".format(*proxy.certificate)
    user, group = user_and_group()
    return NGINX.format(folder=folder, connections=connections, tuning=tuning, port=proxy.port,
                        locations=locations, secured=secured, user=user, group=group)


def user_and_group():
    """Who runs this, for a conf of nginx."""
    me = pwd.getpwuid(os.geteuid())
    return me.pw_name, grp.getgrgid(me.pw_gid).gr_name


def haproxy_conf(proxy, folder, connections):
    secured = ""
    if proxy.certificate:
        both = "".join(proc.read(path) for path in proxy.certificate)
        secured = " ssl crt " + write_private(folder + "/site.pem", both)
    numbers = range(len(proxy.ports))
    choices = "".join(f"  use_backend b{n} if {{ path_beg /{n}/ }}\n" for n in numbers if n)
    backends = "".join(f"backend b{n}\n  server s 127.0.0.1:{proxy.ports[n]}\n" for n in numbers)
    return HAPROXY.format(connections=connections, port=proxy.port, choices=choices,
                          secured=secured) + backends


def sluice_conf(proxy, folder, workers):
    routes = "".join(f"route /{number}\n  proxy_pass ws://127.0.0.1:{port}\n"
                     for number, port in enumerate(proxy.ports) if number)
    routes += f"route /\n  proxy_pass ws://127.0.0.1:{proxy.ports[0]}\n"
    return listening(proxy, folder, workers) + routes


def listening(proxy, folder, workers):
    """sluice's conf but for upstreams and routes."""
    secured = ""
    if proxy.certificate:
        secured = "  tls_certificate {}\n  tls_key {}\n".format(*proxy.certificate)
    return SLUICE.format(workers=workers, folder=folder, port=proxy.port, secured=secured)
