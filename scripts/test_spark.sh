#!/usr/bin/env bash
# Spark reads an encrypted export through the served key service, and a cluster loads what Spark wrote: for the campaign.
# Needs a JDK (java, javac) and pyspark, which is fetched into .tools/spark at first; SPARK_PYTHON names another
# interpreter that has it. Where either cannot be had, one line says so, and that is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

without() {
  echo "campaign: Spark was NOT TRIED: $1." >&2
  exit 0
}

command -v java >/dev/null && command -v javac >/dev/null || without "there is no JDK on this machine"
python=.venv/bin/python
[ -x "$python" ] || python=python3
if [ -z "${SPARK_PYTHON:-}" ]; then
  SPARK_PYTHON=$PWD/.tools/spark/bin/python
  if [ ! -e .tools/spark/complete ]; then
    rm -rf .tools/spark
    "$python" -m venv .tools/spark
    .tools/spark/bin/pip install --quiet 'pyspark==4.3.0' || without "pyspark cannot be had"
    touch .tools/spark/complete
  fi
fi
export SPARK_PYTHON
jars=$("$SPARK_PYTHON" -c 'import os, pyspark; print(os.path.join(os.path.dirname(pyspark.__file__), "jars"))') ||
  without "$SPARK_PYTHON has no pyspark"
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -proc:none -cp "$jars/*" -d "$classes" examples/spark/ServedKeys.java
"$python" -m tests.campaign.spark_reads "$classes"
