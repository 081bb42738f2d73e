"""The tests. One thread for each matrix product, as in the service: see `app`."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
