"""The page docs/benchmarks.md and its charts, made of the results of the scenarios."""

import json
from dataclasses import dataclass
from pathlib import Path

import svg
from catalogue import SCENARIOS
from peers import PEERS
from stats import digits, median, paired_ratio

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
HEAD = Path(__file__).resolve().with_name("head.md")


@dataclass(frozen=True)
class Measure:
    """A column of the tables."""

    key: str
    title: str
    scale: float = 1
    # Whether Egret's ratio to the others is told, and whether it is drawn. Less is better.
    compared: bool = False
    chart: bool = False
    # Whether the ratio is told beside that of the first measure that is compared.
    also_compared: bool = False
    # Whether it tells of the machine alone if that has other work.
    disturbed: bool = False


MEASURES = [
    Measure("cpu_us", "CPU a request, µs", compared=True, chart=True),
    Measure("rated_cpu_us", "CPU a request at the same rate, µs", also_compared=True),
    Measure("bytes_each", "memory each, bytes", compared=True, chart=True),
    Measure("start_up_ms", "start-up, ms", compared=True, chart=True),
    Measure("start_cpu_ms", "CPU of the start, ms", compared=True),
    Measure("mib_per_cpu_second", "MiB a CPU second"),
    Measure("rate", "requests/s", disturbed=True),
    Measure("busy", "core busy", disturbed=True),
    Measure("failed", "failed requests"),
    Measure("calm_p99_us", "p99 without changes, µs", disturbed=True),
    Measure("reload_p99_us", "p99 with changes, µs", disturbed=True),
    Measure("reload_ratio", "with to without", disturbed=True),
    Measure("reload_cpu_ms", "CPU a change, ms", compared=True, chart=True),
    Measure("live_ms", "live after, ms", disturbed=True),
    Measure("resumed", "resumed"),
    Measure("upstream_connections", "connections to the origin a request"),
    Measure("start_memory", "memory, MiB", 1 / 2**20),
    Measure("memory", "memory after, MiB", 1 / 2**20),
]
LATENCIES = [("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9")]


# With more of the machine in use by others, latencies and rates tell of them.
BUSY = 0.2


def was_busy(result):
    return max(result["other_work"]) > BUSY


def columns(result):
    present = set().union(*result["peers"].values())
    return [measure for measure in MEASURES if measure.key in present and not (measure.disturbed and was_busy(result))]


def shown(measure, values):
    value = median(values or [])
    if value is None:
        return "–"
    if measure.key in ("busy", "resumed"):
        return f"{value * 100:.0f} %"
    if measure.key == "failed":
        return f"{sum(values):,.0f}"
    return digits(value * measure.scale)


def has_latency(result):
    return "latency_rate" in result and not was_busy(result)


def ratio_to(result, measure, peer):
    """Egret's to the peer's, so that less than 1 is better for Egret."""
    return paired_ratio(result["peers"]["egret"].get(measure.key, []), result["peers"][peer].get(measure.key, []))


def table(result):
    found = columns(result)
    compared = next((measure for measure in found if measure.compared), None)
    heads = [""]
    for measure in found:
        heads.append(measure.title)
        heads += ["Egret's to it"] if measure is compared or measure.also_compared else []
    latency = has_latency(result)
    heads += [f"p50 / p99 / p99.9, µs, at {result['latency_rate']:,}/s"] if latency else []
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, measures in result["peers"].items():
        cells = [f"**{name}**" if name == "egret" else name]
        for measure in found:
            cells.append(shown(measure, measures.get(measure.key)))
            if measure is compared or measure.also_compared:
                ratio = ratio_to(result, measure, name) if name != "egret" else None
                cells.append(mark(ratio, str(ratio)) if ratio else "")
        if latency:
            values = [median(measures.get(key, [])) for key, _ in LATENCIES]
            cells.append(" / ".join(map(digits, values)) if values[0] is not None else "cannot carry it")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def mark(ratio, words):
    """Where Egret loses it is bold."""
    return f"**{words}**" if ratio.median > 1.005 else words


