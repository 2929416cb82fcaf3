"""Spark reads an encrypted export, and writes encrypted files that a cluster loads; run by ``scripts/test_spark.sh``.

    python -m tests.campaign.spark_reads CLASSES

``CLASSES`` has ``examples/spark/ServedKeys.java``, compiled. pyspark itself runs in the interpreter that
``SPARK_PYTHON`` names, as a child with the access key in its environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.exported import MANIFESTS, Exported, cluster, command, exported

# What runs where pyspark is: reads a table, and writes it again under the same master key.
SPARK = """
import sys
from pyspark.sql import SparkSession
classes, endpoint, source, target, key = sys.argv[1:]  # the id: Spark splits at the colons of an ARN
tools = "org.apache.parquet.crypto.keytools"
session = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.extraClassPath", classes)
    .config("spark.hadoop.parquet.crypto.factory.class", f"{tools}.PropertiesDrivenCryptoFactory")
    .config("spark.hadoop.parquet.encryption.kms.client.class", "ServedKeys")
    .config("spark.hadoop.served.keys.endpoint", endpoint)
    .config("spark.hadoop.served.keys.context", '{"reconciler:table":"people"}')
    .getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")
people = session.read.parquet(source)
print("ROWS", people.count(), people.where("id = 2999").select("name").first()[0])
forms = {
    "uniform": {"parquet.encryption.uniform.key": key},
    "columns": {"parquet.encryption.footer.key": key, "parquet.encryption.column.keys": f"{key}:name"},
}
for form, keys in forms.items():
    people.write.options(**keys).parquet(f"{target}/{form}")
print("WRITTEN")
session.stop()
"""


def main() -> int:
    """0 when Spark read every row and a cluster loaded what Spark wrote."""
    classes = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as scratch, exported(Path(scratch) / "project") as there:
        said = _spark(there, classes)
        assert "ROWS 3000 CANARY-002999" in said, said
        sys.stdout.write("campaign: Spark read 3,000 rows of an encrypted export\n")
        assert "WRITTEN" in said, said
        for form in ("uniform", "columns"):
            _load(there, form)
            sys.stdout.write(f"campaign: a cluster loaded what Spark encrypted ({form})\n")
    return 0


def _load(there: Exported, form: str) -> None:
    """One of the two folders that Spark wrote becomes a table."""
    (part,) = (there.folder / "spark" / form).glob("part-*.parquet")
    part.rename(there.folder / "manifests" / f"{form}.parquet")
    table = f"{{name: {form}, load: [manifests/{form}.parquet]}}"
    others = [f"{{name: {name}, load: [manifests/{name}.csv]}}" for name in ("people", "others")]
    (there.folder / "manifests" / "world.yaml").write_text(MANIFESTS + cluster(*others, table))
    command(there.folder, "apply", "--auto-approve")
    question = f"SELECT count(*), max(name) FROM {form}"  # noqa: S608  # one of two names
    found = command(there.folder, "sql", "-c", "c", "--format", "csv", question)
    assert "3000,CANARY-002999" in found, found


def _spark(there: Exported, classes: str) -> str:
    arn = json.loads((there.folder / "out" / "_export.json").read_text())["key"]
    ran = subprocess.run(
        [
            os.environ.get("SPARK_PYTHON", sys.executable),
            "-c",
            SPARK,
            classes,
            there.endpoint,
            str(there.folder / "out" / "people"),
            str(there.folder / "spark"),
            arn.rpartition("/")[2],
        ],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **there.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
