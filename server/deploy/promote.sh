#!/usr/bin/env bash
# Test the revision with the tag `candidate` on Cloud Run, then give it all traffic; when it fails
# then, give the traffic back to the revision that had most of it.
#   SERVICE=... REGION=... promote.sh [EXECUTION_PROVIDER]
set -euo pipefail
: "${SERVICE:?the Cloud Run service}" "${REGION:?its region}"
here=$(dirname "$0")

traffic() { gcloud run services update-traffic "$SERVICE" --region "$REGION" --to-revisions "$1=100"; }

state=$(gcloud run services describe "$SERVICE" --region "$REGION" --format json)
read -r url tested candidate before < <(python3 -c '
import json, sys
status = json.load(sys.stdin)["status"]
tagged = next(part for part in status["traffic"] if part.get("tag") == "candidate")
most = max(status["traffic"], key=lambda part: part.get("percent", 0))
before = most["revisionName"] if most.get("percent") else "none"
print(status["url"], tagged["url"], tagged["revisionName"], before)
' <<< "$state")
TOKEN=${TOKEN-$(gcloud auth print-identity-token)}
export TOKEN

"$here/smoke-test.sh" "$tested" "$@"
traffic "$candidate"
if ! "$here/smoke-test.sh" "$url" "$@"; then
    echo "$candidate fails under the service's address: back to $before" >&2
    [ "$before" = none ] || traffic "$before"
    exit 1
fi
echo "$SERVICE: all traffic goes to $candidate, before to $before"
