#!/usr/bin/env bash
# Build the image and see it work as it is meant to be run: read-only, unprivileged, in 512 MB.
# Needs a Docker engine, curl and python3. Removes its containers, volumes and image again.
#
#   DOCKER_NETWORK   network of build and container (default)
#   READY_SECONDS    longest time allowed until /readyz answers (10)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

network=${DOCKER_NETWORK:-default}
ready_seconds=${READY_SECONDS:-10}
name=kappafit-probe-$$
answer=$(mktemp)
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
else
  compose=(docker-compose)
fi
compose+=(--project-name "$name" --file docker/compose.yaml)

say() { printf '[probe %4ds] %s\n' "$SECONDS" "$*"; }
die() {
  docker logs --tail 40 "$name" >&2 2>/dev/null || true
  say "FAILED: $*" >&2
  exit 1
}
clean_up() {
  rm -f "$answer"
  docker rm --force --volumes "$name" >/dev/null 2>&1 || true
  KAPPAFIT_IMAGE=$name PORT=0 "${compose[@]}" down --volumes >/dev/null 2>&1 || true
  docker image rm "$name" >/dev/null 2>&1 || true
}
trap clean_up EXIT
trap 'exit 130' INT TERM

now() { date +%s%N; }
milliseconds_since() { echo $((($(now) - $1) / 1000000)); }

# ready URL SECONDS: wait until URL answers 200.
ready() {
  local deadline=$(($(now) + $2 * 1000000000))
  until curl --noproxy '*' --silent --fail --max-time 2 --output /dev/null "$1"; do
    (($(now) < deadline)) || return 1
    sleep 0.1
  done
}

# calibrate URL: post the example that the service offers, and expect it to converge.
calibrate() {
  local request=(curl --noproxy '*' --silent --show-error --fail-with-body --max-time 60)
  "${request[@]}" "$1/v1/example" |
    "${request[@]}" --output "$answer" --header 'Content-Type: application/json' \
      --data-binary @- "$1/v1/calibrate" || die "POST /v1/calibrate: $(head -c 600 "$answer")"
  python3 - "$answer" <<'PY' || die "the example did not converge: $(head -c 600 "$answer")"
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    answer = json.load(file)
print("  status:", answer["status"], {name: found["value"] for name, found in answer["estimates"].items()})
sys.exit(answer["status"] != "converged")
PY
}

published() { docker port "$1" 8000/tcp | head -n 1; }
inspect() { docker inspect --format "$1" "$name"; }

say "docker build"
docker build --network "$network" --tag "$name" .
say "built: $(docker image inspect --format '{{.Size}}' "$name" | awk '{printf "%.0f MB", $1 / 1e6}')"

start=$(now)
docker run --detach --name "$name" --network "$network" --read-only --tmpfs /tmp --cap-drop ALL \
  --security-opt no-new-privileges --memory 512m --env KAPPAFIT_KEYS=off --publish 127.0.0.1::8000 "$name" >/dev/null
url=http://$(published "$name")
ready "$url/readyz" "$ready_seconds" || die "not ready within $ready_seconds s"
say "ready $(milliseconds_since "$start") ms after docker run"
ready "$url/healthz" 1 || die "/healthz does not answer"
calibrate "$url"

# The process works on a copy of the kernels compiled into the image, in its /tmp. Had it compiled
# any anew, for the start or for the request, the copy would differ.
docker exec "$name" sh -c '
  set -- /tmp/kappafit-kernels-*
  test "$#" = 1 && test -d "$1" || { echo "expected one folder of kernels, found: $*"; exit 1; }
  diff -r "$KAPPAFIT_CACHE"/kernels-* "$1"' || die "kernels were compiled anew"
say "no kernel was compiled anew"

[[ $(docker exec "$name" id -u) == 10001 ]] || die "it does not run as user 10001"
docker exec "$name" sh -c '! touch "$KAPPAFIT_CACHE/x" 2>/dev/null && touch "$KAPPAFIT_DATA/x" && rm "$KAPPAFIT_DATA/x"' ||
  die "the image's file system must be read-only, and \$KAPPAFIT_DATA writable"

for ((i = 0; i < 60; i++)); do
  health=$(inspect '{{.State.Health.Status}}')
  [[ $health == starting ]] || break
  sleep 1
done
[[ $health == healthy ]] || die "HEALTHCHECK says $health: $(inspect '{{json .State.Health.Log}}')"
say "healthy; memory $(docker stats --no-stream --format '{{.MemUsage}}' "$name")"

start=$(now)
docker stop --time 20 "$name" >/dev/null
[[ $(inspect '{{.State.OOMKilled}}') == false ]] || die "it ran out of memory"
exit_code=$(inspect '{{.State.ExitCode}}')
[[ $exit_code == 0 || $exit_code == 143 ]] || die "docker stop: exit code $exit_code"
say "stopped in $(milliseconds_since "$start") ms, exit code $exit_code"

if ! command -v "${compose[0]}" >/dev/null; then
  say "passed; docker compose is not installed, docker/compose.yaml was NOT tried"
  exit 0
fi
export KAPPAFIT_IMAGE=$name PORT=0 # any free port
"${compose[@]}" config >/dev/null || die "docker/compose.yaml is not valid"
"${compose[@]}" up --detach --no-build || die "docker compose up"
container=$("${compose[@]}" ps --quiet kappafit)
url=http://$(published "$container")
ready "$url/readyz" $((2 * ready_seconds)) || die "docker compose: not ready"
calibrate "$url"
"${compose[@]}" down --volumes || die "docker compose down"
[[ -z $(docker ps --all --quiet --filter "label=com.docker.compose.project=$name") ]] ||
  die "docker compose down left containers behind"
say "compose: up, answered, down"
say "passed"
