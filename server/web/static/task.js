// One task: its pictures, its time, its log, and everything known of how it was drawn.

import { call, root } from './api.js';
import { $, duration, h, moment, toast } from './dom.js';
import { figures, showPreview } from './pictures.js';
import { onSession } from './session.js';
import { follow } from './socket.js';
import { age, badge, isOver, picturesOf, progressLine, readTask, slugOf, stateOf, stop } from './task-facts.js';
import { timeline } from './timeline.js';

const { id } = $('task').dataset;
let unfollow = () => {};
let events = [];
let phases = {};
let timer = 0;

onSession((who) => {
  unfollow();
  if (who) begin();
  else problem('Sign in to see this task.');
});

async function begin() {
  events = [];
  phases = {};
  const task = await read();
  if (!task) return;
  unfollow = follow(task.socketaccesstoken, (frame) => hear(frame, task), { preview: true });
}

async function read() {
  try {
    const task = await readTask({ taskid: id });
    problem('');
    show(task);
    return task;
  } catch (error) {
    problem(error.code === 1 ? `Your project has no task ${id}. “Tasks” above lists those it has.` : error.message);
    return null;
  }
}

function hear(frame, task) {
  if (frame.type === 'task_preview') return showPreview($('pictures'), frame.message);
  if (frame.seq) {
    events.push(frame);
    showTime();
    $('log').textContent = logOf(events) || (frame.terminal ? 'Nothing was logged.' : 'Nothing yet.');
  }
  if (frame.type === 'task_output' && frame.message?.stepTotal) {
    $('bar').value = Number(frame.message.percentage);
    $('step').textContent = progressLine(frame.message, Number(task.parameters?.samples) || 1);
  }
  if (frame.seq && !isOver(task)) {
    // A replay brings many frames at once; the task is read once after them.
    clearTimeout(timer);
    timer = setTimeout(read, frame.terminal ? 0 : 150);
  }
}

function showTime() {
  $('timeline').replaceChildren(...timeline(events, Date.now() / 1000, phases));
}

/** The whole log where it is written, else what has been said so far. */
function logOf(heard) {
  const whole = heard.findLast(({ type }) => type === 'task_output_full')?.message?.raw;
  const errors = heard.filter(({ type }) => type === 'task_error').map(({ message }) => String(message));
  return whole || errors.join('\n');
}

function show(task) {
  $('sheet').hidden = false;
  phases = task.receipt.phases ?? {};
  showTime();
  $('badge').replaceChildren(badge(task));
  $('about').replaceChildren(
    h('a', { href: `${root}/models/${slugOf(task)}` }, slugOf(task)), ' · ', moment(task.createtime), ` · ${duration(age(task))}`,
    task.attempt > 1 ? ` · attempt ${task.attempt}` : '',
  );
  $('failed').hidden = !task.debugerror;
  $('failed').textContent = task.debugerror;
  pictures(task);
  actions(task);
  facts('parameters', Object.entries(task.parameters).filter(([, value]) => value !== '' && value !== null), task);
  promptReport(task.receipt.prompt);
  receipt(task);
  webhooks(task.webhooks);
}

function pictures(task) {
  const running = stateOf(task) === 'running';
  $('progress').hidden = !running;
  // What is there already stays: people may have uncovered it, or be looking.
  const kind = JSON.stringify([running, task.outputsremoved, picturesOf(task).map(({ url }) => url)]);
  if ($('pictures').dataset.kind === kind) return;
  $('pictures').dataset.kind = kind;
  const shown = figures(task);
  const nothing = task.outputsremoved || (isOver(task) ? 'No picture was finished.' : 'No picture yet.');
  $('pictures').classList.toggle('one', shown.length === 1);
  $('pictures').replaceChildren(...(shown.length ? shown : [h('p', { class: 'muted' }, nothing)]));
}

