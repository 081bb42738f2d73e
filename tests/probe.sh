# What tests/docker_probe.sh and tests/compose_probe.sh share; sourced by both.
#
#   DOCKER_NETWORK   network of builds and of the container (default)
#   READY_SECONDS    longest time allowed until /readyz answers (10)
#   KAPPAFIT_IMAGE   image to probe; it is built, and removed again, where none is given

network=${DOCKER_NETWORK:-default}
ready_seconds=${READY_SECONDS:-10}
name=kappafit-probe-$$
image=${KAPPAFIT_IMAGE:-$name}
folder=$(mktemp --directory)
answer=$folder/answer

say() { printf '[probe %4ds] %s\n' "$SECONDS" "$*"; }
now() { date +%s%N; }
milliseconds_since() { echo $((($(now) - $1) / 1000000)); }
published() { docker port "$1" 8000/tcp | sed -n 1p; }
memory() { docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' "$@"; }

build_image() {
  [[ $image == "$name" ]] || return 0
  say "docker build"
  docker build --network "$network" --tag "$image" .
  say "built: $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
}

remove_image() {
  [[ $image != "$name" ]] || docker image rm "$image" >/dev/null 2>&1 || true
}

request() { curl --noproxy '*' --silent --show-error --fail-with-body --max-time 60 "$@"; }

# post BODY URL: as JSON; the answer lies in $answer.
post() {
  request --output "$answer" --header 'Content-Type: application/json' --data-binary "@$1" "$2" ||
    die "POST $2: $(head -c 600 "$answer")"
}

# field NAME: of the answer, a JSON object.
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$answer" "$1"; }

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
  request --output "$folder/example" "$1/v1/example" || die "GET /v1/example"
  post "$folder/example" "$1/v1/calibrate"
  [[ $(field status) == converged ]] || die "the example did not converge: $(head -c 600 "$answer")"
}

# submit URL ITEMS CELLS: an ensemble of the example, on a grid of CELLS x CELLS; prints its address.
submit() {
  request "$1/v1/example" | python3 -c '
import json, sys
items, cells = map(int, sys.argv[1:])
document = json.load(sys.stdin)
document["bar"]["cells"] = document["time"]["steps"] = cells
print(json.dumps({"task": "ensemble", "document": {"document": document, "items": [{}] * items}}))
' "$2" "$3" >"$folder/job"
  post "$folder/job" "$1/v1/jobs"
  echo "$1/v1/jobs/$(field id)"
}

# status JOB: one word.
status() {
  request --output "$answer" "$1" || die "GET $1: $(head -c 600 "$answer")"
  field status
}

# progress JOB: in percent.
progress() { status "$1" >/dev/null && field progress; }

# ended JOB SECONDS: wait until the job has ended, as successful.
ended() {
  local deadline=$(($(now) + $2 * 1000000000)) is
  while is=$(status "$1") && [[ $is == accepted || $is == running ]]; do
    (($(now) < deadline)) || die "the job is $is after $2 s"
    sleep 0.3
  done
  [[ $is == successful ]] || die "the job is $is: $(head -c 600 "$answer")"
}
