// The dashboard's pieces: a worker with what it draws, a row of the queue, a failure.

import { root } from './api.js';
import { duration, h, moment } from './dom.js';

const WORDS = {
  task_accept: 'taken', task_preprocess_start: 'preparing', task_preprocess_end: 'preparing', task_assign: 'waits for the engine',
  task_start: 'drawing', task_end: 'storing', task_postprocess_start: 'storing',
};

/** A worker's card; `held` are those of its tasks that may be seen. */
export function worker(one, held, who) {
  const others = Math.max(0, (one.tasks ?? 0) - held.length);
  const where = one.host ? `${one.host}, process ${one.pid} · ` : '';
  const beat = one.heartbeat < 2 ? 'heartbeat just now' : `heartbeat ${duration(Math.round(one.heartbeat))} ago`;
  return h(
    'li',
    { class: 'card worker', 'data-worker': one.id },
    h('h3', {}, one.device || 'loading its model', h('span', { class: `badge ${one.state}` }, one.state)),
    h('p', { class: 'muted small' }, `${where}${beat}`),
    memory(one),
    held.length ? h('ul', { class: 'bare held' }, ...held.map((task) => heldRow(task, who))) : null,
    others || !held.length ? h('p', { class: 'muted small idle' }, others ? `${others} task${others === 1 ? '' : 's'} of others` : 'idle') : null,
  );
}

function memory({ memory: used, memoryTotal: total }) {
  if (!used) return null;
  const words = total ? `${bytes(used)} of ${bytes(total)} device memory` : `${bytes(used)} of memory`;
  const bar = total ? h('progress', { max: total, value: used, 'aria-label': words }) : null;
  return h('p', { class: 'memory small' }, bar, h('span', { class: 'muted' }, words));
}

function heldRow(task, who) {
  const known = task.total > 0;
  const step = known ? `step ${task.step} of ${task.total}` : WORDS[task.status] ?? task.status;
  const details = known ? [task.phase, task.speed > 0 ? `${task.speed.toFixed(1)} it/s` : '', left(task)] : [duration(Math.round(task.seconds))];
  return h(
    'li',
    {},
    h('div', { class: 'line small' }, h('span', {}, link(task, who), ` · ${step}`), h('span', { class: 'muted' }, details.filter(Boolean).join(' · '))),
    h('progress', { max: known ? task.total : 1, value: known ? task.step : 0, 'aria-label': `Task ${task.id}: ${step}` }),
  );
}

function left({ remaining }) {
  return remaining >= 1 ? `${duration(Math.round(remaining))} left` : '';
}

/** A row of the queue's table. */
export function queueRow({ project, model, queued, oldest, running }) {
  const number = (text) => h('td', { class: 'number' }, text);
  return h(
    'tr',
    {},
    h('td', {}, project),
    h('td', {}, h('a', { href: `${root}/models/${model}` }, model.split('/').at(-1))),
    number(String(queued)),
    number(queued ? duration(Math.round(oldest)) : '–'),
    number(String(running)),
  );
}

/** A task that failed, and why. */
export function failure(one, who) {
  return h(
    'li',
    {},
    h('div', { class: 'small' }, link(one, who), h('span', { class: 'muted' }, ` · ${one.model.split('/').at(-1)} · `, moment(one.at))),
    h('p', { class: 'small' }, one.message || 'It gave no reason.'),
  );
}

/** A task by its number; only those of one's own project have a page to be opened. */
function link({ id, project }, who) {
  const name = who.operator && project !== who.project ? `Task ${id} of ${project}` : `Task ${id}`;
  return project === who.project ? h('a', { href: `${root}/tasks/${id}` }, name) : name;
}

function bytes(number) {
  return number < 1e9 ? `${Math.round(number / 1e6)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}
