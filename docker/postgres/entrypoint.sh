#!/bin/sh
# Make the database on the first start, then be PostgreSQL.
#
#   POSTGRES_PASSWORD   the user's password, or
#   POSTGRES_PASSWORD_FILE   a file that holds it; needed on the first start only
#   POSTGRES_USER (postgres), POSTGRES_DB (as the user)
set -eu

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
password=${POSTGRES_PASSWORD:-}
[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")

# Made beside its place and moved there when it is whole: a start that was interrupted leaves nothing
# that looks like a database.
make_database() {
  new=$PGDATA.new
  rm -rf "$new" && mkdir -p "$new"
  (umask 077 && printf '%s\n' "$password" >/tmp/password)
  initdb --pgdata "$new" --username "$user" --pwfile /tmp/password --auth scram-sha-256 \
    --encoding UTF8 --locale C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
  [ "$database" = postgres ] ||
    printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single -D "$new" postgres >/dev/null
  sync
  mv "$new" "$PGDATA"
}

if [ ! -e "$PGDATA" ]; then
  [ -n "$password" ] || { echo 'set POSTGRES_PASSWORD: there is no database yet' >&2; exit 1; }
  make_database
fi
unset password POSTGRES_PASSWORD
exec postgres -c listen_addresses='*' "$@"
