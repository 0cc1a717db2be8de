// The result of a model page: one task, from the queue to its pictures.

import { root } from './api.js';
import { $, duration, h } from './dom.js';
import { figures, showPreview } from './pictures.js';
import { follow } from './socket.js';
import { age, isOver, progressLine, readTask, stateOf, stop } from './task-facts.js';

const STAGES = ['Queue', 'Prepare', 'Draw', 'Store', 'Done'];
const STAGE_OF = {
  task_queue: 0, task_accept: 1, task_preprocess_start: 1, task_preprocess_end: 1, task_assign: 1, task_start: 2,
  task_end: 3, task_postprocess_start: 3, task_postprocess_end: 4,
};

let unfollow = () => {};

/** Show the task of a token as it comes about. `onEnd` gets the task object when it is over, `use` its parameters. */
export function present({ taskid, socketaccesstoken: token }, { width, height, samples, use, onEnd }) {
  unfollow();
  reset(Number(width) || 512, Number(height) || 512);
  const task = { id: taskid, socketaccesstoken: token, status: 'task_queue' };
  actions(task, use);

  unfollow = follow(
    token,
    (frame) => {
      if (frame.type === 'task_preview') return showPreview($('stage'), frame.message);
      if (frame.type in STAGE_OF) {
        task.status = frame.type;
        reach(STAGE_OF[frame.type]);
        if (frame.type === 'task_queue') say(frame.queueposition > 1 ? `Number ${frame.queueposition} in the queue.` : 'Waiting for a worker.');
        if (frame.type === 'task_start') say('Drawing begins …');
        actions(task, use);
      }
      if (frame.type === 'task_output' && frame.message?.stepTotal) {
        $('bar').value = Number(frame.message.percentage);
        say(progressLine(frame.message, Number(samples) || 1));
      }
      if (frame.terminal) end(token, { use, onEnd });
      if (frame.type === 'error') say(frame.message);
    },
    { preview: true, onTrouble: say },
  );
}

async function end(token, { use, onEnd }) {
  let task;
  try {
    task = await readTask({ tasktoken: token });
  } catch (error) {
    return say(error.message);
  }
  const shown = figures(task);
  $('stage').classList.toggle('many', shown.length > 1);
  $('stage').replaceChildren(...shown);
  if (!shown.length) $('stage').append(h('p', { class: 'empty' }, stateOf(task) === 'failed' ? 'No picture: the task failed.' : 'Stopped before a picture was finished.'));
  $('result').dataset.state = stateOf(task);
  if (stateOf(task) === 'done') $('bar').value = 100;
  say({ done: `Done in ${duration(age(task))}.`, failed: task.debugerror, cancelled: stopped(task) }[stateOf(task)]);
  const notes = Object.values(task.receipt ?? {}).map((subject) => subject?.note).filter(Boolean);
  $('said').textContent = notes.join(' ');
  actions(task, use);
  onEnd(task);
}

function stopped({ killreceipt: kill }) {
  return kill?.phase ? `Killed in ${kill.phase}, at step ${kill.step} of ${kill.steptotal}.` : 'Stopped.';
}

function reset(width, height) {
  $('result').dataset.state = 'running';
  $('stage').classList.remove('many');
  $('stage').style.aspectRatio = `${width} / ${height}`;
  $('stage').replaceChildren(h('p', { class: 'empty' }, 'Waiting for the first steps …'));
  $('bar').value = 0;
  $('said').textContent = '';
  say('Sent.');
  reach(0);
}

function reach(stage) {
  for (const item of $('stages').children) {
    const at = STAGES.indexOf(item.dataset.stage);
    item.className = at < stage || stage === STAGES.length - 1 ? 'past' : at === stage ? 'now' : '';
    if (at === stage) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  }
}

function actions(task, use) {
  const kind = `${isOver(task)} ${task.status === 'task_queue'}`;
  if ($('actions').dataset.kind === kind && $('actions').dataset.id === task.id) return; // keep the focus
  Object.assign($('actions').dataset, { kind, id: task.id });
  const end = h('button', { type: 'button', class: 'danger', id: 'stop' }, task.status === 'task_queue' ? 'Cancel' : 'Kill');
  end.addEventListener('click', async () => {
    end.disabled = true;
    try {
      await stop(task);
    } catch (error) {
      say(error.message);
    }
  });
  $('actions').replaceChildren(
    ...(isOver(task) ? [h('button', { type: 'button', onclick: () => use(task.parameters, task) }, 'Use these settings')] : [end]),
    h('a', { class: 'button plain', href: `${root}/tasks/${task.id}` }, `Task ${task.id}`),
  );
}

function say(text) {
  $('step').textContent = text;
}
