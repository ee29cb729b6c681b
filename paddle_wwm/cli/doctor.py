"""Check that everything paddle_wwm needs is installed and works. This takes about 10 seconds and changes nothing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

SUMMARY = "check that everything paddle_wwm needs is installed and works"
EXAMPLES = """\
Every FAIL line ends with the command that fixes the problem. Run that command, then run the doctor again. The first
FAIL line is often the cause of the FAIL lines below it. Exit status: 0 if all checks are ok, 1 otherwise.
`make setup` ends with this check.

examples:
  paddle-wwm doctor
  paddle-wwm doctor --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for programs: {ok, findings: [{name, ok, detail, remedy}]}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 0 when all are ok, 1 otherwise."""
    from .. import doctor

    findings = doctor.collect()
    failed = sum(not finding.ok for finding in findings)
    if arguments.json:
        print(
            json.dumps(
                {"ok": not failed, "findings": [asdict(finding) for finding in findings]}, ensure_ascii=False, indent=2
            )
        )
    else:
        print(doctor.report(findings))
        print(f"\n{failed} of {len(findings)} checks failed." if failed else f"\nAll {len(findings)} checks are ok.")
    return 1 if failed else 0
