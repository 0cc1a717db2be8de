// The dashboard: what the project stream tells, on one page.

import { bars, hour, lines } from './charts.js';
import { $, duration } from './dom.js';
import { failure, queueRow, worker } from './dashboard-parts.js';
import { onSession } from './session.js';
import { watch } from './watch.js';

const NONE = { succeeded: 0, failed: 0, killed: 0, cancelled: 0, median: 0, tail: 0 };
const MOST_FAILURES = 20;
const SHOWN_FAILURES = 6;

let stop = () => {};
let state;

onSession((who) => {
  stop();
  state = { minutes: new Map(), failures: new Map(), project: '', operator: false, snapshot: null };
  $('ask').hidden = Boolean(who);
  $('board').hidden = true;
  $('live').hidden = true;
  $('scope').textContent = '';
  problem('');
  stop = who ? watch(hear, connection) : () => {};
});

function hear(frame) {
  if (frame.type === 'project_ready') open(frame);
  if (frame.type === 'project_snapshot') stand(frame);
  if (frame.type === 'project_task' && frame.outcome === 'failed') fail(frame);
}

function connection(live, refusal) {
  $('live').hidden = false;
  $('live').className = `badge ${live ? 'on' : 'off'}`;
  $('live').textContent = live ? 'live' : refusal ? 'not connected' : 'connecting again …';
  problem(refusal ? `The dashboard can't be shown: ${refusal}` : '');
}

function open({ project, operator, minutes, failures }) {
  Object.assign(state, { project, operator });
  for (const minute of minutes) state.minutes.set(minute.at, minute);
  for (const one of failures) fail(one);
  $('scope').textContent = operator ? 'All projects' : `Project ${project}`;
}

function stand(snapshot) {
  state.snapshot = snapshot;
  for (const minute of snapshot.minutes) state.minutes.set(minute.at, minute);
  for (const at of state.minutes.keys()) if (at < snapshot.at - 3600) state.minutes.delete(at);
  showFigures(snapshot);
  showCharts(snapshot.at);
  showWorkers(snapshot);
  showQueue(snapshot);
  showFailures(snapshot.at);
  $('board').hidden = false;
}

function fail(one) {
  state.failures.delete(one.id);
  state.failures.set(one.id, one);
  for (const id of [...state.failures.keys()].slice(0, -MOST_FAILURES)) state.failures.delete(id);
}

function showFigures({ queues, workers }) {
  const sum = (all, key) => all.reduce((total, one) => total + (one[key] ?? 0), 0);
  const all = [...state.minutes.values()];
  const [waiting, running] = [sum(queues, 'queued'), sum(queues, 'running')];
  const [done, failed, stopped] = [sum(all, 'succeeded'), sum(all, 'failed'), sum(all, 'killed') + sum(all, 'cancelled')];
  const oldest = Math.max(0, ...queues.map((it) => it.oldest));
  const ready = workers.filter((it) => it.ready);
  say('waiting', waiting);
  say('oldest', waiting ? `the oldest for ${duration(Math.round(oldest))}` : 'nobody waits');
  say('running', running);
  say('places', ready.length ? `${sum(ready, 'capacity')} places on ${ready.length} worker${ready.length === 1 ? '' : 's'}` : 'no worker is ready');
  say('done', done);
  say('pace', done ? `${(done / 60).toFixed(done < 60 ? 2 : 1)} a minute` : 'nothing was drawn');
  say('failed', failed);
  say('stopped', `${stopped} stopped by people`);
  $('failed').classList.toggle('bad', failed > 0);
}

function showCharts(now) {
  const minutes = hour(state.minutes, now, NONE);
  const stopped = (it) => it.killed + it.cancelled;
  const total = minutes.reduce((sum, it) => sum + it.succeeded, 0);
  const kinds = [['done', (it) => it.succeeded], ['failed', (it) => it.failed], ['stopped', stopped]];
  bars($('throughput'), minutes, kinds, `Tasks by the minute: ${total} done in the last hour.`);
  const known = (key) => (it) => (it.succeeded ? it[key] : null);
  const last = minutes.findLast((it) => it.succeeded);
  const words = last ? `half of the tasks took ${duration(last.median)} or less in the latest busy minute.` : 'nothing was drawn.';
  lines($('latency'), minutes, [['tail', known('tail')], ['median', known('median')]], duration, `From Run to pictures: ${words}`);
}

function showWorkers({ workers, running }) {
  replace('workers', workers.map((one) => worker(one, running.filter((it) => it.worker === one.id), state)));
  $('no-workers').hidden = workers.length > 0;
}

function showQueue({ queues }) {
  $('queue').tBodies[0].replaceChildren(...queues.map(queueRow));
  $('queue').hidden = !queues.length;
  $('no-queue').hidden = queues.length > 0;
}

function showFailures(now) {
  const latest = [...state.failures.values()].filter((it) => it.at > now - 3600).reverse();
  const failed = [...state.minutes.values()].reduce((sum, it) => sum + it.failed, 0);
  const more = Math.max(failed, latest.length) - SHOWN_FAILURES;
  replace('failures', latest.slice(0, SHOWN_FAILURES).map((one) => failure(one, state)));
  say('more-failures', `and ${more} more`);
  $('more-failures').hidden = more <= 0;
  $('no-failures').hidden = latest.length > 0;
}

/** Put new children into a list; a link that has the focus keeps it. */
function replace(id, children) {
  const href = document.activeElement?.closest?.(`#${id} a`)?.getAttribute('href');
  $(id).replaceChildren(...children);
  if (href) $(id).querySelector(`a[href="${href}"]`)?.focus();
}

function say(id, value) {
  const text = String(value);
  if ($(id).textContent !== text) $(id).textContent = text;
}

function problem(message) {
  $('problem').textContent = message;
  $('problem').hidden = !message;
}
