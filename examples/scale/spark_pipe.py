"""JSON lines in, JSON lines out: spark-submit spark_pipe.py texts.jsonl predictions. On every node the program is in
/usr/local/bin (pipe gives it no PATH) and the model in /data/model. Without checkCode a process that was killed loses its rows and the job
succeeds."""
import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
predict = "/usr/local/bin/bertlabel predict --model /data/model --format jsonl --max-bad-rows 1% --threads 1 --quiet"
spark.sparkContext.textFile(sys.argv[1]).pipe(predict, checkCode=True).saveAsTextFile(sys.argv[2])
