#!/usr/bin/env bash
# A Dask cluster on Compute Engine for as long as one command takes: a scheduler and machines that
# cost a third because Google may take them away. It is deleted whatever happens.
#
#   server/deploy/dask-on-compute-engine.sh [--dry-run] dvc repro
#
# It is run where the command is to run: on a machine of the same network, with gcloud, openssl and
# the pipeline's packages. --dry-run prints what is done, and does nothing.
# Whoever has the certificate runs code on all these machines and on this one. It is made for one
# cluster, and lies in a folder that is removed, in a secret that is deleted, and in memory there.
# The environment names:
#   PROJECT ZONE         where
#   IMAGE                the pipeline's image, in Artifact Registry, of the code that is here
#   WORKERS              how many machines
#   SERVICE_ACCOUNT      whom they are, who may read IMAGE and the images, and nothing else
#   MACHINE NETWORK PORT optional: c2-standard-16, default, 8786
# The machines have no address outside, so their subnetwork needs Private Google Access.
set -euo pipefail

dry=
if [ "${1:-}" = --dry-run ]; then
    dry=yes
    shift
fi
for name in PROJECT ZONE IMAGE WORKERS SERVICE_ACCOUNT; do
    if [ -z "${!name:-}" ]; then
        echo "error: $name is not set; the head of $0 explains it" >&2
        exit 2
    fi
done
if [ $# = 0 ]; then
    echo "error: no command; say $0 dvc repro" >&2
    exit 2
fi
dask=dask-$(date -u +%Y%m%d-%H%M%S)
machine=${MACHINE:-c2-standard-16}
port=${PORT:-8786}
folder=$(mktemp -d)
pem=$folder/dask.pem
where=(--project "$PROJECT" --zone "$ZONE")

run() {
    if [ -n "$dry" ]; then
        printf '%q ' "$@"
        printf '\n'
    else
        "$@"
    fi
}

# shellcheck disable=SC2329 # by the trap
delete() { # the template last, which the group uses
    run gcloud compute instance-groups managed delete "$dask-workers" "${where[@]}" --quiet || true
    run gcloud compute instances delete "$dask-scheduler" "${where[@]}" --quiet || true
    run gcloud compute instance-templates delete "$dask-worker" "${where[@]:0:2}" --quiet || true
    run gcloud compute firewall-rules delete "$dask" "${where[@]:0:2}" --quiet || true
    run gcloud secrets delete "$dask" "${where[@]:0:2}" --quiet || true
    rm -r "$folder"
}

certify() { # one certificate for all, its own authority, so that nobody else has one
    run openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$dask" \
        -addext keyUsage=critical,digitalSignature,keyCertSign -keyout "$pem" -out "$folder/cert.pem"
    [ -n "$dry" ] || cat "$folder/cert.pem" >> "$pem"
    run gcloud secrets create "$dask" "${where[@]:0:2}" --data-file "$pem"
    run gcloud secrets add-iam-policy-binding "$dask" "${where[@]:0:2}" \
        --member "serviceAccount:$SERVICE_ACCOUNT" --role roles/secretmanager.secretAccessor
}

# On a machine of Container-Optimized OS, which lets nobody in by itself, and has no gcloud.
on_machine() { # SCHEDULER or WORKER, and what dask is told
    cat << SCRIPT
set -euo pipefail
umask 077
export HOME=/run/dask && mkdir -p /run/dask
get() { curl -sSf --retry 20 --retry-delay 3 --retry-all-errors -H "\$1" "\$2"; }
field() { sed -n "s/.*\"\$1\": *\"\([^\"]*\)\".*/\1/p"; }
token=\$(get Metadata-Flavor:Google http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token | field access_token)
get "Authorization: Bearer \$token" https://secretmanager.googleapis.com/v1/projects/$PROJECT/secrets/$dask/versions/latest:access | field data | base64 -d > /run/dask/dask.pem
chown 10001 /run/dask/dask.pem
docker-credential-gcr configure-docker --registries $(printf %q "${IMAGE%%/*}")
iptables -w -A INPUT -p tcp -m multiport --dports $port,9000:10999 -j ACCEPT
docker run -d --restart always --network host --read-only --tmpfs /tmp --cap-drop ALL \\
    -v /run/dask/dask.pem:/dask.pem:ro -e OMP_NUM_THREADS=1 \\
    -e DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true \\
    -e DASK_DISTRIBUTED__COMM__TLS__CA_FILE=/dask.pem \\
    -e DASK_DISTRIBUTED__COMM__TLS__$1__CERT=/dask.pem \\
    -e DASK_DISTRIBUTED__COMM__TLS__$1__KEY=/dask.pem \\
    $(printf %q "$IMAGE") python -m dask ${*:2} --no-dashboard
SCRIPT
}

start() { # ROLE, what gcloud creates, what dask is told; the rest is for gcloud
    local script=$folder/$1.sh
    on_machine "$1" "$3" > "$script"
    [ -z "$dry" ] || sed "s/^/    /" "$script"
    # shellcheck disable=SC2086 # words
    run gcloud compute $2 "${where[@]:0:2}" --machine-type "$machine" \
        --image-project cos-cloud --image-family cos-stable --boot-disk-size 50GB \
        --network "${NETWORK:-default}" --no-address --tags "$dask" \
        --service-account "$SERVICE_ACCOUNT" --scopes cloud-platform \
        --max-run-duration 3d --instance-termination-action DELETE \
        --metadata-from-file "startup-script=$script" "${@:4}"
}

trap delete EXIT
certify
run gcloud compute firewall-rules create "$dask" "${where[@]:0:2}" --network "${NETWORK:-default}" \
    --allow "tcp:$port,tcp:9000-10999" --source-ranges 10.0.0.0/8 --target-tags "$dask"
start SCHEDULER "instances create $dask-scheduler" "scheduler --protocol=tls --port=$port" \
    --zone "$ZONE"
host=$(run gcloud compute instances describe "$dask-scheduler" "${where[@]}" \
    --format 'value(networkInterfaces[0].networkIP)')
[ -z "$dry" ] || host=ADDRESS
export PREPARE_SCHEDULER=tls://$host:$port
start WORKER "instance-templates create $dask-worker" \
    "worker $PREPARE_SCHEDULER --nworkers=-1 --nthreads=1 --worker-port=9000:9999 --nanny-port=10000:10999 --local-directory=/tmp" \
    --provisioning-model SPOT
run gcloud compute instance-groups managed create "$dask-workers" "${where[@]}" \
    --template "$dask-worker" --size "$WORKERS"

export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true DASK_DISTRIBUTED__COMM__TLS__CA_FILE=$pem
export DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT=$pem DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY=$pem
export DASK_DISTRIBUTED__CLIENT__DIRECT_TO_WORKERS=true # what they send does not pass the scheduler
threads=$((WORKERS * ${machine##*-}))
# they pull the image first; who comes when the work has begun gets less of it
run python -c "from distributed import Client; import sys
Client(sys.argv[1], timeout=900).wait_for_workers(int(sys.argv[2]), timeout=900)" \
    "$PREPARE_SCHEDULER" "$threads"
run "$@"
