"""How fast is it, and how fast are others? Two commands, each on one thread of one core.

* ``python -m benchmarks time DOCUMENT.json`` times the misfit and its gradient of any experiment.
* ``python -m benchmarks peers`` solves the lecture's bar by kappafit and by its peers side by side
  (`benchmarks.peers`), and compares their gradients.

Both print text to read, or with ``--json`` one line of JSON per result. Every time is a median over
warm calls; what is compared is timed in turns (`benchmarks.clock`).
"""
