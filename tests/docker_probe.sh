#!/usr/bin/env bash
# Build the image and see it work as it is meant to be run: read-only, unprivileged, in 512 MB; then
# docker/compose.yaml. Needs a Docker engine, curl and python3; tests/probe.sh tells the settings.
# Removes its containers, volumes and images again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/probe.sh

die() {
  docker logs --tail 40 "$name" >&2 2>/dev/null || true
  say "FAILED: $*" >&2
  exit 1
}
clean_up() {
  rm -rf "$folder"
  docker rm --force --volumes "$name" >/dev/null 2>&1 || true
  remove_image
}
trap clean_up EXIT
trap 'exit 130' INT TERM

inspect() { docker inspect --format "$1" "$name"; }

# starts COMMAND...: run it, and wait until the container that it starts is ready; sets `url`.
starts() {
  local start
  start=$(now)
  "$@" >/dev/null
  url=http://$(published "$name")
  ready "$url/readyz" "$ready_seconds" || die "not ready within $ready_seconds s"
  say "ready $(milliseconds_since "$start") ms after ${*:1:2}"
}

restricted=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
  --memory 512m --pids-limit 128)

build_image

# Without a word about keys it asks for one, says so, and makes one where it runs.
starts docker run --detach --name "$name" --network "$network" "${restricted[@]}" \
  --publish 127.0.0.1::8000 "$image"
# (grep reads to the end: who stops early has docker end on a broken pipe, now and then.)
docker logs "$name" 2>/dev/null | grep 'kappafit keys add NAME' > /dev/null || die "it does not say how keys are made"
refused() { [[ $(curl --noproxy '*' --silent --output /dev/null --write-out '%{http_code}' "$@") == 401 ]]; }
refused "$url/v1/jobs" || die "it asks for no key"
key=$(docker exec "$name" kappafit keys add me)
request --output "$answer" --header "Authorization: Bearer $key" "$url/v1/jobs" || die "it does not know its key"
docker rm --force --volumes "$name" >/dev/null
say "keys: asked for, made, known"

starts docker run --detach --name "$name" --network "$network" "${restricted[@]}" \
  --env KAPPAFIT_KEYS=off --publish 127.0.0.1::8000 "$image"
ready "$url/healthz" 1 || die "/healthz does not answer"
calibrate "$url"
idle=$(memory "$name")

job=$(submit "$url" 2 50)
ended "$job" 60
request --output "$folder/first" "$job/result"
say "a job ran to its end; memory before $idle, after $(memory "$name")"

# All processes of the container work on one copy of the kernels compiled into the image. Had any
# been compiled anew, for the start, the request or the job, the copy would differ.
docker exec "$name" sh -c 'diff -r "$KAPPAFIT_CACHE" /tmp/kappafit' || die "kernels were compiled anew"
say "no kernel was compiled anew"

[[ $(docker exec "$name" id -u) == 10001 ]] || die "it does not run as user 10001"
docker exec "$name" sh -c '! touch "$KAPPAFIT_CACHE/x" 2>/dev/null && touch "$KAPPAFIT_DATA/x" && rm "$KAPPAFIT_DATA/x"' ||
  die "the image's file system must be read-only, and \$KAPPAFIT_DATA writable"
others=$(docker exec "$name" find /tmp -mindepth 1 -maxdepth 1 ! -name kappafit)
[[ -z $others ]] || die "it writes beside \$KAPPAFIT_DATA: $others"

# What was accepted is done, and what was done is kept, though the service is killed.
unfinished=$(submit "$url" 32 300)
docker kill "$name" >/dev/null
starts docker start "$name"
request --output "$folder/again" "$url/v1/jobs/${job##*/}/result"
cmp "$folder/first" "$folder/again" || die "the result of before is another now"
unfinished=$url/v1/jobs/${unfinished##*/}
ended "$unfinished" 120
say "killed and started again: the result is kept, the other job ended; memory $(memory "$name")"

for ((i = 0; i < 60; i++)); do
  health=$(inspect '{{.State.Health.Status}}')
  [[ $health == starting ]] || break
  sleep 1
done
[[ $health == healthy ]] || die "HEALTHCHECK says $health: $(inspect '{{json .State.Health.Log}}')"

submit "$url" 64 600 >/dev/null # it stops in time though it has much to do
start=$(now)
docker stop --time 20 "$name" >/dev/null
took=$(milliseconds_since "$start")
[[ $(inspect '{{.State.OOMKilled}}') == false ]] || die "it ran out of memory"
[[ $(inspect '{{.State.ExitCode}}') == 0 ]] || die "docker stop: exit code $(inspect '{{.State.ExitCode}}')"
((took < 11000)) || die "docker stop took $took ms"
say "healthy; stopped in $took ms while a job ran, exit code 0"

KAPPAFIT_IMAGE=$image bash tests/compose_probe.sh
say "passed"
