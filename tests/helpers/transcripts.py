"""What the digits search prints, as README and docs show it: all of one run, by `pictures.py`.

A block that is made here stands under a line such as `<!-- shown: front -->`.
"""

import re

from helpers.pages import PAGES, Fence, run

SHOWN = re.compile(r"(?<=<!-- shown: )(\w+) -->\n```text\n.*?^```$", re.DOTALL | re.MULTILINE)
COMMANDS = {
    "export": 'automl export digits --best accuracy --where "size_bytes<=40000" --out out',
    "explain": "automl explain digits",
}


def renew(page, folder):
    """Show what this page of the gallery printed when it was run in this folder, and what more
    commands say of its search, wherever README and docs show that."""
    beside = folder / "shown"
    beside.mkdir(exist_ok=True)
    home = beside / "automl-home"
    home.unlink(missing_ok=True)
    home.symlink_to(folder / "automl-home")
    printed = (folder / "printed.txt").read_text()
    shown = {"search": searched(printed), "front": table(printed)}
    for name, command in COMMANDS.items():
        shown[name] = PARTS[name](run(beside, Fence(page, 0, "sh", command, "")))
    for told in PAGES:
        text = told.read_text()
        made = SHOWN.sub(lambda at: f"{at[1]} -->\n```text\n{shown[at[1]]}\n```", text)
        if made != text:
            told.write_text(made)


def searched(printed):
    """A search's first lines, some of its models, and its last lines."""
    lines = re.sub(r"in /\S+/(automl-home/)", r"in \1", printed).splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("searching"))
    end = next(at for at, line in enumerate(lines) if line.startswith("the search has ended"))
    on_front = [line for line in lines[begin + 3 : end] if line.endswith("on the front")]
    reused = [line for line in on_front if "reused" in line and "-refit" not in line][-1:]
    refits = [line for line in on_front if "-refit" in line][-1:]
    first, last = lines[begin : begin + 3], lines[end - 1 : end + 1]
    return "\n".join([*first, "...", *reused, "...", *refits, *last])


def table(printed):
    """The front's table as a search ends with, and which model to take, without the plot between
    them."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    begin = next(at for at, line in enumerate(lines) if line.startswith("  trial "))
    plot = next(at for at, line in enumerate(lines) if line.strip() == "accuracy")
    take = next(line for line in lines[plot:] if line.startswith("take "))
    return "\n".join([*lines[begin:plot], take])


def exported(printed):
    """An export's files, and the first of its figures beside the latency."""
    *files, figures = printed.strip().splitlines()
    parts = figures.split(", ")
    return "\n".join([*files, ", ".join([*parts[:3], "...", parts[-1]])])


def explained(printed):
    """The sentences on the model itself."""
    said = [line for line in printed.splitlines() if line.startswith("- ")]
    end = next(at for at, line in enumerate(said) if re.match("- Compression.* changed", line))
    return "\n".join(said[: end + 1])


PARTS = {"export": exported, "explain": explained}
