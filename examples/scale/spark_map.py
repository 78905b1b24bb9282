"""A data frame with id and text, out of any source: spark-submit spark_map.py texts.parquet predictions.parquet. A batch is a process; one
that fails is an error of its task, which Spark tries again."""
import json
import subprocess
import sys
import pandas as pd
from pyspark.sql import SparkSession

PREDICT = "bertlabel predict --model /data/model --format jsonl --top-k 3 --max-bad-rows 1% --threads 1 --quiet".split()


def predict(batches):
    for batch in batches:
        lines = batch.to_json(orient="records", lines=True, force_ascii=False)
        out = subprocess.run(PREDICT, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
        rows = [json.loads(line) for line in out.splitlines()]
        yield pd.DataFrame({name: [row.get(name) for row in rows] for name in ("id", "labels", "probabilities")})


spark = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 20_000).getOrCreate()
texts = spark.read.parquet(sys.argv[1]).selectExpr("cast(id as string) id", "text")
texts.mapInPandas(predict, "id string, labels array<string>, probabilities map<string, double>").write.parquet(sys.argv[2])
