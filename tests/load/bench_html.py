"""The results as one HTML page with inline SVG: nothing is fetched from anywhere."""
import html

import bench_goals as goals
import bench_proxies
import bench_report as report

COLOURS = dict(zip(bench_proxies.NAMES,
                   ("#9a9a9a", "#7fb0d8", "#3d7fb8", "#8fc98a", "#3f9a48", "#d99a3d", "#c2405a")))
LABEL, BAR, VALUE, ROW = 100, 300, 150, 22  # widths of a chart's columns, height of a row

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #6a6f76; --line: #d9dce0; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --soft: #9aa0a8; --line: #3a3f45; --page: #16181b; }
}
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
pre.about { color: var(--soft); font: inherit; white-space: pre-wrap; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
figure { margin: 0; } figcaption { color: var(--soft); }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); } svg line { stroke: var(--ink); } svg .axis { stroke: var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
details { margin: .6rem 0; overflow-x: auto; } pre { font-size: 12px; }
.reached { color: #2f8f3f; } .missed { color: #c2405a; }
"""


def text(value):
    return html.escape(str(value), quote=True)


# --- charts ---------------------------------------------------------------------------------------
def bar_chart(title, bars, form=report.number):
    """`bars`: (label, figures, colour). A bar is the median, the whisker the spread."""
    bars = [bar for bar in bars if bar[1] is not None]
    top = max((bar[1]["max"] for bar in bars), default=0)
    if not bars or top <= 0:
        return ""
    height = ROW * len(bars) + 6
    parts = [f'<svg role="img" width="{LABEL + BAR + VALUE}" height="{height}" '
             f'viewBox="0 0 {LABEL + BAR + VALUE} {height}"><title>{text(title)}</title>',
             f'<line class="axis" x1="{LABEL}" y1="0" x2="{LABEL}" y2="{height}"/>']
    for number, (label, figures, colour) in enumerate(bars):
        y = ROW * number + 4
        middle = y + (ROW - 6) / 2
        at = lambda value: LABEL + BAR * value / top
        value = report.with_spread(figures, form)
        parts.append(f'<g><title>{text(label)}: {text(value)}</title>'
                     f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{text(label)}</text>'
                     f'<rect x="{LABEL}" y="{y}" width="{at(figures["median"]) - LABEL:.1f}" '
                     f'height="{ROW - 6}" fill="{colour}"/>')
        if figures["max"] > figures["min"]:
            low, high = at(figures["min"]), at(figures["max"])
            parts.append(f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>')
            parts += [f'<line x1="{x:.1f}" y1="{middle - 4}" x2="{x:.1f}" y2="{middle + 4}"/>'
                      for x in (low, high)]
        parts.append(f'<text class="soft" x="{at(figures["max"]) + 8:.1f}" y="{middle + 4}">'
                     f'{text(value)}</text></g>')
    return (f'<figure><figcaption>{text(title)}</figcaption>' + "".join(parts)
            + "</svg></figure>")


def chart_of(records, workload, key, title, skip=()):
    return bar_chart(title, [(name, report.figures(records, workload.name, name, key),
                              COLOURS[name])
                             for name in report.proxies_in(records, workload.name)
                             if name not in skip])


def ratio_chart(records, workload, against):
    if against not in report.proxies_in(records, workload.name):
        return ""
    return bar_chart(f"CPU per {workload.unit} in units of {against}'s",
                     [(name, goals.spread(goals.ratios(records, workload.name, name, against)),
                       COLOURS[name])
                      for name in report.proxies_in(records, workload.name)
                      if name not in ("none", against)], report.ratio)


def charts(records, workload):
    if workload.kind == "idle":
        return chart_of(records, workload, "bytes_per_session", "bytes a session", ("none",))
    unit = workload.unit
    compared = bench_proxies.COMPARED[1:] if workload.tls else bench_proxies.COMPARED[:1]
    return "".join([
        chart_of(records, workload, "cpu_us", f"the proxy's CPU per {unit}, microseconds"),
        *(ratio_chart(records, workload, name) for name in compared),
        chart_of(records, workload, "per_second", f"{unit}s a second"),
        chart_of(records, workload, "p50_us", "latency p50, microseconds"),
        chart_of(records, workload, "p99_us", "latency p99, microseconds"),
        chart_of(records, workload, "p99_9_us", "latency p99.9, microseconds"),
    ])


# --- the page -------------------------------------------------------------------------------------
def goal_rows(verdicts):
    rows = []
    for verdict in verdicts:
        word = "reached" if verdict["reached"] else "missed"
        note = "" if verdict["clear"] else ", within the spread"
        rows.append(f"<tr><td>{text(verdict['workload'])}</td>"
                    f"<td>{text(report.opponent(verdict))}</td>"
                    f"<td>{verdict['most']:g}</td><td>{text(report.with_spread(verdict, report.form_of(verdict)))}</td>"
                    f'<td class="{word}">{word}{note}</td></tr>')
    return "".join(rows)


def goal_section(verdicts):
    if not verdicts:
        return ""
    return ("<h2>Goals of sluice: CPU per message in the same round</h2><table><tr><th>workload</th>"
            "<th>against</th><th>at most</th><th>median (min..max)</th><th></th></tr>"
            + goal_rows(verdicts) + "</table>")


def workload_section(records, workload):
    if not report.proxies_in(records, workload.name):
        return ""
    make = report.idle_table if workload.kind == "idle" else report.message_table
    return (f"<section><h2>{text(report.title_of(workload))}</h2>"
            f'<div class="charts">{charts(records, workload)}</div>'
            f"<details><summary>figures</summary><pre>{text(make(records, workload))}</pre>"
            "</details></section>")


def page(run):
    sections = "".join(workload_section(run["records"], workload) for workload in run["workloads"])
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>sluice bench</title><style>{STYLE}</style></head><body>"
            f'<h1>sluice bench</h1><pre class="about">{text(run["about"])}</pre>'
            f"{goal_section(run['goals'])}{sections}</body></html>\n")
