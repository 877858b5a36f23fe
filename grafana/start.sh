#!/bin/sh
# Starts Grafana in its container. Nobody's default password: unless one is given (GRAFANA_ADMIN_PASSWORD or GRAFANA_ADMIN_PASSWORD_FILE
# in .env), one is made at the first start and kept in the data volume, where only this container's user can read it.
set -eu
secret=${GF_PATHS_DATA:-/var/lib/grafana}/admin-password

if [ -z "${GF_SECURITY_ADMIN_PASSWORD:-}" ] && [ -z "${GF_SECURITY_ADMIN_PASSWORD__FILE:-}" ]; then
  if [ ! -s "$secret" ]; then
    (umask 077 && head -c 18 /dev/urandom | base64 > "$secret")
    echo "firedrill: to edit dashboards log in as admin; docker compose exec grafana cat $secret shows the password"
  fi
  export GF_SECURITY_ADMIN_PASSWORD__FILE="$secret"
fi
# Grafana takes an empty variable for a password of no letters.
[ -n "${GF_SECURITY_ADMIN_PASSWORD:-}" ] || unset GF_SECURITY_ADMIN_PASSWORD
[ -n "${GF_SECURITY_ADMIN_PASSWORD__FILE:-}" ] || unset GF_SECURITY_ADMIN_PASSWORD__FILE
exec "${GRAFANA_RUN:-/run.sh}" "$@"
