from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.data.dataset import SCHEMA, read_samples


def table(**values: str) -> pa.Table:
    return pa.Table.from_pylist([{"path": "a.jpg", "index": 3, **values}], schema=SCHEMA)


def test_a_table_of_samples_says_its_version_and_comes_back(tmp_path: Path) -> None:
    samples = table(image_sha256="file", pixel_sha256="pixels")
    pq.write_table(samples, tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").metadata[b"version"] == b"2"
    assert read_samples(tmp_path / "a.parquet").equals(samples)


def test_a_table_of_the_first_version_is_read_and_its_pixels_are_the_identity(
    tmp_path: Path,
) -> None:
    first = table(pixel_sha256="pixels").drop_columns(["image_sha256"]).replace_schema_metadata({})
    pq.write_table(first, tmp_path / "a.parquet")
    samples = read_samples(tmp_path / "a.parquet")
    assert samples.schema == SCHEMA
    assert samples["image_sha256"].to_pylist() == ["pixels"]
    assert samples["index"].to_pylist() == [3]
