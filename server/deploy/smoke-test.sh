#!/usr/bin/env bash
# Whether a server works: it is ready, it answers an image, and on the provider that is required.
#   smoke-test.sh URL [EXECUTION_PROVIDER]      e.g.  smoke-test.sh "$URL" CUDAExecutionProvider
# TOKEN: an identity token, where the service asks for one. API_KEY: a key of SERVER_API_KEYS.
set -euo pipefail
url=${1:?usage: smoke-test.sh URL [EXECUTION_PROVIDER]}
wanted=${2:-}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
headers=()
[ -z "${TOKEN:-}" ] || headers+=(--header "Authorization: Bearer $TOKEN")
[ -z "${API_KEY:-}" ] || headers+=(--header "X-API-Key: $API_KEY")

ask() { curl --silent --show-error --max-time 30 "${headers[@]}" "$@"; }

for _ in $(seq "${TRIES:-60}"); do
    ready=$(ask "$url/health/ready" 2>&1 || true)
    [ "$ready" != '{"status":"ready"}' ] || break
    sleep 1
done
if [ "$ready" != '{"status":"ready"}' ]; then
    echo "$url: not ready: $ready" >&2
    exit 1
fi

# 8 x 8 gray pixels
base64 --decode > "$work/image.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII=
PNG
ask --fail-with-body --dump-header "$work/headers" --form "image=@$work/image.png" \
    "$url/predict" > "$work/answer" || { cat "$work/answer" >&2; exit 1; }
grep -q '"class"' "$work/answer"
found=$(tr -d '\r' < "$work/headers" | awk 'tolower($1) == "x-execution-provider:" {print $2}')
if [ -n "$wanted" ] && [ "$found" != "$wanted" ]; then
    echo "$url: runs on $found, not on $wanted" >&2
    exit 1
fi
echo "$url: ready, answers on $found"
