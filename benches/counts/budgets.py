"""The budgets: what is allowed, and on which kind of machine it was counted."""

import json
import platform
from pathlib import Path

FILE = Path(__file__).with_name("budgets.json")
PAGE = Path(__file__).resolve().parent.parent.parent / "docs/performance.md"
# Between these lines the page has the table.
BEGIN, END = "<!-- counts: begin -->", "<!-- counts: end -->"
TOLERANCE = 1.03
# How many times the figure of the second scenario that of the first may be, on any machine.
RATIOS = [("warm request, JSON log in a file, 1 % traces", "warm request", "instructions", 1.22)]
# Libraries choose their functions by these, so that others count other instructions.
FEATURES = {"avx2", "bmi2", "erms", "fsrm", "sse4_2"}


def machine():
    """What instructions depend on besides the binary."""
    flags = next((line for line in open("/proc/cpuinfo", encoding="ascii") if line.startswith("flags")), "")
    return " ".join([platform.machine(), *platform.libc_ver(), *sorted(FEATURES & set(flags.split()))])


def read():
    return json.loads(FILE.read_text())


def over_budget(counted, budgets, here):
    """What is wrong, a sentence each."""
    for name, figures in counted.items():
        for figure, value in figures.items():
            budget = budgets["scenarios"].get(name, {}).get(figure)
            if figure == "instructions" and here != budgets["machine"]:
                continue
            if budget is None:
                yield f"{name}: {figure} has no budget; --write sets it"
            elif value > budget * TOLERANCE:
                yield f"{name}: {figure} {value:,.2f}, budget {budget:,.2f} ({value / budget - 1:+.1%})"
    for name, beside, figure, most in RATIOS:
        if name in counted and beside in counted:
            ratio = counted[name][figure] / counted[beside][figure]
            if ratio > most:
                yield f"{name}: {figure} are {ratio:.2f} times those of {beside}, at most {most:.2f}"


def write(counted, order):
    """Makes figures the budgets, and writes the table of the page anew."""
    scenarios = read()["scenarios"] | counted
    scenarios = {name: scenarios[name] for name in order if name in scenarios}
    FILE.write_text(json.dumps({"machine": machine(), "scenarios": scenarios}, indent=2) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(scenarios)}{END}{after}")


def table(scenarios):
    """The budgets in Markdown."""
    columns = ["instructions", "allocations", "system calls", "bytes copied", "bytes held"]
    lines = ["| what | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, figures in scenarios.items():
        cells = [shown(figures.get(column)) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def shown(value):
    if value is None:
        return ""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
