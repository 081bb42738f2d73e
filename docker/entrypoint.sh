#!/bin/sh
# Numba must be able to write where it reads kernels. Where the image is read-only, they are copied
# once for all processes of the container; each would otherwise make a copy of its own.
if [ ! -w "$KAPPAFIT_CACHE" ] && cp -r "$KAPPAFIT_CACHE" /tmp/kappafit; then
  export KAPPAFIT_CACHE=/tmp/kappafit
fi
exec "$@"
