"""Ray Data: python ray_score.py texts.jsonl predictions. A batch is a process in a task of one CPU. The two settings have Ray
try again what a killed process leaves; without them the job fails. (Actors that hold all CPUs leave none for reading, and the job hangs: give
`concurrency` one less.)"""
import subprocess
import sys
import ray

PREDICT = "bertlabel predict --model /data/model --format jsonl --max-bad-rows 1% --threads 1 --quiet".split()


def predict(batch):
    lines = "\n".join(batch["text"])  # each is a line of JSON as it stood in the file
    out = subprocess.run(PREDICT, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {"prediction": out.splitlines()}


context = ray.data.DataContext.get_current()
context.retried_map_errors, context.max_map_retries = True, 3
ray.data.read_text(sys.argv[1]).map_batches(predict, batch_size=20_000, num_cpus=1).write_parquet(sys.argv[2])
