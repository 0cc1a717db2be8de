// The history: a project's tasks with their first picture, filtered and in pages. The address holds the filters.

import { call, here, root } from './api.js';
import { $, duration, h, moment } from './dom.js';
import { COVERED } from './pictures.js';
import { onSession } from './session.js';
import { FILTERS, age, badge, isOver, picturesOf, promptOf } from './task-facts.js';

const PAGE = 20;
const EVERY = 3000;

const state = Object.fromEntries(new URLSearchParams(location.search));
let start = Number(state.start) || 0;
let timer = 0;

$('filters').elements.status.value = state.status in FILTERS ? state.status : '';
$('filters').elements.model.value = state.model ?? '';
$('filters').addEventListener('change', () => go(0));
$('newer').addEventListener('click', () => go(start - PAGE));
$('older').addEventListener('click', () => go(start + PAGE));
onSession((who) => (who ? load() : ask()));

function go(to) {
  start = Math.max(0, to);
  const { status, model } = $('filters').elements;
  const said = { status: status.value, model: model.value, start: start || '' };
  const query = new URLSearchParams(Object.entries(said).filter(([, value]) => value !== ''));
  history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  load();
}

function ask() {
  clearTimeout(timer);
  $('list').replaceChildren();
  $('pages').hidden = true;
  $('none').hidden = true;
  problem('Sign in to see the tasks of your project.');
}

async function load() {
  clearTimeout(timer);
  const { status, model } = $('filters').elements;
  const query = { start: String(start), limit: String(PAGE), modelName: model.value, ...FILTERS[status.value] };
  try {
    const { tasklist, total } = await call('Task/List', query);
    problem('');
    show(tasklist, Number(total));
    if (tasklist.some((task) => !isOver(task))) timer = setTimeout(load, EVERY);
  } catch (error) {
    problem(error.message);
    timer = setTimeout(load, EVERY);
  }
  $('list').setAttribute('aria-busy', 'false');
}

function show(tasks, total) {
  const focused = document.activeElement?.closest?.('[data-id]')?.dataset.id;
  $('list').replaceChildren(...tasks.map(row));
  if (focused) $('list').querySelector(`[data-id="${focused}"] a`)?.focus();
  $('none').hidden = total > 0;
  $('pages').hidden = total <= PAGE;
  $('newer').disabled = start === 0;
  $('older').disabled = start + PAGE >= total;
  $('range').textContent = `${start + 1}–${Math.min(start + PAGE, total)} of ${total}`;
}

function row(task) {
  const [first] = picturesOf(task);
  const image = first ? h('img', { src: here(first.url), alt: '', loading: 'lazy', width: 72, height: 72 }) : null;
  return h(
    'li',
    { 'data-id': task.id },
    h('span', { class: 'picture', ...(image ? COVERED : {}) }, image),
    h(
      'div',
      { class: 'what' },
      h('a', { href: `${root}/tasks/${task.id}` }, promptOf(task) || `Task ${task.id}`),
      h('p', { class: 'muted small' }, `${task.modelslugproject} · `, moment(task.createtime), ` · ${duration(age(task))}`),
    ),
    badge(task),
  );
}

function problem(message) {
  $('problem').textContent = message;
  $('problem').hidden = !message;
}
