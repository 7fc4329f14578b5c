"""Answers questions about Iceberg tables by Spark, in the same words as read_pyiceberg.py. Arguments: the Iceberg runtime's jar, the lake's folder."""

import json
import os
import sys

# What the JVM writes is no answer.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from pyspark.sql import SparkSession  # noqa: E402

EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", sys.argv[1])
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.extensions", EXTENSIONS)
    .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
    .config("spark.sql.catalog.lake.type", "hadoop")
    .config("spark.sql.catalog.lake.warehouse", f"file://{sys.argv[2]}")
    .config("spark.sql.catalog.lake.cache-enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def condition(where):
    column, operator, value = where["column"], where["operator"], where.get("value")
    if operator == "null":
        return f"`{column}` IS NULL"
    if operator == "nan":
        return f"isnan(`{column}`)"
    return f"`{column}` {operator} CAST('{value}' AS {where['type']})"


def answer(question):
    version = "" if question.get("snapshot") is None else f" VERSION AS OF {question['snapshot']}"
    columns = question.get("columns")
    chosen = "*" if columns is None else ", ".join(f"CAST(`{name}` AS STRING)" for name in columns)
    where = "" if question.get("where") is None else f" WHERE {condition(question['where'])}"
    frame = spark.sql(f"SELECT {chosen} FROM lake.{question['table']}{version}{where}")
    if columns is None:
        return {"columns": frame.columns}
    return {"rows": [list(row) for row in frame.collect()]}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # noqa: BLE001
        reply = {"error": f"{type(error).__name__}: {error}"[:2000]}
    print(json.dumps(reply), file=answers, flush=True)
