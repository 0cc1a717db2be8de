// Small words for building pages. Text is always text: nothing here takes HTML.

/** Make an element: h('p', { class: 'note', onclick }, 'text', child, null). */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/** Say something in passing, aloud for screen readers. */
export function toast(message) {
  const said = h('p', {}, message);
  $('toasts').append(said);
  setTimeout(() => said.remove(), 5000);
}

/** Copy a text and say so. */
export async function copy(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text);
    toast(what);
  } catch {
    toast('This browser lets pages copy over HTTPS or on localhost only.');
  }
}

/** Seconds as people say them: 0.84 s, 12 s, 3 min 5 s. Whole numbers are taken for rounded ones. */
export function duration(seconds) {
  if (Number.isInteger(seconds) && seconds < 60) return seconds ? `${seconds} s` : 'under 1 s';
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A moment (unix seconds) as people here say it, in an element that also tells machines. */
export function moment(seconds) {
  const date = new Date(Number(seconds) * 1000);
  const day = date.toDateString() === new Date().toDateString() ? {} : { day: 'numeric', month: 'short' };
  const text = date.toLocaleString(undefined, { ...day, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return h('time', { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}