function actions(task) {
  const button = (text, act, kind = '') => h('button', { type: 'button', class: kind, onclick: act }, text);
  const again = button('Run again', () => attempt(async () => {
    const { callbackUrl, ...parameters } = task.parameters; // who was told of one task need not be told of the next
    const made = await call(`Run/${slugOf(task)}`, parameters);
    location.href = `${root}/tasks/${made.taskid}`;
  }));
  const settings = h('a', { class: 'button', href: `${root}/models/${slugOf(task)}#task=${task.id}` }, 'Use these settings');
  const end = button(task.status === 'task_queue' ? 'Cancel' : 'Kill', () => attempt(() => stop(task)), 'danger');
  const remove = button('Delete files', () => sure(task), 'danger');
  const removable = isOver(task) && !task.outputsremoved;
  $('actions').replaceChildren(again, settings, ...(isOver(task) ? [] : [end]), ...(removable ? [remove] : []));
}

function sure(task) {
  const dialog = h(
    'dialog',
    { class: 'ask', 'aria-label': 'Delete files', onclose: () => dialog.remove() },
    h('p', {}, 'Delete the pictures of this task, and the uploads that no other task reads? They can’t be brought back.'),
    h(
      'div',
      { class: 'row' },
      h('button', { type: 'button', class: 'danger', onclick: () => attempt(async () => {
        dialog.close();
        await call('Task/InputOutputDelete', { tasktoken: task.socketaccesstoken });
        toast('Deleted');
        await read();
      }) }, 'Delete'),
      h('button', { type: 'button', onclick: () => dialog.close(), autofocus: true }, 'Keep'),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    problem(error.message);
  }
}

function facts(place, entries) {
  $(place).replaceChildren(...entries.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, text(value))]));
}

function text(value) {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function promptReport(report) {
  $('prompt-report').hidden = !report;
  if (!report) return;
  const entries = [];
  for (const name of ['prompt', 'negativePrompt']) {
    const said = report[name];
    if (said?.tokens) entries.push([`${name}: tokens`, said.tokens.map((count) => `${count}/75`).join(', ') || '0']);
    if (said?.weights?.length) entries.push([`${name}: weights`, said.weights.map((it) => `${it.text} × ${it.weight}`).join(', ')]);
    if (said?.breaks) entries.push([`${name}: BREAKs`, said.breaks]);
    if (said?.leftOut) entries.push([`${name}: left out`, `${said.leftOut} tokens`]);
  }
  const { used = [], unknown = [], dropped = [] } = report.loras ?? {};
  if (used.length) entries.push(['LoRAs', used.map((it) => `${it.name} × ${it.weight}`).join(', ')]);
  if (unknown.length) entries.push(['LoRAs not installed', unknown.join(', ')]);
  if (dropped.length) entries.push(['LoRA tags left out', dropped.join(', ')]);
  facts('prompt-facts', entries);
  $('prompt-report').hidden = !entries.length;
}

function receipt(task) {
  const { weights, plan, size, words } = task.receipt;
  const entries = [];
  if (weights) entries.push(['Weights', weights.refiner ? `${weights.name}, ${weights.refiner}` : weights.name]);
  if (task.seed) entries.push(['Seed', task.seed]);
  if (plan) entries.push(['Steps', plan.refiner ? `${plan.base} base + ${plan.refiner} refiner` : `${plan.base} base`]);
  if (plan) entries.push(['UNet evaluations', plan.unetevaluations]);
  for (const subject of [weights, plan, size, words]) if (subject?.note) entries.push(['Note', subject.note]);
  const kill = task.killreceipt;
  if (kill?.means) entries.push(['Killed', `in ${kill.phase}, step ${kill.step} of ${kill.steptotal}; the device was free after ${kill.milliseconds} ms (${kill.means})`]);
  if (Number(task.totalcost)) entries.push(['Cost', task.totalcost]);
  $('receipt').hidden = !entries.length;
  facts('receipt-facts', entries);
}

function webhooks(list) {
  $('webhooks').hidden = !list.length;
  $('webhooks-list').replaceChildren(...list.map(({ url, status, attempts }) => h(
    'div', {},
    h('p', {}, h('code', {}, url), ' ', h('span', { class: `badge ${status}` }, status)),
    h('ul', { class: 'bare small muted' }, ...attempts.map((it) => h('li', {}, moment(it.time), ` ${it.statuscode} ${it.reason}`))),
  )));
}

function problem(message) {
  $('problem').textContent = message;
  $('problem').hidden = !message;
}
