"""Configurations from the templates in `configs`.

A line `#if WORD` begins a block that is kept if the scenario has the feature WORD or the proxy has this property, with
`#else` and `#end`; `@NAME@` is replaced. A value of several lines is put in as it is.
"""

import re


def render(template, words, values):
    kept, lines = [], []
    for line in template.splitlines():
        directive = re.match(r"#(if|else|end)\b ?(\S*)", line)
        if not directive:
            if all(kept):
                lines.append(line)
        elif directive[1] == "if":
            kept.append(directive[2] in words)
        elif directive[1] == "else":
            kept[-1] = not kept[-1]
        else:
            kept.pop()
    if kept:
        raise ValueError("a block without #end")
    return re.sub(r"@([A-Z0-9_]+)@", lambda name: str(values[name[1]]), "\n".join(lines) + "\n")
