"""The results as one HTML page with inline SVG: nothing is fetched from anywhere."""
import bench_charts as charts
import bench_goals as goals
import bench_proxies
import bench_report as report
from bench_charts import text

COLOURS = dict(zip(bench_proxies.NAMES,
                   ("#9a9a9a", "#7fb0d8", "#3d7fb8", "#8fc98a", "#3f9a48", "#d99a3d", "#c2405a")))
LESS, MORE = "lower is better", "higher is better"

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #6a6f76; --line: #d9dce0; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --soft: #9aa0a8; --line: #3a3f45; --page: #16181b; }
}
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       margin: 2rem auto; max-width: 77rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
pre.about { color: var(--soft); font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: inherit; } nav ul { columns: 19rem; padding-left: 1.2rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
figure { margin: 0; max-width: 100%; } figcaption { color: var(--soft); max-width: 380px; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); } svg line { stroke: var(--ink); } svg .axis { stroke: var(--line); }
svg .mark { stroke-dasharray: 4 3; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
details { margin: .6rem 0; overflow-x: auto; } pre { font-size: 12px; }
dt { font-weight: 600; margin-top: .6rem; } dd { margin: 0; }
@media (max-width: 30rem) { th, td { padding: .2rem .3rem; font-size: 12px; } }
.reached { color: #2f8f3f; } .missed { color: #c2405a; }
"""


# --- charts ---------------------------------------------------------------------------------------
def chart_of(records, workload, key, title, form, note, skip=()):
    return charts.bar_chart(title, [(name, report.figures(records, workload.name, name, key),
                                     COLOURS[name])
                                    for name in report.proxies_in(records, workload.name)
                                    if name not in skip], form, note)


def ratio_chart(records, workload, against):
    if against not in report.proxies_in(records, workload.name):
        return ""
    return charts.bar_chart(f"CPU per {workload.unit} in units of {against}'s",
                            [(name, goals.spread(goals.ratios(records, workload.name, name, against)),
                              COLOURS[name])
                             for name in report.proxies_in(records, workload.name)
                             if name not in ("none", against)], report.ratio, LESS, mark=1.0)


def workload_charts(records, workload):
    if workload.kind == "idle":
        return chart_of(records, workload, "bytes_per_session", "bytes a session", report.number,
                        LESS, ("none",))
    unit = workload.unit
    without_relay = workload.tls or workload.kind == "http"
    compared = bench_proxies.COMPARED[1:] if without_relay else bench_proxies.COMPARED[:1]
    return "".join([
        chart_of(records, workload, "cpu_us", f"the proxy's CPU per {unit}", report.time_of_us, LESS),
        *(ratio_chart(records, workload, name) for name in compared),
        chart_of(records, workload, "per_second", f"{unit}s a second", report.number, MORE),
        chart_of(records, workload, "p50_us", "latency p50", report.time_of_us, LESS),
        chart_of(records, workload, "p99_us", "latency p99", report.time_of_us, LESS),
        chart_of(records, workload, "p99_9_us", "latency p99.9", report.time_of_us, LESS),
    ])


def curve_of(run, workloads, key, title, form, note):
    """A line for each proxy, through the medians of the workloads that differ in connections."""
    records = run["records"]
    series = []
    for name in run["proxies"]:
        points = {workload.connections: report.median(records, workload.name, name, key)
                  for workload in workloads}
        series.append((name, COLOURS[name], {x: y for x, y in points.items() if y is not None}))
    return charts.curves(title, series, form, note)


def curves_section(run):
    """How echoes of one size fare with more and more connections; "" where fewer than two such
    workloads were measured."""
    same = [workload for workload in run["workloads"]
            if (workload.kind, workload.payload, workload.pipeline) == ("echo", 125, 1)
            and not workload.tls]
    drawn = "".join([
        curve_of(run, same, "cpu_us", "the proxy's CPU per message", report.time_of_us, LESS),
        curve_of(run, same, "per_second", "messages a second", report.number, MORE),
        curve_of(run, same, "p50_us", "latency p50", report.time_of_us, LESS),
        curve_of(run, same, "p99_us", "latency p99", report.time_of_us, LESS),
    ]) if len(same) > 1 else ""
    return section("connections", "echo, 125 B, over connections",
                   f'<div class="charts">{drawn}</div>') if drawn else None


# --- the page -------------------------------------------------------------------------------------
def section(anchor, title, content):
    """(anchor, title, HTML) for the list of contents and the page."""
    return anchor, title, (f'<section id="{text(anchor)}"><h2>{text(title)}</h2>{content}'
                           "</section>")


def proxies_section(software):
    entries = []
    for each in software:
        confs = "".join(f"<details><summary>{text(kind)}</summary><pre>{text(conf)}</pre></details>"
                        for kind, conf in each["confs"].items())
        version = f" Version: {each['version']}." if each["version"] else ""
        entries.append(f"<dt>{text(each['name'])}</dt><dd>{text(each['what'] + version)}{confs}</dd>")
    return section("proxies", "What is compared", f"<dl>{''.join(entries)}</dl>")


def goal_rows(verdicts):
    rows = []
    for verdict in verdicts:
        word = "reached" if verdict["reached"] else "missed"
        note = "" if verdict["clear"] else ", within the spread"
        figures = report.with_spread(verdict, report.form_of(verdict))
        rows.append(f"<tr><td>{text(verdict['workload'])}</td>"
                    f"<td>{text(report.opponent(verdict))}</td>"
                    f"<td>{verdict['most']:g}</td><td>{text(figures)}</td>"
                    f'<td class="{word}">{word}{note}</td></tr>')
    return "".join(rows)


def goal_section(verdicts):
    if not verdicts:
        return None
    return section("goals", "Goals of sluice: CPU per message in the same round",
                   '<div class="wide"><table><tr><th>workload</th><th>against</th><th>at most</th>'
                   "<th>median (min..max)</th><th></th></tr>" + goal_rows(verdicts)
                   + "</table></div>")


def workload_section(records, workload):
    if not report.proxies_in(records, workload.name):
        return None
    make = report.idle_table if workload.kind == "idle" else report.message_table
    return section(workload.name, report.title_of(workload),
                   f'<div class="charts">{workload_charts(records, workload)}</div>'
                   f"<details><summary>figures</summary><pre>{text(make(records, workload))}</pre>"
                   "</details>")


def page(run):
    sections = [goal_section(run["goals"]), proxies_section(run["software"]), curves_section(run)]
    sections += [workload_section(run["records"], workload) for workload in run["workloads"]]
    sections = [each for each in sections if each is not None]
    contents = "".join(f'<li><a href="#{text(anchor)}">{text(title)}</a></li>'
                       for anchor, title, _ in sections)
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>sluice bench</title><style>{STYLE}</style></head><body>"
            f'<h1>sluice bench</h1><pre class="about">{text(run["about"])}</pre>'
            f"<nav><ul>{contents}</ul></nav>{''.join(html for _, _, html in sections)}"
            "</body></html>\n")
