-- predict.sh in user_scripts: exec bertlabel predict --model /data/model --format jsonl --top-k 3 --max-bad-rows 100% --quiet
-- check_exit_code makes a process that was killed an error of the query; the time-outs are milliseconds, 10 s without them.
INSERT INTO predictions
SELECT id, labels, probabilities
FROM executable('predict.sh', JSONEachRow, 'id UInt64, labels Array(String), probabilities Map(String, Float32)',
    (SELECT id, text FROM texts),
    SETTINGS check_exit_code = 1, command_read_timeout = 3600000, command_write_timeout = 3600000)