def charts(result):
    """The files of a scenario: name, alternative text, SVG."""
    scenario, made = SCENARIOS[result["scenario"]], []
    for measure in columns(result):
        if measure.chart:
            rows = []
            for name, measures in result["peers"].items():
                values = [value * measure.scale for value in measures.get(measure.key, []) if value is not None]
                rows.append((name, median(values), min(values, default=0), max(values, default=0)))
            title = f"{scenario.title}: {measure.title}"
            made.append((f"bench-{scenario.name}-{measure.key.replace('_', '-')}.svg", title, svg.bars(title, rows)))
    if has_latency(result):
        rows = [
            (name, [median(measures.get(key, [])) for key, _ in LATENCIES])
            for name, measures in result["peers"].items()
        ]
        title = f"{scenario.title}: latency in µs at {result['latency_rate']:,} requests/s"
        made.append((f"bench-{scenario.name}-latency.svg", title, svg.quantiles(title, rows)))
    return made


def section(result):
    scenario = SCENARIOS[result["scenario"]]
    lines = [f"## {scenario.title}", "", *wrap(scenario.text), "", *table(result), ""]
    for name, title, _ in charts(result):
        lines += [f"![{title}](images/{name})", ""]
    before, after = (f"{share * 100:.0f} %" for share in result["other_work"])
    taken = (
        f"`{scenario.name}`; Egret at {result.get('commit', 'an unknown commit')}; {result['rounds']} rounds; "
        f"checked: {result['checked']}; taken {result['taken']}, other work used {before} of the machine before and "
        f"{after} after."
    )
    for words in result.get("failed", {}).values():
        taken += f" Left out: {words}."
    if was_busy(result):
        taken += " The machine was busy with other work: rates and latencies are left out."
    return [*lines, *wrap(taken), ""]


def overview(results):
    """Egret's CPU for a request, or memory, to each peer's, in all scenarios."""
    peers = [name for name in PEERS if name != "egret" and any(name in result["peers"] for result in results)]
    lines = ["| | " + " | ".join(peers) + " |", "|---" * (len(peers) + 1) + "|"]
    rows = []
    for result in results:
        compared = next((measure for measure in columns(result) if measure.compared), None)
        if not compared:
            continue
        cells, found = [], []
        for name in peers:
            ratio = ratio_to(result, compared, name) if name in result["peers"] else None
            cells.append(mark(ratio, f"{ratio.median:.2f}") if ratio else "")
            if ratio:
                found.append((name, ratio.median))
        title = SCENARIOS[result["scenario"]].title
        lines.append(f"| [{title}](#{anchor(title)}): {compared.title.split(',')[0]} | " + " | ".join(cells) + " |")
        rows.append((result["scenario"], found))
    return lines, rows


def anchor(title):
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")


def wrap(words, width=118):
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def conditions(results):
    newest = max(results, key=lambda result: result["taken"])
    here, versions = newest["machine"], {}
    for result in results:
        versions.update(result["versions"])
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    return wrap(
        f"Machine: {here['cpu']}, {here['cores']} cores (one for the proxy, one for everything else), "
        f"{here['memory_gib']} GiB; {here['system']}, Linux {here['kernel']}. Versions: {names}."
    )


def page(results):
    lines = [HEAD.read_text().rstrip(), "", *conditions(results), "", "## Overview", ""]
    rows_of_table, rows = overview(results)
    lines += wrap(
        "What Egret needs for each peer's 1: CPU time of a request, unless the line names another measure. Bold is "
        "where Egret needs more. Medians of the paired rounds."
    )
    lines += ["", *rows_of_table, "", "![Egret's cost to that of each peer](images/bench-overview.svg)", ""]
    for result in results:
        lines += section(result)
    drawn = [("bench-overview.svg", "", svg.ratios("What Egret needs for each peer's 1", rows))]
    for result in results:
        drawn += charts(result)
    return "\n".join(lines).rstrip() + "\n", drawn


def read(folder):
    """In the order of the scenarios, whichever were measured."""
    return [json.loads(file.read_text()) for name in SCENARIOS if (file := folder / f"{name}.json").exists()]


def write(folder, docs=DOCS):
    results = read(folder)
    if not results:
        return
    text, drawn = page(results)
    (docs / "images").mkdir(exist_ok=True)
    for old in (docs / "images").glob("bench-*.svg"):
        old.unlink()
    for name, _, picture in drawn:
        (docs / "images" / name).write_text(picture)
    (docs / "benchmarks.md").write_text(text)
