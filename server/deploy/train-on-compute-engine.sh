#!/usr/bin/env bash
# Train on a GPU machine of Compute Engine that costs a third because Google may take it away: create
# it, run the pipeline's image on it, keep its results, and delete it whatever happens.
#
#   server/deploy/train-on-compute-engine.sh [--dry-run] [-S train.epochs=30 ...]
#
# What follows is given to `dvc exp run`. --dry-run prints the commands and runs none.
# The environment names:
#   PROJECT ZONE         where
#   IMAGE                the pipeline's image, in Artifact Registry
#   REPOSITORY REVISION  what to train: a git address and a commit or branch of it
#   BUCKET               for checkpoints (gs://BUCKET/checkpoints), so that the next attempt resumes
#   GIT_TOKEN_SECRET     optional: the secret of Secret Manager with a token that may push to REPOSITORY
#   MACHINE GPU ATTEMPTS optional: g2-standard-8, 1 x nvidia-l4, 5
#   VM_IMAGE_FAMILY      optional: a Deep Learning VM with driver 580 or newer
set -euo pipefail

dry=
if [ "${1:-}" = --dry-run ]; then
    dry=yes
    shift
fi
for name in PROJECT ZONE IMAGE REPOSITORY REVISION BUCKET; do
    if [ -z "${!name:-}" ]; then
        echo "error: $name is not set; the head of $0 explains it" >&2
        exit 2
    fi
done
machine=train-$(date -u +%Y%m%d-%H%M%S)
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
delete() { run gcloud compute instances delete "$machine" "${where[@]}" --quiet || true; }

create() {
    run gcloud compute instances create "$machine" "${where[@]}" \
        --machine-type "${MACHINE:-g2-standard-8}" \
        --accelerator "${GPU:-type=nvidia-l4,count=1}" \
        --provisioning-model SPOT --instance-termination-action DELETE \
        --max-run-duration 12h \
        --image-project deeplearning-platform-release \
        --image-family "${VM_IMAGE_FAMILY:-common-cu129-ubuntu-2204-nvidia-580}" \
        --metadata install-nvidia-driver=True \
        --boot-disk-size 100GB --scopes cloud-platform
}

secret() { # of whoever may push the experiment
    # shellcheck disable=SC2016 # it is run on the machine
    [ -z "${GIT_TOKEN_SECRET:-}" ] || printf \
        '$(gcloud secrets versions access latest --project %q --secret %q)' "$PROJECT" "$GIT_TOKEN_SECRET"
}

# On the machine: checkpoints lie on the bucket, so what a lost machine had learned is not lost.
on_machine() {
    cat << SCRIPT
set -euo pipefail
sudo mkdir -p /checkpoints && sudo chmod 777 /checkpoints
echo user_allow_other | sudo tee -a /etc/fuse.conf > /dev/null
gcsfuse -o allow_other --only-dir checkpoints $(printf %q "$BUCKET") /checkpoints
gcloud auth configure-docker $(printf %q "${IMAGE%%/*}") --quiet
export GIT_TOKEN=$(secret)
docker run --rm -i --gpus all --shm-size 8g --user \$(id -u):\$(id -g) --workdir /tmp \\
    -v /checkpoints:/checkpoints -e TRAIN_CHECKPOINT_DIR=/checkpoints -e GIT_TOKEN \\
    $(printf %q "$IMAGE") bash -euo pipefail -s <<'CONTAINER'
git config --global credential.helper '!f() { echo username=x; echo "password=\$GIT_TOKEN"; }; f'
git clone $(printf %q "$REPOSITORY") work && cd work && git checkout $(printf %q "$REVISION")
dvc pull --allow-missing
dvc exp run$(printf ' %q' "$@")
dvc push
[ -z "\$GIT_TOKEN" ] || dvc exp push origin
CONTAINER
SCRIPT
}

train() {
    if [ -n "$dry" ]; then
        echo "gcloud compute ssh $machine ${where[*]} --command bash -s << END"
        on_machine "$@"
        echo END
    else
        on_machine "$@" | gcloud compute ssh "$machine" "${where[@]}" --command "bash -s"
    fi
}

reachable() { # the driver is installed at the first start, which takes minutes
    for _ in $(seq 60); do
        run gcloud compute ssh "$machine" "${where[@]}" --command nvidia-smi < /dev/null && return
        sleep "${PAUSE:-10}"
    done
    return 1
}

trap delete EXIT
for attempt in $(seq "${ATTEMPTS:-5}"); do
    echo "attempt $attempt" >&2
    if create && reachable && train "$@"; then
        exit 0
    fi
    if [ -z "$dry" ] && gcloud compute instances describe "$machine" "${where[@]}" > /dev/null 2>&1; then
        echo "error: nobody took the machine away: the training itself failed, or it is out of reach" >&2
        exit 1
    fi
done
echo "error: ${ATTEMPTS:-5} attempts failed; what they learned is in gs://$BUCKET/checkpoints" >&2
exit 1
