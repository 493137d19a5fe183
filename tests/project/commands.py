"""The commands of the documents: which of them a test runs, and why not the others.

A command is a line, or a loop, of a fenced block without a language.
"""

import re
from collections.abc import Iterator

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

ANSWER = r'"class":"(disc|frame|stripes)"'
CELL = ".venv/lib/python3*/site-packages/elpv_dataset/data/images/cell0001.png"
# run one after the other in a repository that has results; what each must say
RUN = {
    f"cp {CELL} cell.png": "",
    "curl -F image=@cell.png localhost:8000/predict": ANSWER,
    ". .venv/bin/activate": "",
    "dvc add data/cars": "",
    'git commit -m "Photographs of cars" data': "files? changed",
    "dvc metrics diff main": "",
    "git add params.yaml dvc.lock metrics plots": "",
    "dvc exp show --only-changed": "main",
    "make compare": "accuracy",
    "dvc params diff main": "",
    "python -m stages.predict data/cars --output answers.csv": "3 files: 3 answered",
    "find photographs -type f | python -m stages.predict - --output data/answers.parquet": "3 ans",
    "make snapshot-log": "1 predictions in data/current",
    "curl --data-binary @cell.png -H 'Content-Type: image/png' localhost:8000/predict": ANSWER,
    "for image in photographs/*; do\n"
    "    printf '%s\\t' \"$image\"\n"
    '    curl -sS --data-binary @"$image" localhost:8000/predict || break\n'
    "    echo\n"
    "done > answers.tsv": "",
    ".venv/bin/python -m server --help": "SERVER_PORT",
    "curl -F image=@cell.png localhost:8000/explain": "occlusion",
    "dvc repro": "Data and pipelines are up to date",
    "git add dvc.lock metrics plots": "",
}

