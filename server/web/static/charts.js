// Charts of the last hour, by the minute: bars that stack, and lines that break where nothing was.

import { h, svg } from './dom.js';

const MINUTES = 60;
const HEIGHT = 100;
const BAR = 10;
const WIDTH = MINUTES * BAR;
const TIMES = [1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600];

/** Stacked bars into `element`: `series` are [class, value of a minute]; `label` says it for those who don't see it. */
export function bars(element, minutes, series, label) {
  const most = nice(Math.max(1, ...minutes.map((it) => series.reduce((sum, [, of]) => sum + of(it), 0))));
  const drawn = minutes.flatMap((minute, index) => {
    let y = HEIGHT;
    return series.map(([kind, of]) => {
      const height = (of(minute) / most) * HEIGHT;
      y -= height;
      return height ? svg('rect', { class: kind, x: index * BAR + 1, y, width: BAR - 2, height }) : null;
    });
  });
  put(element, label, most, String(most), drawn);
}

/** Lines into `element`: `series` are [class, value of a minute or null], `words` says a value. */
export function lines(element, minutes, series, words, label) {
  const values = minutes.flatMap((it) => series.map(([, of]) => of(it) ?? 0));
  const most = niceTime(Math.max(1, ...values));
  const drawn = series.map(([kind, of]) => svg('path', { class: kind, d: path(minutes.map(of), most) }));
  put(element, label, most, words(most), drawn);
}

/** The last sixty minutes up to `now` (unix seconds), with those of `known` (by their beginning) in their places. */
export function hour(known, now, none) {
  const last = Math.floor(now / 60) * 60;
  return Array.from({ length: MINUTES }, (_, index) => {
    const at = last - (MINUTES - 1 - index) * 60;
    return known.get(at) ?? { ...none, at };
  });
}

function path(values, most) {
  let pen = 'M';
  return values
    .map((value, index) => {
      if (value === null) {
        pen = 'M';
        return '';
      }
      const x = index * BAR + BAR / 2;
      const y = (HEIGHT - (value / most) * HEIGHT).toFixed(2);
      // A minute that stands alone is a short stroke, else nobody would see it.
      const alone = values[index - 1] == null && values[index + 1] == null;
      const step = alone ? `M${x - 3} ${y}L${x + 3} ${y}` : `${pen}${x} ${y}`;
      pen = 'L';
      return step;
    })
    .join('');
}

function put(element, label, most, words, drawn) {
  const grid = [0, 0.5, 1].map((part) => svg('line', { x1: 0, x2: WIDTH, y1: part * HEIGHT, y2: part * HEIGHT }));
  const options = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label };
  element.replaceChildren(
    h('div', { class: 'scale', 'aria-hidden': 'true' }, h('span', {}, words), h('span', {}, '0')),
    svg('svg', options, ...grid, ...drawn),
    h('div', { class: 'hours', 'aria-hidden': 'true' }, ...['60 min ago', '30', 'now'].map((it) => h('span', {}, it))),
  );
}

/** The next time up that reads well, in seconds. */
function niceTime(seconds) {
  return TIMES.find((it) => it >= seconds) ?? nice(seconds / 3600) * 3600;
}

/** The next number up that reads well: 1, 2, 5, 10, 20, 50, … */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= value * 0.999);
  return Number(found.toPrecision(1));
}
