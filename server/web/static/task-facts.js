// What a task object says, in words for people.

import { call } from './api.js';
import { h } from './dom.js';

const RUNNING = new Set([
  'task_accept', 'task_preprocess_start', 'task_preprocess_end', 'task_assign', 'task_start', 'task_end', 'task_postprocess_start',
]);

/** Words of a filter, and what they ask of Task/List. */
export const FILTERS = {
  queued: { status: 'task_queue' },
  running: { status: [...RUNNING].join(',') },
  done: { outcome: 'succeeded' },
  failed: { outcome: 'failed' },
  cancelled: { status: 'task_cancel' },
};

/** Where a task stands: queued, running, done, failed or cancelled. */
export function stateOf({ status, pexit }) {
  if (status === 'task_queue') return 'queued';
  if (status === 'task_cancel') return 'cancelled';
  if (status === 'task_postprocess_end') return pexit === '0' ? 'done' : 'failed';
  return RUNNING.has(status) ? 'running' : status;
}

/** Whether nothing more will happen. */
export const isOver = (task) => ['done', 'failed', 'cancelled'].includes(stateOf(task));

/** A task's state as a small sign. */
export const badge = (task) => h('span', { class: `badge ${stateOf(task)}` }, stateOf(task));

/** The model's slug. */
export const slugOf = (task) => `${task.modelslugowner}/${task.modelslugproject}`;

/** The prompt without its LoRA tags, for lists. */
export const promptOf = (task) => String(task.parameters?.prompt ?? '').replace(/<lora:[^>]*>,?\s*/g, '').trim();

/** The seed of a sample; seeds may be larger than numbers here can be. */
export function seedOf(task, sample) {
  return task.seed ? String(BigInt(task.seed) + BigInt(sample)) : '';
}

/** Its pictures: those of a success, or those finished before a kill or a failure. */
export const picturesOf = (task) => (task.outputs.length ? task.outputs : task.partialoutputs);

/** Whole seconds from queueing to the end, or to now. */
export function age(task) {
  const end = Number(task.canceltime) || Number(task.postprocessendtime) || Date.now() / 1000;
  return Math.max(0, Math.round(end - Number(task.createtime)));
}

/** Read one task by its id or token. */
export async function readTask(ref) {
  const { tasklist } = await call('Task/Detail', ref);
  return tasklist[0];
}

/** Stop a task: cancelled in the queue, killed while it is drawn. */
export async function stop(task) {
  const path = task.status === 'task_queue' ? 'Task/Cancel' : 'Task/Kill';
  try {
    return (await call(path, { tasktoken: task.socketaccesstoken })).tasklist[0];
  } catch (error) {
    // It may have begun just now: then a kill is meant.
    if (path === 'Task/Cancel') return (await call('Task/Kill', { tasktoken: task.socketaccesstoken })).tasklist[0];
    throw error;
  }
}

/** One line on a progress message: what is drawn, and how far it is. */
export function progressLine({ phase, sample, stepCurrent, stepTotal, speed, remainingTime }, samples = 1) {
  const parts = [`Step ${stepCurrent} of ${stepTotal}`];
  if (phase) parts.push(samples > 1 ? `${phase}, picture ${Number(sample) + 1} of ${samples}` : phase);
  if (Number(speed) > 0) parts.push(`${Number(speed).toFixed(1)} it/s`);
  if (remainingTime && remainingTime !== '0s') parts.push(`${remainingTime.replace('s', ' s')} left`);
  return parts.join(' · ');
}
