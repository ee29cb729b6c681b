"""Check that everything paddle_wwm needs is installed and works, and measure what this machine can do.

The checks take about 10 seconds and the measurement about 20. Nothing is changed. The measurement prints the speed of
segmentation and of training, the memory, and for each packaged recipe whether it is feasible here, and in which time.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

SUMMARY = "check the installation, and measure which recipes are feasible on this machine"
EXAMPLES = """\
Every FAIL line ends with the command that fixes the problem. Run that command, then run the doctor again. The first
FAIL line is often the cause of the FAIL lines below it. Exit status: 0 if all checks are ok, 1 otherwise.
`make setup` ends with this check.

examples:
  paddle-wwm doctor
  # Only the checks
  paddle-wwm doctor --quick
  paddle-wwm doctor --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for programs: {ok, findings: [{name, ok, detail, remedy}], capacity: {…}}",
    )
    parser.add_argument("--quick", action="store_true", help="leave out the measurement")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 0 when all are ok, 1 otherwise."""
    from .. import doctor

    findings = doctor.collect()
    failed = sum(not finding.ok for finding in findings)
    measures = not failed and not arguments.quick
    if arguments.json:
        answer = {"ok": not failed, "findings": [asdict(finding) for finding in findings]}
        if measures:
            answer["capacity"] = doctor.measured()["values"]
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        print(doctor.report(findings))
        print(f"\n{failed} of {len(findings)} checks failed." if failed else f"\nAll {len(findings)} checks are ok.")
        if measures:
            print("\n" + "\n".join(doctor.measured()["lines"]), flush=True)
    return 1 if failed else 0
