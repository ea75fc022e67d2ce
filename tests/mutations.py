#!/usr/bin/env python3
"""Tries the breakages of tests/mutations.md: each must make the tests that it names fail.

Works in a copy of the tree, never in the tree itself. Exits 0 when every breakage is noticed, 1 when one survives
or an entry is faulty, 2 when the tree does not pass as it is.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A mutant may loop for ever; the slowest sound test takes a tenth of this.
TIMEOUT_SECONDS = 600
LEFT_OUT = shutil.ignore_patterns("target", ".git", "state")
# What a filter is for; building one binary instead of two halves the time of a breakage.
BINARIES = (["--lib"], ["--test", "main"])


@dataclass
class Breakage:
    """One entry of the list."""

    title: str
    file: str
    binary: list[str]
    test: str
    text: str
    replacement: str


def entries(markdown: str) -> list[Breakage]:
    """Reads the list; a malformed entry ends the program."""
    found = []
    for section in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0].strip()
        file = re.search(r"^- file: `(.+)`$", section, flags=re.MULTILINE)
        test = re.search(r"^- test: `(--lib|--test main) (\S+)`$", section, flags=re.MULTILINE)
        block = re.search(r"^```diff\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        if not (file and test and block):
            sys.exit(f"{title}: an entry has a file, a test (`--lib FILTER` or `--test main FILTER`) and a diff block")
        lines = block[1].splitlines()
        removed = [line[1:] for line in lines if line.startswith("-")]
        added = [line[1:] for line in lines if line.startswith("+")]
        if not removed or len(removed) + len(added) != len(lines):
            sys.exit(f"{title}: a diff block has lines with - and + only, and at least one with -")
        found.append(Breakage(title, file[1], test[1].split(), test[2], "\n".join(removed), "\n".join(added)))
    return found


def run_tests(tree: Path, target: Path, binary: list[str], test: str) -> str:
    """One of: passed, failed, "nothing selected", "does not compile"."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), RUST_BACKTRACE="0")
    base = ["cargo", "test", "--quiet", *binary]
    build = subprocess.run([*base, "--no-run"], cwd=tree, env=environment, capture_output=True, text=True)
    if build.returncode != 0:
        return "does not compile"
    command = [*base, "--", test]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "failed"
    ran = sum(int(n) for counts in re.findall(r"(\d+) passed; (\d+) failed", done.stdout) for n in counts)
    if done.returncode != 0:
        # Without a count the process itself died, which is a failure as well.
        return "failed"
    return "passed" if ran else "nothing selected"


def main() -> int:
    """Tries what is asked for and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a title")
    parser.add_argument("--list", action="store_true", help="show the entries and stop")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "mutations", help="where to build")
    arguments = parser.parse_args()

    chosen = [e for e in entries((ROOT / "tests" / "mutations.md").read_text()) if arguments.only in e.title]
    if arguments.list:
        for entry in chosen:
            print(f"{entry.title}  [{entry.file}, {' '.join(entry.binary)} {entry.test}]")
        return 0

    with tempfile.TemporaryDirectory(prefix="rhumb-mutations-") as scratch:
        tree = Path(scratch) / "tree"
        # Not with the old times: cargo would take the last breakage of an earlier run for a build of this tree.
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, copy_function=shutil.copy)
        for binary in BINARIES:
            for test in sorted({entry.test for entry in chosen if entry.binary == binary}):
                outcome = run_tests(tree, arguments.target.resolve(), binary, test)
                if outcome != "passed":
                    print(f"the sound tree, {' '.join(binary)} {test}: {outcome}")
                    return 2
        faults = 0
        for entry in chosen:
            path = tree / entry.file
            sound = path.read_text() if path.is_file() else ""
            if sound.count(entry.text) != 1:
                outcome = f"the text stands {sound.count(entry.text)} times in {entry.file}"
            else:
                path.write_text(sound.replace(entry.text, entry.replacement))
                outcome = run_tests(tree, arguments.target.resolve(), entry.binary, entry.test)
                path.write_text(sound)
            noticed = outcome == "failed"
            faults += not noticed
            print(f"{'noticed ' if noticed else 'SURVIVED' if outcome == 'passed' else 'FAULTY  '}  {entry.title}"
                  + ("" if noticed else f": {outcome}"), flush=True)
        print(f"{len(chosen) - faults} of {len(chosen)} noticed")
        return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
