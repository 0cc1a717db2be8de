-- How many workers there should be: one for each PER_WORKER tasks that wait or are drawn, none where there are none.
-- An autoscaler asks this (KEDA's postgresql scaler: as `query`, with targetQueryValue 1), not the CPU's load: a GPU that
-- waits for nothing looks as idle as one that waits for work. Paused projects' tasks count too: their turn comes.
SELECT CAST((count(*) + 3) / 4 AS integer) AS workers -- 4 is PER_WORKER: what `easel worker` draws at once on your GPU
FROM tasks
WHERE status IN (
  'task_queue', 'task_accept', 'task_preprocess_start', 'task_preprocess_end', 'task_assign', 'task_start'
);
