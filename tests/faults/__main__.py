"""`python -m tests.faults NAME`: an experiment in full, its figures printed as JSON."""

import json
import sys

from tests.faults.crashes import kills_of_the_service

EXPERIMENTS = {"kills-of-the-service": lambda: kills_of_the_service(kills=50, jobs=200)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in EXPERIMENTS:
        sys.exit(f"usage: python -m tests.faults {{{','.join(EXPERIMENTS)}}}")
    sys.stdout.write(json.dumps(EXPERIMENTS[sys.argv[1]](), indent=2) + "\n")
