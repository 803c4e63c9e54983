"""conf/observability/: the rules and the dashboard ask for what /metrics gives, in expressions that
Prometheus takes, and the rules fire when they should."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request

from balanced import Greeting
from harness import Skip, Sluice, Suite, free_port, wait_until
from tls import client_wrap, site
from wire import dial, request

suite = Suite()

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "observability")
# Prometheus' own.
NOT_OURS = {"up"}
WORDS = {"sum", "by", "rate", "histogram_quantile", "clamp_min", "on", "group_left", "time", "min",
         "count", "or", "vector", "increase"}


def promtool(*words, **options):
    program = shutil.which("promtool")
    if not program:
        raise Skip("there is no promtool")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120,
                          check=False, **options)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def rules():
    """The expressions, which promtool has judged; YAML is not in Python's library."""
    with open(os.path.join(FOLDER, "rules.yml"), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^ +expr: (?:>-\n((?: {10}.*\n)+)|(.*)$)", text, re.M)
    assert len(found) == text.count("- alert:"), found
    return [folded or line for folded, line in found]


def dashboard():
    with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
        return json.load(file)


def dashboard_expressions():
    return [target["expr"] for panel in dashboard()["panels"]
            for target in panel.get("targets", [])]


def names_in(expression):
    """The metrics that it asks for: what is no label, number, duration, text or function."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|group_left)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - WORDS - NOT_OURS


def metrics_given():
    """All series' names, of a sluice to which something of everything has happened."""
    port = free_port()
    with Greeting() as upstream:
        conf = (f"@admin 127.0.0.1:{port}\n{site().lines}\nupstream up\n  server {upstream.uri}\n"
                "  health_check tcp interval=1s\nroute /\n  proxy_pass up")
        with Sluice(conf, wrap=client_wrap()) as sluice:
            client = dial(sluice.port, wrap=sluice.wrap)
            client.send(request())
            assert client.head().status == 101
            client.close()
            awaited = ("sluice_peer_health_checks_total{", "sluice_sessions_closed_total{")
            wait_until(lambda: all(each in scrape(port) for each in awaited),
                       "a check, and a session's end")
            text = scrape(port)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    names = set()
    for name, kind in types.items():
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} \
            if kind == "histogram" else {name}
    return names


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return answer.read().decode()


@suite.check
def prometheus_takes_the_rules_and_they_fire_when_they_should():
    promtool("check", "rules", "rules.yml", cwd=FOLDER)
    promtool("test", "rules", "rules_test.yml", cwd=FOLDER)
    promtool("check", "config", "prometheus.yml", cwd=FOLDER)
    with open(os.path.join(FOLDER, "rules.yml"), encoding="utf-8") as file:
        alerts = set(re.findall(r"- alert: (\w+)", file.read()))
    with open(os.path.join(FOLDER, "rules_test.yml"), encoding="utf-8") as file:
        text = file.read()
    tested = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", text))  # some fire
    assert alerts == tested, alerts ^ tested
    with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as file:
        assert alerts <= set(re.findall(r"Sluice\w+", file.read())), alerts


@suite.check
def prometheus_takes_what_the_dashboard_asks():
    expressions = dashboard_expressions()
    assert len(expressions) > 20, expressions
    lines = ["groups:", "- name: dashboard", "  rules:"]
    for number, each in enumerate(expressions):
        plain = each.replace("$__rate_interval", "1m")
        lines += [f"  - record: r:{number}", f"    expr: {json.dumps(plain)}"]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        promtool("check", "rules", file.name)


@suite.check
def all_that_is_asked_for_is_given():
    given = metrics_given()
    assert "sluice_peer_up" in given and "sluice_handshake_duration_seconds_bucket" in given, given
    asked = {name for each in rules() + dashboard_expressions() for name in names_in(each)}
    variables = dashboard()["templating"]["list"]
    for each in variables:
        asked |= set(re.findall(r"label_values\((\w+)", str(each["query"])))
    assert "sluice_sessions_active" in asked and len(asked) > 20, asked
    assert asked <= given, f"nobody gives {sorted(asked - given)}"


@suite.check
def panels_of_the_dashboard_do_not_lie_on_each_other():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


suite.run()
