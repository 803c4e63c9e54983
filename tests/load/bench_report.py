"""The results as text: a table for each workload, and the goals."""
import bench_goals as goals
import bench_proxies


def number(value):
    """Three digits, with k and M."""
    if value is None:
        return "-"
    for limit, factor, letter in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return number(value / factor) + letter
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"


def time_of_us(value):
    """With the unit that keeps the number short."""
    if value is None:
        return "-"
    for limit, unit in ((1e6, "s"), (1e3, "ms")):
        if abs(value) >= limit:
            return f"{number(value / limit)} {unit}"
    return f"{number(value)} \u00b5s"


def ratio(value):
    return f"{value:.2f}"


def close_ratio(value):
    return f"{value:.3f}"


def with_spread(figures, form=number):
    if figures is None:
        return "-"
    text = form(figures["median"])
    if figures["rounds"] > 1:
        text += f" ({form(figures['min'])}..{form(figures['max'])})"
    return text


def table(rows):
    """Aligned columns, the first to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def proxies_in(records, workload):
    """Those that were measured, in the order of the list."""
    there = {record["proxy"] for record in records if record["workload"] == workload}
    return [name for name in bench_proxies.NAMES if name in there]


def figures(records, workload, proxy, key):
    return goals.spread(goals.values_of(records, workload, proxy, key).values())


def median(records, workload, proxy, key):
    found = figures(records, workload, proxy, key)
    return found["median"] if found else None


def message_table(records, workload):
    unit = {"connect": "conn", "http": "req"}.get(workload.kind, "msg")
    present = proxies_in(records, workload.name)
    compared = [name for name in bench_proxies.COMPARED if name in present]
    rows = [["", unit + "/s", "MB/s", f"CPU us/{unit}", *("/ " + name for name in compared),
             "CPU / load's", f"load's us/{unit}", "p50 us", "p99 us", "p99.9 us", "memory kB"]]
    for name in present:
        of = lambda key, who=name: median(records, workload.name, who, key)
        bytes_per_second = of("bytes_per_second")
        row = [name, number(of("per_second")),
               number(bytes_per_second / 1e6) if bytes_per_second else "-",
               with_spread(figures(records, workload.name, name, "cpu_us"))]
        for other in compared:
            found = goals.ratios(records, workload.name, name, other)
            row.append(with_spread(goals.spread(found), ratio) if other != name else "1")
        row += [number(of("cpu_to_others")), number(of("others_cpu_us"))]
        row += [number(of(key) or None) for key in ("p50_us", "p99_us", "p99_9_us")]
        rows.append(row + [number(of("memory_kb")) if name != "none" else "-"])
    return table(rows)


def idle_table(records, workload):
    rows = [["", "sessions", "bytes/session", "each one more", "memory before kB",
             "with sessions kB"]]
    for name in proxies_in(records, workload.name):
        if name == "none":
            continue
        of = lambda key, who=name: median(records, workload.name, who, key)
        rows.append([name, f"{of('count'):.0f}",
                     with_spread(figures(records, workload.name, name, "bytes_per_session")),
                     number(of("bytes_of_one_more")), number(of("memory_before_kb")), number(of("memory_kb"))])
    return table(rows)


def opponent(verdict):
    """What a goal is measured by."""
    if not verdict["against"]:
        return "bytes a session"
    return verdict["against"] + (", the best" if verdict["better_of"] else "")


def title_of(workload):
    if workload.kind == "idle":
        return f"{workload.name}: {workload.text}"
    return f"{workload.name}: {workload.text}, {workload.connections} connections"


def form_of(verdict):
    return close_ratio if verdict["against"] else number


def goal_table(verdicts):
    rows = [["", "CPU against", "goal", "median (min..max)", ""]]
    for verdict in verdicts:
        word = "reached" if verdict["reached"] else "missed"
        if not verdict["clear"]:
            word += ", within the spread"
        rows.append([verdict["workload"], opponent(verdict),
                     f"{verdict['most']:g}", with_spread(verdict, form_of(verdict)), word])
    return table(rows)


def text_report(run):
    """Everything that bench.py prints at its end."""
    records = run["records"]
    parts = [run["about"]]
    for workload in run["workloads"]:
        if not proxies_in(records, workload.name):
            continue
        make = idle_table if workload.kind == "idle" else message_table
        parts.append(title_of(workload) + "\n" + make(records, workload))
    if run["goals"]:
        parts.append("goals for sluice (CPU per message in the same round)\n"
                     + goal_table(run["goals"]))
    return "\n\n".join(parts) + "\n"
