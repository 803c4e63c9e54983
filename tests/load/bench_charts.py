"""Charts as inline SVG: bars that compare proxies, and curves over the number of connections. 380
units wide, so that a telephone shows them without scaling."""
import html
import math

import bench_report as report

WIDTH, ROW, BAR_HEIGHT = 380, 38, 12
PLOT_HEIGHT, MARGIN_LEFT, MARGIN_BOTTOM, MARGIN_TOP = 200, 58, 34, 10


def text(value):
    return html.escape(str(value), quote=True)


def figure(title, note, height, parts):
    heading = f"{title}; {note}" if note else title
    return (f'<figure><figcaption>{text(heading)}</figcaption><svg role="img" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}"><title>{text(title)}</title>'
            + "".join(parts) + "</svg></figure>")


def line(x1, y1, x2, y2, of="", more=""):
    return (f'<line{f" class={chr(34)}{of}{chr(34)}" if of else ""} x1="{x1:.1f}" y1="{y1:.1f}" '
            f'x2="{x2:.1f}" y2="{y2:.1f}"{more}/>')


# --- bars -----------------------------------------------------------------------------------------
def bar(place, entry, top, form):
    """One row: a line of text, and below it the median as a bar with the spread as a whisker."""
    label, figures, colour = entry
    y, middle = ROW * place + 17, ROW * place + 17 + BAR_HEIGHT / 2
    value = report.with_spread(figures, form)
    at = lambda number: WIDTH * number / top
    parts = [f"<g><title>{text(label)}: {text(value)}</title>"
             f'<text x="0" y="{y - 5}">{text(label)}</text>'
             f'<text class="soft" x="{WIDTH}" y="{y - 5}" text-anchor="end">{text(value)}</text>'
             f'<rect x="0" y="{y}" width="{at(figures["median"]):.1f}" height="{BAR_HEIGHT}" '
             f'fill="{colour}"/>']
    if figures["max"] > figures["min"]:
        low, high = at(figures["min"]), min(at(figures["max"]), WIDTH - 1)
        parts.append(line(low, middle, high, middle))
        parts += [line(x, middle - 4, x, middle + 4) for x in (low, high)]
    return "".join(parts) + "</g>"


def bar_chart(title, bars, form=report.number, note="", mark=None):
    """`bars`: (label, figures, colour). `mark` is a value at which a line stands across all bars."""
    bars = [entry for entry in bars if entry[1] is not None]
    top = max((entry[1]["max"] for entry in bars), default=0)
    if not bars or top <= 0:
        return ""
    if mark is not None:
        top = max(top, mark * 1.02)
    height = ROW * len(bars) + (14 if mark is not None else 0)
    parts = [bar(place, entry, top, form) for place, entry in enumerate(bars)]
    if mark is not None:
        x = WIDTH * mark / top
        parts.append(line(x, 0, x, height - 12, "mark"))
        parts.append(f'<text class="soft" x="{x:.1f}" y="{height - 2}" text-anchor="middle">'
                     f"{mark:.1f}</text>")
    return figure(title, note, height, parts)


# --- curves ---------------------------------------------------------------------------------------
def round_top(value):
    """The next of 1, 2, 5, 10, ... at or above it."""
    scale = 10 ** math.floor(math.log10(value))
    return next(step * scale for step in (1, 2, 5, 10) if step * scale >= value * 0.999)


def axes(xs, top, form, across, along):
    """Lines and labels of both axes."""
    parts = []
    for share in (0, 0.5, 1):
        y = across(top * share)
        parts.append(line(MARGIN_LEFT, y, WIDTH, y, "axis"))
        parts.append(f'<text class="soft" x="{MARGIN_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                     f"{text(form(top * share) if share else 0)}</text>")
    for x in xs:
        parts.append(f'<text class="soft" x="{along(x):.1f}" y="{PLOT_HEIGHT - 18}" '
                     f'text-anchor="middle">{x:,}</text>')
    parts.append(f'<text class="soft" x="{(MARGIN_LEFT + WIDTH) / 2}" y="{PLOT_HEIGHT - 3}" '
                 'text-anchor="middle">connections</text>')
    return parts


def curves(title, series, form=report.number, note=""):
    """`series`: (label, colour, {connections: value}), drawn where one has two points at least.
    Connections are on a logarithmic scale."""
    series = [entry for entry in series if len(entry[2]) > 1]
    xs = sorted({x for _, _, points in series for x in points})
    highest = max((value for _, _, points in series for value in points.values()), default=0)
    if highest <= 0:
        return ""
    top, least, most = round_top(highest), math.log(xs[0]), math.log(xs[-1])
    room = PLOT_HEIGHT - MARGIN_BOTTOM - MARGIN_TOP
    across = lambda value: MARGIN_TOP + room * (1 - value / top)
    along = lambda x: MARGIN_LEFT + 14 + (WIDTH - MARGIN_LEFT - 34) * (math.log(x) - least) / (most - least)
    parts = axes(xs, top, form, across, along)
    for label, colour, points in series:
        places = [(along(x), across(points[x])) for x in sorted(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<g><title>{text(label)}</title><polyline points="{path}" fill="none" '
                     f'stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append("</g>")
    height = PLOT_HEIGHT + 18 * ((len(series) + 2) // 3) + 4
    for place, (label, colour, _) in enumerate(series):
        x, y = place % 3 * 126, PLOT_HEIGHT + 16 + 18 * (place // 3)
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
                     f'<text x="{x + 15}" y="{y}">{text(label)}</text>')
    return figure(title, note, height, parts)
