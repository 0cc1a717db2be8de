// A model's page: fill the form, see what it comes to, run it, watch it, look at the pictures.

import { call, callWith, here, root } from './api.js';
import { showCode } from './code.js';
import { $, h } from './dom.js';
import { fill, values, withFiles } from './form.js';
import { pickLoras } from './loras.js';
import { foresee } from './plan.js';
import { onSession, session } from './session.js';
import { present } from './stage.js';
import { picturesOf, promptOf, readTask } from './task-facts.js';

const { slug } = $('model').dataset;
const form = $('form');
const plan = foresee(slug, values);
const code = showCode(slug, values);

if (form.elements.namedItem('prompt')) pickLoras(form.elements.namedItem('prompt'));
form.addEventListener('input', () => {
  plan();
  code();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  run();
});
// As everywhere where one writes: Ctrl or Cmd and Enter send.
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
for (const button of document.querySelectorAll('[data-use]')) {
  button.addEventListener('click', () => use(JSON.parse(button.dataset.use)));
}
onSession((who) => {
  plan();
  if (!who) return;
  latest();
  fromTask();
});

async function run() {
  if (!session()) {
    location.href = `${root}/sign-in?next=${encodeURIComponent(location.pathname.slice(root.length))}`;
    return;
  }
  $('run-problem').hidden = true;
  $('run').disabled = true;
  const asked = values();
  try {
    const files = withFiles();
    const made = files ? await callWith(`Run/${slug}`, files) : await call(`Run/${slug}`, asked);
    present(made, { ...asked, use, onEnd: latest });
    code(made.socketaccesstoken);
    if (matchMedia('(max-width: 60rem)').matches) $('result').scrollIntoView({ block: 'start' });
  } catch (error) {
    $('run-problem').textContent = error.message;
    $('run-problem').hidden = false;
  }
  $('run').disabled = false;
}

/** Fill the form; of a task with the seed it was drawn with. */
function use(parameters, task) {
  const { callbackUrl, ...rest } = parameters; // who is told of one task need not be told of the next
  fill({ ...rest, ...(task?.seed ? { seed: task.seed } : {}) });
  $('p-prompt')?.focus();
}

async function fromTask() {
  const id = new URLSearchParams(location.hash.slice(1)).get('task');
  if (!id) return;
  history.replaceState(null, '', location.pathname); // once: what people change then is theirs
  try {
    const task = await readTask({ taskid: id });
    use(task.parameters, task);
  } catch (error) {
    $('run-problem').textContent = error.message;
    $('run-problem').hidden = false;
  }
}

async function latest() {
  try {
    const { tasklist } = await call('Task/List', { limit: '24', modelName: slug, status: 'task_postprocess_end' });
    const shown = tasklist.flatMap((task) => picturesOf(task).slice(0, 1).map((file) => thumb(task, file))).slice(0, 12);
    $('latest-list').replaceChildren(...shown);
    $('latest').hidden = !shown.length;
  } catch {
    $('latest').hidden = true; // the run's own messages say what is wrong
  }
}

function thumb(task, file) {
  const image = h('img', { src: here(file.url), alt: promptOf(task) || `Task ${task.id}`, loading: 'lazy', width: 160, height: 160 });
  return h('li', {}, h('a', { class: 'picture', href: `${root}/tasks/${task.id}` }, image));
}
