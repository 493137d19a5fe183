"""The table of answers: a row a file, as Parquet or CSV."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import csv, parquet

from server.errors import ModelError
from server.image.features import FEATURES
from server.model.classifier import Floats
from stages.prediction.worker import Batch

SUM = 0.01  # probabilities may miss 1 by so much: fp16 rounds them
VERSION = 1  # of the columns: parts of another one are made anew
SUFFIXES = (".parquet", ".csv")
CLASS, CONFIDENCE, ABSTAIN, REASON = "class", "confidence", "abstain", "reason"
PROBABILITIES, EMBEDDING = "probabilities", "embedding"
NESTED = (PROBABILITIES, EMBEDDING)  # JSON in CSV


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the table says of an answer.

    model: the name of the artefact, which Parquet files keep as metadata
    classes: of the artefact, in index order
    abstain_below: confidence below which the artefact abstains
    top: how many of the highest probabilities are listed
    embedding: whether the pooled features are a column, too
    """

    model: str
    classes: list[str]
    abstain_below: float
    top: int
    embedding: bool

    @property
    def schema(self) -> pa.Schema:
        """Columns and types; of a file that was not answered all but `path` may be null."""
        fields = [
            ("path", pa.string()),
            ("image_sha256", pa.string()),
            (CLASS, pa.string()),
            (CONFIDENCE, pa.float64()),
            (PROBABILITIES, pa.map_(pa.string(), pa.float64())),
            (ABSTAIN, pa.bool_()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("format", pa.string()),
            *((name, pa.float64()) for name in FEATURES),
            *([(EMBEDDING, pa.list_(pa.float32()))] if self.embedding else []),
            (REASON, pa.string()),
        ]
        return pa.schema(fields, metadata={"model": self.model})

    def table(self, batch: Batch) -> pa.Table:
        """Return the rows of a batch, in its order; raise `ModelError` for no probabilities."""
        answers = self._answers(*batch.outputs) if batch.outputs else iter(())
        rows = [fact if REASON in fact else {**fact, **next(answers)} for fact in batch.facts]
        return pa.Table.from_pylist(rows, schema=self.schema)

    def _answers(self, probabilities: Floats, embeddings: Floats) -> Iterator[dict[str, Any]]:
        sums = probabilities.sum(axis=1)
        if not (probabilities.min() >= 0 and np.abs(sums - 1).max() <= SUM):  # NaN is neither
            raise ModelError(
                f"model {self.model}: answers with what are no probabilities; export it again"
            )
        # the highest first, equal ones in index order, as the prediction row has them
        ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.top]
        for row, best, embedding in zip(probabilities, ranked.tolist(), embeddings, strict=True):
            listed = [(self.classes[index], float(row[index])) for index in best]
            name, confidence = listed[0]
            yield {
                CLASS: name,
                CONFIDENCE: confidence,
                PROBABILITIES: listed,
                ABSTAIN: confidence < self.abstain_below,
                **({EMBEDDING: embedding} if self.embedding else {}),
            }


@contextmanager
def writer(path: Path, schema: pa.Schema, *, form: str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield what writes tables, one after the other, to a file at `path`.

    form: `.parquet` or `.csv`. A map or list is JSON in CSV.
    """
    if form == ".parquet":
        with parquet.ParquetWriter(path, schema, compression="zstd") as output:
            yield output.write_table
        return
    flat = pa.schema(
        [field.with_type(pa.string()) if field.name in NESTED else field for field in schema]
    )
    with csv.CSVWriter(path, flat) as output:
        yield lambda table: output.write_table(_flat(table, flat))


def _flat(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = {name: table[name] for name in schema.names}
    if PROBABILITIES in columns:
        listed = columns[PROBABILITIES].to_pylist()
        columns[PROBABILITIES] = [None if one is None else _json(dict(one)) for one in listed]
    if EMBEDDING in columns:
        arrays = columns[EMBEDDING].to_numpy()
        columns[EMBEDDING] = [None if one is None else _json(one) for one in arrays]
    return pa.table(columns, schema=schema)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
