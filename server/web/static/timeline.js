// A task's life as one bar: how long it waited, was prepared, was drawn (by base and refiner, then
// decoded) and was stored.

import { duration, h, svg } from './dom.js';

const KIND_OF = {
  task_queue: 'waiting', task_accept: 'preparing', task_preprocess_start: 'preparing', task_preprocess_end: 'preparing',
  task_assign: 'preparing', task_start: 'drawing', task_end: 'storing', task_postprocess_start: 'storing',
};
const WIDTH = 1000;
const LEAST = 6;

const PHASES = ['base', 'refiner', 'decode'];

/**
 * Return the chart of a task's events ({type, at}), up to `now` for one that goes on. `phases`, once they are known, are
 * the seconds that its last drawing has spent in each.
 */
export function timeline(events, now, phases = {}) {
  const spans = inPhases(spansOf(events, now), phases);
  const total = spans.reduce((sum, { seconds }) => sum + seconds, 0);
  if (!spans.length) return [h('p', { class: 'muted' }, 'Nothing yet.')];
  const words = spans.map(({ kind, seconds }) => `${kind} ${duration(seconds)}`).join(', ');
  const bar = svg('svg', { class: 'timeline', viewBox: `0 0 ${WIDTH} 24`, preserveAspectRatio: 'none', role: 'img', 'aria-label': words });
  let x = 0;
  for (const { kind, width } of widths(spans, total)) {
    bar.append(svg('rect', { class: kind, x, y: 0, width: Math.max(0, width - 2), height: 24, rx: 3 }));
    x += width;
  }
  const legend = spans.map(({ kind, seconds }) => h('li', {}, h('span', { class: `dot ${kind}` }), `${kind} `, h('strong', {}, duration(seconds))));
  return [bar, h('ul', { class: 'bare legend small' }, ...legend, h('li', { class: 'muted' }, `in all ${duration(total)}`))];
}

function spansOf(events, now) {
  const moves = events.filter(({ type }) => type in KIND_OF || type === 'task_postprocess_end' || type === 'task_cancel');
  const spans = [];
  moves.forEach(({ type, at }, index) => {
    const kind = KIND_OF[type];
    if (!kind) return;
    const seconds = Math.max(0, (moves[index + 1]?.at ?? Math.max(now, at)) - at);
    if (spans.at(-1)?.kind === kind) spans.at(-1).seconds += seconds;
    else spans.push({ kind, seconds });
  });
  return spans;
}

/** The last drawing, phase by phase; what it took beyond them was spent on the last picture's file. */
function inPhases(spans, phases) {
  const place = spans.findLastIndex(({ kind }) => kind === 'drawing');
  const parts = PHASES.filter((kind) => phases[kind] > 0).map((kind) => ({ kind, seconds: phases[kind] }));
  if (place < 0 || !parts.length) return spans;
  const rest = spans[place].seconds - parts.reduce((sum, { seconds }) => sum + seconds, 0);
  const after = spans.slice(place + 1);
  if (after[0]?.kind === 'storing') after[0] = { kind: 'storing', seconds: after[0].seconds + Math.max(0, rest) };
  return [...spans.slice(0, place), ...parts, ...after];
}

/** Short spans stay visible: each gets a least width, the rest share what is left by their time. */
function widths(spans, total) {
  const room = WIDTH - LEAST * spans.length;
  return spans.map(({ kind, seconds }) => ({ kind, width: LEAST + (total ? (room * seconds) / total : room / spans.length) }));
}
