#!/usr/bin/env bash
# See docker/compose.yaml work: jobs are done by its workers, of which one may be lost, and are kept in
# PostgreSQL. Needs a Docker engine with compose, curl and python3; tests/probe.sh tells the settings.
# Removes its containers, networks, volumes and images again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/probe.sh

if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  say "docker compose is not installed: docker/compose.yaml was NOT tried"
  exit 0
fi
compose+=(--project-name "$name" --file docker/compose.yaml)
export KAPPAFIT_IMAGE=$image PORT=0 # any free port

die() {
  "${compose[@]}" logs --tail 20 >&2 || true
  say "FAILED: $*" >&2
  exit 1
}
clean_up() {
  rm -rf "$folder"
  "${compose[@]}" down --volumes >/dev/null 2>&1 || true
  docker image rm "$image-postgres" >/dev/null 2>&1 || true
  remove_image
}
trap clean_up EXIT
trap 'exit 130' INT TERM

containers() { docker ps --quiet --filter "label=com.docker.compose.project=$name" "$@"; }
of_service() { containers --filter "label=com.docker.compose.service=$1"; }

build_image
docker build --quiet --network "$network" --tag "$image-postgres" docker/postgres >/dev/null
"${compose[@]}" config >/dev/null || die "docker/compose.yaml is not valid"

start=$(now)
"${compose[@]}" up --detach --no-build || die "docker compose up"
url=http://$(published "$(of_service kappafit)")
ready "$url/readyz" $((2 * ready_seconds)) || die "docker compose: not ready"
say "up and ready after $(milliseconds_since "$start") ms"
memory $(containers)
calibrate "$url"
reached=$(containers | xargs docker inspect --format '{{range $port, $to := .NetworkSettings.Ports}}{{range $to}}{{.HostIp}} {{end}}{{end}}' | xargs)
[[ $reached == 127.0.0.1 ]] || die "published at: $reached"
mapfile -t workers < <(of_service worker)
((${#workers[@]} == 2)) || die "there are ${#workers[@]} workers"
! docker exec "${workers[0]}" timeout 10 python -c 'import socket; socket.create_connection(("postgres", 5432), 5)' 2>/dev/null ||
  die "the workers reach the database"

# The service does no job itself: while its workers stand still, none ends.
job=$(submit "$url" 2 50)
ended "$job" 60
docker pause "${workers[@]}" >/dev/null
job=$(submit "$url" 2 50)
sleep 3
[[ $(status "$job") == running ]] || die "it is $(status "$job") though no worker can have done it"
docker unpause "${workers[@]}" >/dev/null
ended "$job" 60
say "jobs are done by the workers, and by nobody else"

job=$(submit "$url" 64 300)
for ((i = 0; i < 300; i++)); do
  done_so_far=$(progress "$job")
  ((done_so_far == 0)) || break
  sleep 0.2
done
docker kill "${workers[0]}" >/dev/null
[[ $(status "$job") == running ]] || die "it was done before its worker was lost"
memory $(containers)
ended "$job" 120
request --output "$answer" "$job/result"
[[ $(python3 -c 'import json, sys; print(sum("answer" in item for item in json.load(open(sys.argv[1]))["items"]))' "$answer") == 64 ]] ||
  die "not all items have an answer"
say "a worker was killed: its ensemble ended nevertheless"

docker restart --time 20 "$(of_service postgres)" "$(of_service kappafit)" >/dev/null
url=http://$(published "$(of_service kappafit)")
ready "$url/readyz" $((2 * ready_seconds)) || die "not ready after a restart"
[[ $(status "$url/v1/jobs/${job##*/}") == successful ]] || die "the job was forgotten"
start=$(now)
"${compose[@]}" down --volumes || die "docker compose down"
[[ -z $(containers --all) ]] || die "docker compose down left containers behind"
say "jobs are kept over a restart; down in $(milliseconds_since "$start") ms"
