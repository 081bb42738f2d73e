"""How fast is it, how does the cost grow, and how fast are others? On one thread of one core:

* ``python -m benchmarks time DOCUMENT.json`` times the misfit and its gradient of any experiment.
* ``python -m benchmarks peers`` solves the lecture's bar by kappafit and by its peers side by side
  (`benchmarks.peers`), and compares their gradients, their memory and their first calls.
* ``python -m benchmarks scaling`` times kappafit over the sizes of the problem, and over threads.

On all cores ``python -m benchmarks rest DOCUMENT.json`` times the service.

All print text to read, or with ``--json`` one line of JSON per result. Every time is a median over
warm calls; what is compared is timed in turns (`benchmarks.clock`).
"""