PIPELINE = "runs the pipeline: tests/pipeline/test_pipeline.py"
EXPERIMENT = "runs the pipeline: tests/pipeline/test_experiments.py"
REPORT = "takes seconds: tests/stages/reports/test_pull_request.py"
DOCKER = "needs an engine for containers: tests/server/deploy/test_container.py, by buildah"
GPU = "needs an engine for containers and a GPU"
CLOUD = "needs an account at Google"
BUCKET = "needs a bucket: tests/pipeline/test_remote.py, with an emulator"
DRIFT = "runs drift: tests/pipeline/test_pipeline.py"
SEVERAL = "needs several GPUs: tests/stages/training/test_distributed.py, on CPUs"
# run elsewhere, or nowhere; with the reason
NOT_RUN = {
    'git commit -m "Classify cars"': "keeps an experiment, and is like the commit before it",
    "make repro": PIPELINE,
    "make test": "runs this very test",
    "make test-slow": "takes minutes, and runs the tests that are marked as slow",
    "dvc exp run -S prepare.source=data/cars": PIPELINE,
    "dvc pull": BUCKET,
    "make report HEAD=workspace": REPORT,
    "make pictures": "needs the results of the default data: tests/project/test_documents.py",
    "dvc exp run -S train.lr=3e-4": EXPERIMENT,
    "dvc plots diff main": "takes seconds: tests/pipeline/test_experiments.py",
    "dvc exp run --queue -S 'train.lr=1e-4,3e-4'": EXPERIMENT,
    "dvc queue start": "goes on in the background: tests/pipeline/test_experiments.py",
    "dvc queue status": EXPERIMENT,
    "dvc queue logs NAME": EXPERIMENT,
    "dvc exp diff main NAME": EXPERIMENT,
    "dvc exp apply NAME": EXPERIMENT,
    "dvc exp branch NAME BRANCH": EXPERIMENT,
    "make share NAME=NAME": "needs a remote: tests/pipeline/test_old_experiments.py",
    "make report BASE=main": REPORT,
    "python -m stages.predict gs://bucket/photographs --model gs://bucket/model.onnx": (
        "needs a bucket: tests/stages/prediction/test_bucket.py, with an emulator"
    ),
    "dvc exp run --single-item -S drift.current=data/current drift": DRIFT,
    "dvc import-url gs://bucket/predictions data/log": BUCKET,
    "dvc exp run -S prepare.source=gs://bucket/cars": BUCKET,
    "dvc exp run --single-item -S drift.current=data/log drift": DRIFT,
    "dvc pull data/model/model.onnx || make repro": BUCKET,
    "docker build --target server-cpu --build-arg SERVER_REVISION=$(git rev-parse HEAD) "
    "-t cars .": DOCKER,
    "docker run --read-only -p 8000:8000 cars": DOCKER,
    "docker run -v $PWD:/repo --user $(id -u):$(id -g) --shm-size 1g "
    "image-classification-pipeline dvc repro": DOCKER,
    "SERVER_MODEL=$(dvc get --show-url . data/model/model.onnx) make serve": BUCKET,
    "gcloud auth application-default login": CLOUD,
    "dvc remote add --default storage gs://BUCKET/cars": BUCKET,
    "dvc push": BUCKET,
    **dict.fromkeys(
        (
            "gto register classifier --version v1.0.0",
            "git push origin classifier@v1.0.0",
            "gto show",
            "dvc artifacts get REPOSITORY classifier --rev v1.0.0 --out model.onnx",
            "SERVER_MODEL=model.onnx .venv/bin/python -m server",
            "SERVER_MODEL=$(dvc artifacts get --show-url . classifier --rev v1.0.0) make serve",
        ),
        BUCKET,
    ),
    "docker run --gpus all --shm-size 8g -v $PWD:/repo --user $(id -u):$(id -g) "
    "-v /mnt/checkpoints:/checkpoints -e TRAIN_CHECKPOINT_DIR=/checkpoints "
    "image-classification-pipeline dvc exp run -S train.epochs=30": GPU,
    "TRAIN_LAUNCH='torchrun --nproc-per-node=8' dvc repro": SEVERAL,
    "TRAIN_LAUNCH='torchrun --nnodes=2 --nproc-per-node=8 --rdzv-backend=c10d "
    "--rdzv-endpoint=HOST:29400 --rdzv-id=cars' dvc repro": SEVERAL,
    "dvc exp run -S train.epochs=20 -S train.mixup=0.2 -S train.label_smoothing=0 "
    "-S train.color=0 -S train.degrade=0 -S train.rotation=0": (
        "takes 8 to 20 minutes: tests/pipeline/test_experiments.py runs shorter ones"
    ),
    "python -m tests.benchmarks.recipe": "takes hours: tests/benchmarks/test_recipe.py",
    "python -m tests.benchmarks.accuracy": "takes hours: tests/benchmarks/test_accuracy.py",
    "gcloud logging sinks create predictions storage.googleapis.com/BUCKET --log-filter "
    '\'resource.type="cloud_run_revision" AND (jsonPayload.image_sha256:* OR '
    "jsonPayload.actual:*)'": CLOUD,
    "dvc import-url gs://BUCKET/run.googleapis.com/stdout data/predictions-cloud": BUCKET,
    "PREPARE_SCHEDULER=tls://scheduler:8786 dvc repro": (
        "needs a cluster: tests/stages/sources/test_cluster.py, with processes of this machine"
    ),
    "python -m stages.pack data/cars data/packed": "takes a second: tests/stages/test_pack.py",
    "python -m stages.review": "takes half a minute: tests/stages/test_review.py",
    "python -m stages.evaluate --model data/model/model.onnx --data FOLDER": (
        "takes seconds: tests/stages/sources/test_as_split.py"
    ),
}


def commands(text: str) -> Iterator[str]:
    """Yield each command of a Markdown file in the order of appearance."""
    for block in BLOCK.finditer(text):
        if not block["language"]:
            lines = re.sub(r" *\\\n *", " ", block["text"])
            whole = re.findall(r"^for [\s\S]*?^done.*$|^.+$", lines, re.MULTILINE)
            for line in whole:
                yield re.sub(r" +# .*$", "", line)
